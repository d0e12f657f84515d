//! A run's checkpoints made into model folders: to download, to judge, to put into service.

pub use crate::store::CheckpointName;

use super::recipes;
use crate::store::{StoredJob, Work};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use trainer::training::{CheckpointInfo, TrainError, checkpoints, package_checkpoint};

/// Begins the name of a folder in which a download is made.
pub(super) const FOLDER_PREFIX: &str = ".download-";

/// Why there is no model folder.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFault {
    /// No such phase or checkpoint: newer ones may have taken its place.
    #[error("there is no such checkpoint, or no longer")]
    Unknown,
    /// The trainer cannot make a model of it.
    #[error("no model can be made of this checkpoint: {0}")]
    Trainer(#[from] TrainError),
    /// The archive cannot be written.
    #[error("the archive cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Every checkpoint of a run, by phase in the recipe's order, oldest first. Blocks.
///
/// # Errors
/// When the run's folder cannot be read.
pub fn of_run(job: &StoredJob) -> Result<Vec<(String, CheckpointInfo)>, CheckpointFault> {
    let folder = Path::new(&job.folder);
    let mut found = Vec::new();
    for phase in job.status.phases.iter().filter(|phase| phase.step != "features") {
        if folder.join(&phase.name).is_dir() {
            found.extend(checkpoints(folder, &phase.name)?.into_iter().map(|one| (phase.name.clone(), one)));
        }
    }
    Ok(found)
}

/// Phases of a run that learn of captions alone, and whose checkpoints give no model of photos. Blocks.
pub fn without_photos(job: &StoredJob) -> Vec<String> {
    // A recipe that cannot be read says nothing against them: who wants a model is told.
    let phases = recipes::of_run(Path::new(&job.folder)).map(|recipe| recipe.phases).unwrap_or_default();
    phases.iter().filter(|phase| phase.sees_captions()).map(|phase| phase.name().to_owned()).collect()
}

/// What the model of a checkpoint is called: the run by name and number, the phase, the checkpoint.
pub fn model_name(job: &StoredJob, phase: &str, checkpoint: &str) -> String {
    // The folder keeps the name that the run was made with, whatever it is called since.
    let folder = Path::new(&job.folder).file_name().unwrap_or_default().to_string_lossy();
    let first_name = folder.rsplit_once('-').map_or(&*folder, |(name, _)| name);
    let number = job.id.get(job.id.len().saturating_sub(6)..).unwrap_or(&job.id);
    format!("{first_name}-{number}-{phase}-{checkpoint}")
}

/// Makes a model folder of a checkpoint, below `directory`; one that is there already is kept. Blocks.
///
/// # Errors
/// See [`CheckpointFault`].
pub fn package(job: &StoredJob, phase: &str, name: &str, directory: &Path) -> Result<PathBuf, CheckpointFault> {
    let known = matches!(job.work, Work::Train { .. })
        && of_run(job)?.iter().any(|(of, checkpoint)| of == phase && checkpoint.name == name);
    if !known {
        return Err(CheckpointFault::Unknown);
    }
    let folder = directory.join(model_name(job, phase, name));
    if !folder.exists() {
        package_checkpoint(Path::new(&job.folder), phase, name, false, &folder)?;
    }
    Ok(folder)
}

/// A tar file of a checkpoint's model folder, without a name on disk. Blocks.
///
/// # Errors
/// See [`CheckpointFault`].
pub fn archive(job: &StoredJob, phase: &str, name: &str) -> Result<File, CheckpointFault> {
    // Beside the run: the disk that has room for checkpoints.
    let beside = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir_in(&job.folder)?;
    let model = package(job, phase, name, beside.path())?;
    let mut tar = tar::Builder::new(tempfile::tempfile_in(&job.folder)?);
    tar.append_dir_all(model_name(job, phase, name), &model)?;
    let mut file = tar.into_inner()?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}
