//! The folder of a run, kept from other processes.

use super::run::TrainError;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
