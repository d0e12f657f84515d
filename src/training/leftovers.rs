//! What a killed server left in the folders of runs: checks and downloads that it was making, and models of evaluations
//! that have ended.

use super::{Inner, checkpoints, evaluate, preflight};
use crate::store::StoreError;
use std::fs::{self, DirEntry};
use std::io::ErrorKind;
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
        remove_from(&runs, preflight::FOLDER_PREFIX);
        for job in &jobs {
            remove_from(Path::new(&job.folder), checkpoints::FOLDER_PREFIX);
            if let Some(models) = evaluate::unneeded_models(job, job.state).filter(|models| models.is_dir()) {
                remove_folder(&models);
            }
        }
    });
    removing.await.map_err(|died| StoreError::Died(died.to_string()))
}

/// Removes the folders in a folder whose names begin so.
fn remove_from(folder: &Path, prefix: &str) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Nothing was made yet, or somebody has moved it away.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return tracing::warn!(%error, folder = %folder.display(), "leftovers cannot be looked for"),
    };
    for entry in entries.flatten().filter(|entry| is_left(entry, prefix)) {
        remove_folder(&entry.path());
    }
}

fn remove_folder(path: &Path) {
    match fs::remove_dir_all(path) {
        Ok(()) => tracing::info!(path = %path.display(), "what a killed server left is removed"),
        Err(error) => tracing::warn!(%error, path = %path.display(), "a leftover cannot be removed"),
    }
}

fn is_left(entry: &DirEntry, prefix: &str) -> bool {
    entry.file_name().to_string_lossy().starts_with(prefix) && entry.file_type().is_ok_and(|kind| kind.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_that_name_are_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        for name in [".check-1/inside", ".download-1", "a-run"] {
            fs::create_dir_all(at(name)).expect("writable");
        }
        fs::write(at(".check-file"), "").expect("writable");
        std::os::unix::fs::symlink(at("a-run"), at(".check-link")).expect("writable");
        remove_from(folder.path(), ".check-");
        remove_from(&at("away"), ".check-");
        let left = [".check-1", ".download-1", "a-run", ".check-file", ".check-link"].map(|name| at(name).exists());
        assert_eq!(left, [false, true, true, true, true]);
    }
}
