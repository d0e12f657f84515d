//! The folder of a run, kept from other processes, and the recipe in it.

use super::recipe::{FILE, Recipe};
use super::run::{Run, TrainError};
use crate::checkpoint::Checkpoints;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// A run's folder in which no other process trains, as long as this or a clone of it lives.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: Option<Arc<File>>,
}

impl RunFolder {
    /// Takes the folder, which is made where it is missing.
    ///
    /// # Errors
    /// When another process has it, or the disk refuses.
    pub fn lock(path: &Path) -> Result<Self, TrainError> {
        let io = |source| TrainError::Io { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(io)?;
        let options = OpenOptions::new().create(true).write(true).truncate(false).open(path.join("lock"));
        let file = options.map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(RunFolder { path: path.to_owned(), _lock: Some(Arc::new(file)) }),
            Err(TryLockError::WouldBlock) => Err(TrainError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// The folder, only to look at.
    pub(super) fn unlocked(path: &Path) -> Self {
        RunFolder { path: path.to_owned(), _lock: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Run<'_> {
    /// Writes the recipe into the folder in place of the one that lies there, if it is another: it is what the run goes
    /// on with, and what says whose backbone the features of a phase came of.
    ///
    /// # Errors
    /// When one of these phases (all, where none is named) was begun with other numbers, or the disk refuses.
    pub fn keep_recipe<'n>(&self, phases: impl IntoIterator<Item = &'n str>) -> Result<(), TrainError> {
        let path = self.folder.path().join(FILE);
        if Recipe::read(&path, &[]).is_ok_and(|kept| &kept == self.recipe) {
            return Ok(());
        }
        for phase in self.recipe.selected(phases)? {
            let begun = Checkpoints::at(&self.folder.path().join(phase.name()), 1).progress()?;
            if begun.is_some_and(|begun| begun.recipe != self.recipe.phase_hash(phase.name())) {
                return Err(TrainError::OtherRecipe(phase.name().to_owned()));
            }
        }
        write_whole(&path, toml::to_string(self.recipe).map_err(io::Error::other))
    }
}

/// Writes a file beside its place, synced and renamed: it is there whole, or as it was before.
pub(super) fn write_whole(path: &Path, text: io::Result<impl AsRef<[u8]>>) -> Result<(), TrainError> {
    let write = || {
        let mut beside = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        beside.write_all(text?.as_ref())?;
        beside.as_file().sync_all()?;
        beside.persist(path)?;
        io::Result::Ok(())
    };
    write().map_err(|source| TrainError::Io { path: path.to_owned(), source })
}
