//! What is kept: photos as files named by their hash, everything else in one SQLite database beside them.
//!
//! ```text
//! <storage.directory>/expansionnet.sqlite3     images, captions
//!                     server.lock             locked by the server that uses the folder
//!                     images/ab/ab12….jpg      photos without metadata
//!                     thumbnails/ab/ab12….jpg
//! ```
//!
//! A photo's files are written beside their place and renamed into it just before the commit of their rows.
//! A kill at any moment leaves at worst files without a row, which housekeeping clears away at the next start.

pub mod backup;
mod captions;
mod clean_copy;
mod files;
#[cfg(test)]
mod fixtures;
mod health;
pub mod housekeeping;
mod images;
mod jobs;
mod keys;
mod lock;
mod neighbours;
mod password;
mod secrets;
mod sessions;
mod settings;

pub use captions::{Candidate, CaptionFilter, Conditional, NewCaption, SearchKey, StoredCaption, Timings};
pub use clean_copy::{CleanCopy, clean_copy};
pub use files::FileKind;
pub use images::{NewImage, StagedFiles, StoredImage};
pub use jobs::{
    Change, CheckpointName, EndReason, EventFilter, EventLine, FigureRange, JobKind, JobState, JobStatus, NewJob,
    PhaseState, PhaseStatus, Point, Progress, Recorded, Series, SeriesQuery, StoredEvent, StoredJob, Work, new_job_id,
};
pub use keys::{ApiKey, NewKey, ValidKey, key_name};
pub use lock::FolderLock;
pub use neighbours::Neighbours;
pub use password::SHORTEST_PASSWORD;
pub use sessions::SessionRole;

use files::Files;
use serde::Serialize;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The database and the folders of files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    /// For reading; what is written here waits for the writer's turn to end.
    database: SqlitePool,
    /// The one connection of those who write often: they take turns in their order.
    writer: SqlitePool,
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
    /// A job's row holds what the program never writes.
    #[error("unreadable job {id}: {source}")]
    Job {
        /// The job.
        id: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A thread that writes files or hashes a password died.
    #[error("working ended unexpectedly: {0}")]
    Died(String),
    /// Another server uses the folder.
    #[error("{} is in use by another server{}: stop it, or give this one a folder of its own", path.display(), process_text(process))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other server's number among the processes, where it is known.
        process: Option<u32>,
    },
    /// The system has no random numbers.
    #[error("random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The password is too short.
    #[error("the password must have {SHORTEST_PASSWORD} characters or more")]
    ShortPassword,
    /// The password could not be hashed, or what is stored is no password hash.
    #[error("password: {0}")]
    Password(argon2::password_hash::Error),
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
            .filename(directory.join(backup::DATABASE))
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With NORMAL a power cut could lose commits that a client was already told of; FULL costs one
            // sync of the log per caption, which is little beside the model's work.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Self::BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        sqlx::migrate!().run(&writer).await?;
        let database = SqlitePoolOptions::new().max_connections(Self::CONNECTIONS).connect_with(options).await?;
        Ok(Store { database, writer, files: Files::new(directory) })
    }

    /// True where a store was made in this folder.
    pub fn is_in(directory: &Path) -> bool {
        directory.join(backup::DATABASE).is_file()
    }

    /// Closes every connection, which folds the write-ahead log into the database file.
    pub async fn close(&self) {
        self.database.close().await;
        self.writer.close().await;
    }
}

impl StoreError {
    /// True when there is no room left on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            StoreError::Database(sqlx::Error::Database(error)) => {
                // SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: no room for the index of the write-ahead log.
                matches!(error.code().as_deref(), Some("13" | "4874"))
            }
            StoreError::File { source, .. } => {
                matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }

    /// True when others have kept the database locked for too long.
    pub fn is_busy(&self) -> bool {
        match self {
            StoreError::Database(sqlx::Error::PoolTimedOut) => true,
            StoreError::Database(sqlx::Error::Database(error)) => {
                // SQLITE_BUSY and its kinds, of which the lowest byte is the same.
                let code = error.code().and_then(|code| code.parse::<u32>().ok());
                code.is_some_and(|code| code & 0xFF == 5)
            }
            _ => false,
        }
    }
}

fn process_text(process: &Option<u32>) -> String {
    process.map(|process| format!(" (process {process})")).unwrap_or_default()
}

/// What a task gave; a task that died is an error.
async fn joined<T>(task: JoinHandle<Result<T, StoreError>>) -> Result<T, StoreError> {
    task.await.unwrap_or_else(|died| Err(StoreError::Died(died.to_string())))
}

/// Any number of values as one parameter, for `json_each`.
fn json_list(values: impl Serialize) -> String {
    serde_json::json!(values).to_string()
}

/// A new id: UUID version 7, whose text sorts by age.
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
