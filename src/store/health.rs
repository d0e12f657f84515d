//! Can the store take more? Asked before photos are taken, and by whoever watches the server.

use super::{Store, StoreError};
use sqlx::{ConnectOptions, Connection};
use std::time::Duration;

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
        directory.close().expect("removes the folder");
        assert!(store.free_bytes().is_err(), "no folder, no number");
    }
}
