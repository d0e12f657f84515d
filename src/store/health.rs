//! Can the store take more? Asked before photos are taken, and by whoever watches the server.

use super::{Store, StoreError, joined};
use sqlx::{ConnectOptions, Connection};
use std::io::Write;
use std::time::Duration;

/// Bytes that are written to see whether any can be: what a small photo takes, or a caption in the database's log.
const PROBE: usize = 64 * 1024;

impl Store {
    /// How long the check waits for another writer.
    const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

    /// Takes the database's write lock and gives it back, on a connection of its own: however long the
    /// database is locked, the connections for requests stay free.
    ///
    /// # Errors
    /// When the database is locked by somebody else, or cannot be written.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let options = self.writer.connect_options().as_ref().clone().busy_timeout(Self::CHECK_TIMEOUT);
        let mut connection = options.connect().await?;
        connection.begin_with("BEGIN IMMEDIATE").await?.rollback().await?;
        connection.close().await?;
        Ok(())
    }

    /// Writes a little into the storage folder, to a file that has no name and is gone at once. A quota, a lack of
    /// inodes and the last bytes of a disk show in no figure.
    ///
    /// # Errors
    /// When nothing can be written.
    pub async fn check_room(&self) -> Result<(), StoreError> {
        let path = self.files.directory().to_owned();
        joined(tokio::task::spawn_blocking(move || {
            let written = tempfile::tempfile_in(&path).and_then(|mut file| file.write_all(&[0; PROBE]));
            written.map_err(|source| StoreError::File { path, source })
        }))
        .await
    }

    /// Bytes that the disk has left for this program.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let directory = self.files.directory();
        let disk = rustix::fs::statvfs(directory)
            .map_err(|error| StoreError::File { path: directory.to_owned(), source: error.into() })?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_that_somebody_else_locks_cannot_be_written() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        store.check_writable().await.expect("nobody else writes");
        let lock = store.writer.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
        let error = store.check_writable().await.expect_err("locked");
        assert!(error.to_string().contains("locked"), "{error}");
        lock.rollback().await.expect("gives the lock back");
        store.check_writable().await.expect("nobody else writes any more");
    }

    #[tokio::test]
    async fn the_free_space_is_that_of_the_storage_folder() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        assert!(store.free_bytes().expect("a number") > 0);
        store.check_room().await.expect("there is room");
        let files = std::fs::read_dir(directory.path()).expect("lists");
        assert!(files.flatten().all(|file| file.file_name().to_string_lossy().starts_with("expansionnet.")));
        directory.close().expect("removes the folder");
        assert!(store.free_bytes().is_err(), "no folder, no number");
        assert!(store.check_room().await.is_err(), "no folder, no room");
    }
}
