//! Models that are deleted for good: never one that is in service, and at once for whoever looks for it.

use super::{Folders, Models, State};
use crate::captioning::Status;
use crate::leftovers::{self, is_hidden};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Why a model folder was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is no such folder, or the settings name it.
    #[error("there is no model `{0}` that can be deleted")]
    Unknown(String),
    /// It captions photos, or may soon.
    #[error("the model `{0}` is in service or being loaded: put another one into service first")]
    InUse(String),
    /// The system refuses, or the task died.
    #[error("the model's folder cannot be removed: {0}")]
    Io(#[from] io::Error),
}

impl Models {
    /// Removes a model folder that is neither in service nor named by the settings.
    ///
    /// # Errors
    /// See [`RemoveError`].
    pub async fn remove(&self, id: &str) -> Result<(), RemoveError> {
        let (models, id) = (self.clone(), id.to_owned());
        let removing = tokio::task::spawn_blocking(move || models.remove_now(&id));
        removing.await.unwrap_or_else(|died| Err(io::Error::other(died).into()))
    }

    /// The folder of a model that the settings do not name; it may be in service.
    ///
    /// # Errors
    /// [`RemoveError::Unknown`].
    pub fn removable(&self, id: &str) -> Result<PathBuf, RemoveError> {
        self.inner.folders.removable(id).ok_or_else(|| RemoveError::Unknown(id.to_owned()))
    }

    fn remove_now(&self, id: &str) -> Result<(), RemoveError> {
        let folder = self.removable(id)?;
        let hidden = {
            let state = self.inner.state();
            if state.uses(id) {
                return Err(RemoveError::InUse(id.to_owned()));
            }
            // Whoever wants it into service meanwhile finds none: names that begin with a dot are no models'.
            leftovers::hide(&folder)?
        };
        Ok(fs::remove_dir_all(hidden)?)
    }
}

impl State {
    /// Whether a model captions photos or is being loaded; at the start of a server that may be any.
    fn uses(&self, id: &str) -> bool {
        let named = |models: &[String]| models.iter().any(|model| model == id);
        let serves = match self.service.status() {
            Status::Loading => true,
            Status::Ready(loaded) => named(&loaded.info.members),
            Status::Failed(_) => false,
        };
        serves || named(&self.activation.loading)
    }
}

/// Removes what a killed server left of models that it was deleting.
pub(super) async fn finish_all(folders: &Folders) {
    let directory = folders.directory.clone();
    let removing = tokio::task::spawn_blocking(move || leftovers::remove_from(&directory, is_hidden));
    if let Err(died) = removing.await {
        tracing::warn!(%died, "what a killed server left of models cannot be looked for");
    }
}
