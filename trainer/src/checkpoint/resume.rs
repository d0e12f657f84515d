//! The state of a training phase on disk: always whole, whenever the process dies.
//!
//! A checkpoint is a folder, written under another name, synced and renamed. What is older goes only
//! after that.

use super::tensors::{CheckpointError, NamedTensors, read_tensors};
use crate::files;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tch::{Device, TchError, Tensor};

const MODEL: &str = "model.safetensors";
const OPTIMISER: &str = "optimizer.safetensors";
const PROGRESS: &str = "progress.json";
const UNFINISHED: &str = ".unfinished-";
const STATE: &str = "state-";
const BEST: &str = "best-";

/// How far a phase is. With the recipe's seed this is the data's order and the random state, too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Hash of the recipe with this phase alone.
    pub recipe: String,
    /// Name of the phase.
    pub phase: String,
    /// Iterations done.
    pub iteration: u64,
    /// The best CIDEr-D so far.
    pub best: Option<f64>,
    /// The CIDEr-D at this iteration, where the model was judged at it.
    #[serde(default)]
    pub cider: Option<f64>,
    /// Whether the phase is complete, and its model folder made.
    pub finished: bool,
    /// Epochs that the phase was to have; former versions had them in the hash.
    #[serde(default)]
    pub epochs: Option<u64>,
    /// Captions, or images, of an epoch.
    #[serde(default)]
    pub items: Option<usize>,
    /// SHA-256 (hex) of the weights of the models that it learns of, one after another.
    #[serde(default)]
    pub teachers: Option<String>,
    /// SHA-256 (hex) of the weights of the backbone whose features it reads, as it stands beside these.
    #[serde(default)]
    pub features: Option<String>,
}

/// A checkpoint that has been read.
#[derive(Debug)]
pub struct State {
    /// Every variable of the model.
    pub model: NamedTensors,
    /// The optimiser's state.
    pub optimiser: NamedTensors,
    /// How far it was.
    pub progress: Progress,
}

/// A checkpoint on disk.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Name of its folder.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it is kept as the best, without the optimiser's state.
    pub best: bool,
    /// How far it was.
    pub progress: Progress,
}

/// Why a state can't be saved or read.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The disk refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Tensors can't be written.
    #[error("the checkpoint can't be written: {0}")]
    Write(#[from] TchError),
    /// Tensors can't be read.
    #[error(transparent)]
    Read(#[from] CheckpointError),
    /// The progress can't be read.
    #[error("{path}: {reason}")]
    Progress {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The checkpoints of one phase.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// Those in `folder`, which is made; of the newest, `keep` stay. Unfinished ones are removed.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub fn open(folder: &Path, keep: usize) -> Result<Self, ResumeError> {
        fs::create_dir_all(folder).map_err(failed(folder))?;
        for (_, path) in listed(folder, UNFINISHED)? {
            fs::remove_dir_all(&path).map_err(failed(&path))?;
        }
        Ok(Self::at(folder, keep))
    }

    /// Those in `folder`, for looking at: nothing is made or removed, and another process may write there.
    pub fn at(folder: &Path, keep: usize) -> Self {
        Checkpoints { folder: folder.to_owned(), keep: keep.max(1) }
    }

    /// All of them, by iteration.
    ///
    /// # Errors
    /// When one can't be read. Those removed meanwhile are left out.
    pub fn all(&self) -> Result<Vec<Saved>, ResumeError> {
        let mut all = Vec::new();
        for (kind, best) in [(STATE, false), (BEST, true)] {
            for (iteration, path) in listed(&self.folder, kind)? {
                match read_progress(&path) {
                    Ok(progress) => all.push(Saved { name: name(kind, iteration), path, best, progress }),
                    Err(_) if !path.exists() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        all.sort_by_key(|saved| (saved.progress.iteration, saved.best));
        Ok(all)
    }

    /// Saves the state; older ones go afterwards.
    ///
    /// # Errors
    /// When the disk refuses; older checkpoints are then untouched.
    pub fn save(
        &self,
        model: &NamedTensors,
        optimiser: &NamedTensors,
        progress: &Progress,
    ) -> Result<PathBuf, ResumeError> {
        let path = self.write(STATE, &[(MODEL, model), (OPTIMISER, optimiser)], progress)?;
        self.remove_all_but(STATE, self.keep)?;
        Ok(path)
    }

    /// Saves the model alone as the best so far; the one before goes afterwards.
    ///
    /// # Errors
    /// As [`Checkpoints::save`].
    pub fn save_best(&self, model: &NamedTensors, progress: &Progress) -> Result<PathBuf, ResumeError> {
        let path = self.write(BEST, &[(MODEL, model)], progress)?;
        self.remove_all_but(BEST, 1)?;
        Ok(path)
    }

    /// Removes a best model of a later iteration than the newest state's: a phase that was killed goes on from before it,
    /// maybe with other numbers, and comes to its own. Says whether there is one left.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_best_after(&self, iteration: u64) -> Result<bool, ResumeError> {
        let (later, kept): (Vec<_>, Vec<_>) =
            listed(&self.folder, BEST)?.into_iter().partition(|(at, _)| *at > iteration);
        later.iter().try_for_each(|(_, path)| fs::remove_dir_all(path).map_err(failed(path)))?;
        Ok(!kept.is_empty())
    }

    /// Writes something else down of how far the newest state is.
    ///
    /// # Errors
    /// When the disk refuses, or there is no state.
    pub fn amend(&self, progress: &Progress) -> Result<(), ResumeError> {
        let path = self.folder.join(name(STATE, progress.iteration)).join(PROGRESS);
        let text = serde_json::to_vec_pretty(progress).map_err(io::Error::from);
        text.and_then(|text| files::write_whole(&path, &text)).map_err(failed(&path))
    }

    /// The newest state, if there is any.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn newest(&self) -> Result<Option<State>, ResumeError> {
        let Some((_, path)) = listed(&self.folder, STATE)?.pop() else { return Ok(None) };
        let progress = read_progress(&path)?;
        let (model, optimiser) = (read_tensors(&path.join(MODEL))?, read_tensors(&path.join(OPTIMISER))?);
        Ok(Some(State { model, optimiser, progress }))
    }

    /// The newest state's progress, if there is any.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn progress(&self) -> Result<Option<Progress>, ResumeError> {
        listed(&self.folder, STATE)?.pop().map(|(_, path)| read_progress(&path)).transpose()
    }

    /// The model to go on with in other phases: the best by evaluation, else the newest.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn best_model(&self) -> Result<Option<NamedTensors>, ResumeError> {
        let best = listed(&self.folder, BEST)?.pop();
        let newest = listed(&self.folder, STATE)?.pop();
        let Some((_, path)) = best.or(newest) else { return Ok(None) };
        Ok(Some(read_tensors(&path.join(MODEL))?))
    }

    fn write(&self, kind: &str, files: &[(&str, &NamedTensors)], progress: &Progress) -> Result<PathBuf, ResumeError> {
        let beside = self.folder.join(format!("{UNFINISHED}{:08}", progress.iteration));
        let path = self.folder.join(name(kind, progress.iteration));
        if path.exists() {
            return Ok(path); // the same iteration is the same state
        }
        if beside.exists() {
            fs::remove_dir_all(&beside).map_err(failed(&beside))?;
        }
        let written = write_files(&beside, files, progress);
        if written.is_err() {
            let _ = fs::remove_dir_all(&beside); // on a full disk there should be room to say so
        }
        written?;
        fs::rename(&beside, &path).map_err(failed(&path))?;
        sync(&self.folder)?;
        Ok(path)
    }

    /// Renamed first: whoever lists checkpoints meanwhile finds none that is half gone.
    fn remove_all_but(&self, kind: &str, keep: usize) -> Result<(), ResumeError> {
        let all = listed(&self.folder, kind)?;
        for (iteration, path) in &all[..all.len().saturating_sub(keep)] {
            let aside = self.folder.join(format!("{UNFINISHED}{iteration:08}"));
            fs::rename(path, &aside).map_err(failed(path))?;
            fs::remove_dir_all(&aside).map_err(failed(&aside))?;
        }
        Ok(())
    }
}

impl Saved {
    /// The model's variables.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn model(&self) -> Result<NamedTensors, ResumeError> {
        Ok(read_tensors(&self.path.join(MODEL))?)
    }
}

fn write_files(folder: &Path, files: &[(&str, &NamedTensors)], progress: &Progress) -> Result<(), ResumeError> {
    fs::create_dir(folder).map_err(failed(folder))?;
    for (file, tensors) in files {
        let on_cpu: Vec<(&String, Tensor)> =
            tensors.iter().map(|(name, tensor)| (name, tensor.to_device(Device::Cpu).contiguous())).collect();
        Tensor::write_safetensors(&on_cpu, folder.join(file))?;
    }
    let text = serde_json::to_vec_pretty(progress);
    let path = folder.join(PROGRESS);
    text.map_err(io::Error::from).and_then(|text| fs::write(&path, text)).map_err(failed(&path))?;
    for file in files.iter().map(|(file, _)| *file).chain([PROGRESS]) {
        sync(&folder.join(file))?;
    }
    sync(folder)
}

/// Name of a checkpoint's folder.
fn name(kind: &str, iteration: u64) -> String {
    format!("{kind}{iteration:08}")
}

/// Folders of a kind, by iteration, oldest first; none where there is no folder yet.
fn listed(folder: &Path, kind: &str) -> Result<Vec<(u64, PathBuf)>, ResumeError> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(failed(folder))?,
    };
    for entry in entries {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(iteration) = name.strip_prefix(kind).and_then(|number| number.parse().ok()) {
            found.push((iteration, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn read_progress(checkpoint: &Path) -> Result<Progress, ResumeError> {
    let path = checkpoint.join(PROGRESS);
    let text = fs::read(&path).map_err(failed(&path))?;
    serde_json::from_slice(&text).map_err(|error| ResumeError::Progress { path, reason: error.to_string() })
}

fn sync(path: &Path) -> Result<(), ResumeError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ResumeError {
    let path = path.to_owned();
    move |source| ResumeError::Io { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn tensors(value: f64) -> NamedTensors {
        let filled = Tensor::full([2], value, (Kind::Float, Device::Cpu));
        NamedTensors::from([("w".to_owned(), filled), ("step".to_owned(), Tensor::from_slice(&[3i64]))])
    }

    fn progress(iteration: u64) -> Progress {
        Progress { recipe: "r".into(), phase: "xe".into(), iteration, best: Some(1.5), ..Progress::default() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("readable")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_comes_back_and_few_are_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = Checkpoints::open(folder.path(), 2).expect("made");
        assert!(checkpoints.newest().expect("readable").is_none());
        for iteration in [5, 9, 100] {
            let value = tensors(iteration as f64);
            checkpoints.save(&value, &value, &progress(iteration)).expect("saved");
        }
        checkpoints.save_best(&tensors(9.), &progress(9)).expect("saved");
        assert_eq!(names(folder.path()), ["best-00000009", "state-00000009", "state-00000100"]);
        let newest = checkpoints.newest().expect("readable").expect("there is one");
        assert_eq!(newest.progress, progress(100));
        assert_eq!(newest.model["w"].double_value(&[0]), 100.);
        assert_eq!(newest.optimiser["step"].int64_value(&[0]), 3);
        let best = checkpoints.best_model().expect("readable").expect("there is one");
        assert_eq!(best["w"].double_value(&[0]), 9.);
    }

    #[test]
    fn a_best_that_the_newest_state_has_not_come_to_is_forgotten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = Checkpoints::open(folder.path(), 1).expect("made");
        checkpoints.save_best(&tensors(9.), &progress(9)).expect("saved");
        assert!(checkpoints.forget_best_after(9).expect("forgets nothing"));
        assert_eq!(names(folder.path()), ["best-00000009"]);
        assert!(!checkpoints.forget_best_after(5).expect("forgets"));
        checkpoints.save_best(&tensors(7.), &progress(7)).expect("saved");
        assert_eq!(names(folder.path()), ["best-00000007"]);
    }

    #[test]
    fn what_is_written_of_the_newest_state_can_be_amended() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = Checkpoints::open(folder.path(), 1).expect("made");
        checkpoints.save(&tensors(1.), &tensors(1.), &progress(1)).expect("saved");
        checkpoints.amend(&Progress { finished: true, ..progress(1) }).expect("written");
        assert!(checkpoints.progress().expect("readable").is_some_and(|progress| progress.finished));
        assert!(checkpoints.amend(&progress(2)).is_err(), "there is no such state");
    }

    #[test]
    fn what_a_dead_process_left_unfinished_is_no_checkpoint() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = Checkpoints::open(folder.path(), 1).expect("made");
        checkpoints.save(&tensors(1.), &tensors(1.), &progress(1)).expect("saved");
        fs::create_dir(folder.path().join(".unfinished-00000002")).expect("made");
        let again = Checkpoints::open(folder.path(), 1).expect("opens");
        assert_eq!(again.newest().expect("readable").expect("there is one").progress.iteration, 1);
        assert_eq!(names(folder.path()), ["state-00000001"]);
    }

    #[test]
    fn checkpoints_are_listed_while_old_ones_are_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = Checkpoints::open(folder.path(), 1).expect("made");
        let saving = Checkpoints::at(folder.path(), 1);
        std::thread::scope(|scope| {
            let saver = scope.spawn(move || {
                for iteration in 1..=60 {
                    saving.save(&tensors(1.), &tensors(1.), &progress(iteration)).expect("saved");
                }
            });
            while !saver.is_finished() {
                checkpoints.all().expect("readable");
            }
        });
        assert_eq!(names(folder.path()), ["state-00000060"]);
    }
}
