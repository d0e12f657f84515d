//! What is kept: photos as files named by their hash, everything else in one SQLite database beside them.
//!
//! ```text
//! <storage.directory>/expansionnet.sqlite3     images, captions
//!                     images/ab/ab12….jpg      photos without metadata
//!                     thumbnails/ab/ab12….jpg
//! ```
//!
//! A file is whole before the row that names it is written, so a kill at any moment leaves at worst a file
//! without a row, which is harmless: the same photo writes the same file again.

mod captions;
mod clean_copy;
mod files;
mod images;

pub use captions::{Candidate, NewCaption, SearchKey, StoredCaption, Timings};
pub use clean_copy::{CleanCopy, clean_copy};
pub use files::FileKind;
pub use images::{NewImage, StoredImage};

use files::Files;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database and the folders of files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    database: SqlitePool,
    files: Files,
}

/// Anything that keeps the store from reading or writing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The database is newer than the program, or its schema was changed by hand.
    #[error("database schema: {0}")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row holds what the program never writes.
    #[error("unreadable candidates of caption {id}: {source}")]
    Candidates {
        /// The caption.
        id: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A thread that writes files died.
    #[error("writing ended unexpectedly: {0}")]
    Died(String),
}

impl Store {
    /// Connections to the database: SQLite takes one writer at a time and any number of readers.
    const CONNECTIONS: u32 = 4;
    /// How long a connection waits for another one's write.
    const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

    /// Opens the store in a folder, made when missing, and brings the schema up to date.
    ///
    /// # Errors
    /// When the folder or the database cannot be used.
    pub async fn open(directory: &Path) -> Result<Store, StoreError> {
        std::fs::create_dir_all(directory).map_err(|source| StoreError::File { path: directory.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(directory.join("expansionnet.sqlite3"))
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With NORMAL a power cut could lose commits that a client was already told of; FULL costs one
            // sync of the log per caption, which is little beside the model's work.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Self::BUSY_TIMEOUT);
        let database = SqlitePoolOptions::new().max_connections(Self::CONNECTIONS).connect_with(options).await?;
        sqlx::migrate!().run(&database).await?;
        Ok(Store { database, files: Files::new(directory) })
    }

    /// Closes every connection, which folds the write-ahead log into the database file.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// A new id: UUID version 7, whose text sorts by age.
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
