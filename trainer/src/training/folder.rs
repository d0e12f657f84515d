//! The folder of a run, kept from other processes, and the recipe in it.

use super::failure::TrainError;
use super::packaging::check_described;
use super::recipe::{FILE, Phase, Recipe};
use super::run::Run;
use crate::checkpoint::{Checkpoints, Progress};
use crate::files;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
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

impl Run<'_> {
    /// Writes the recipe into the folder in place of the one that lies there, if it is another: it is what the run goes
    /// on with, and what says whose backbone the features of a phase came of.
    ///
    /// # Errors
    /// When one of these phases (all, where none is named) was begun with other numbers, or the disk refuses.
    pub fn keep_recipe<'n>(&self, phases: impl IntoIterator<Item = &'n str>) -> Result<(), TrainError> {
        let recipe = self.recipe.clone().with_absolute_paths();
        if self.kept_recipe().is_some_and(|kept| kept.with_absolute_paths() == recipe) {
            return Ok(());
        }
        let of = |phase: &Phase| Checkpoints::at(&self.folder.path().join(phase.name()), 1);
        for phase in self.recipe.selected(phases)? {
            if let Some(begun) = of(phase).progress()? {
                self.check_begun(phase.name(), &begun)?;
            }
        }
        for phase in &self.recipe.phases {
            // Once, paths and epochs were part of it, and are others now.
            if let Some(begun) = of(phase).progress()?
                && self.is_begun_with(phase.name(), &begun.recipe)
            {
                let (recipe, epochs) = (self.recipe.phase_hash(phase.name()), self.epochs_of(phase.name(), &begun));
                of(phase).amend(&Progress { recipe, epochs, ..begun })?;
            }
        }
        write_whole(&self.folder.path().join(FILE), toml::to_string(&recipe).map_err(io::Error::other))
    }

    /// Whether a phase that has this hash in its progress was begun with this recipe, wherever files lay then.
    fn is_begun_with(&self, phase: &str, hash: &str) -> bool {
        let as_kept =
            |kept: Recipe| kept.is_of_phase(phase, hash) && kept.phase_hash(phase) == self.recipe.phase_hash(phase);
        self.recipe.is_of_phase(phase, hash) || self.kept_recipe().is_some_and(as_kept)
    }

    /// Refuses to go on with a phase that was begun with other numbers, sizes, words or features.
    ///
    /// # Errors
    /// [`TrainError::OtherRecipe`], with what differs, [`TrainError::OtherWords`], or see [`Run::check_what_is_left`].
    pub(super) fn check_begun(&self, phase: &str, begun: &Progress) -> Result<(), TrainError> {
        if self.is_begun_with(phase, &begun.recipe) {
            if begun.iteration > 0 {
                check_described(self, phase)?;
                self.check_what_is_left(phase, begun)?;
            }
            return Ok(());
        }
        let keys = self.kept_recipe().map(|kept| kept.differing_keys(self.recipe, phase)).unwrap_or_default();
        Err(TrainError::OtherRecipe { phase: phase.to_owned(), keys })
    }

    /// The recipe in the folder, if there is one that can be read.
    pub(super) fn kept_recipe(&self) -> Option<Recipe> {
        Recipe::read(&self.folder.path().join(FILE), &[]).ok()
    }
}

/// Writes a file that is there whole, or as it was before.
pub(super) fn write_whole(path: &Path, text: io::Result<impl AsRef<[u8]>>) -> Result<(), TrainError> {
    let written = text.and_then(|text| files::write_whole(path, text.as_ref()));
    written.map_err(|source| TrainError::Io { path: path.to_owned(), source })
}
