//! What a killed server left in the folders of runs: checks and downloads that it was making, runs that it was
//! deleting, and models of evaluations that have ended.

use super::{Inner, checkpoints, evaluate, preflight};
use crate::leftovers::{self, is_hidden, remove_from};
use crate::store::StoreError;
use std::path::Path;

/// Removes them; what cannot be removed is logged and stays.
pub(super) async fn remove(inner: &Inner) {
    if let Err(error) = remove_all(inner).await {
        tracing::warn!(%error, "what a killed server left cannot be looked for");
    }
}

async fn remove_all(inner: &Inner) -> Result<(), StoreError> {
    let runs = inner.settings.directory.clone();
    let jobs = inner.store.jobs(&[]).await?;
    let removing = tokio::task::spawn_blocking(move || {
        remove_from(&runs, |name| name.starts_with(preflight::FOLDER_PREFIX) || is_hidden(name));
        for job in &jobs {
            remove_from(Path::new(&job.folder), |name| name.starts_with(checkpoints::FOLDER_PREFIX));
            if let Some(models) = evaluate::unneeded_models(job, job.state).filter(|models| models.is_dir()) {
                leftovers::remove(&models);
            }
        }
    });
    removing.await.map_err(|died| StoreError::Died(died.to_string()))
}
