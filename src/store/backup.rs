//! A backup is one tar file: the photos, and behind them the database as it was at one moment.
//!
//! Photos are never changed in place and SQLite itself copies the database, so that a backup is consistent
//! while the server runs. Both functions block their thread while they copy: they are for the command line.

mod restore;

pub use restore::restore;

pub(super) use restore::remove_abandoned;

use super::files::Files;
use super::{FileKind, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The database's name, in the storage folder as in a backup.
pub(super) const DATABASE: &str = "expansionnet.sqlite3";

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Captions, also deleted ones that can still be brought back.
    pub captions: u64,
    /// Photos whose file is there.
    pub photos: u64,
    /// Photos whose file was lost before; their captions are there.
    pub lost: u64,
}

/// Why there is no backup, or no restored storage.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The storage could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing is written over.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// No server has kept anything here.
    #[error("there is no database {}", .0.display())]
    NoDatabase(PathBuf),
    /// The file is no backup, or not a whole one.
    #[error("{} is not a whole backup: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Writes a backup of the storage in `directory`, also while a server uses it. The file is whole or not there.
///
/// # Errors
/// When the file is there already, or something cannot be read or written.
pub async fn backup(directory: &Path, file: &Path) -> Result<Contents, BackupError> {
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let live = directory.join(DATABASE);
    if !live.is_file() {
        return Err(BackupError::NoDatabase(live));
    }
    let folder = folder_of(file);
    let beside = tempfile::tempdir_in(folder).map_err(failed(folder))?;
    let snapshot = beside.path().join(DATABASE);
    let mut live = open(&live).await?;
    let copy = sqlx::query("VACUUM INTO ?").bind(snapshot.to_string_lossy().into_owned());
    copy.execute(&mut live).await.map_err(StoreError::from)?;

    let written = NamedTempFile::new_in(folder).map_err(failed(folder))?;
    let mut archive = tar::Builder::new(BufWriter::new(written));
    let mut database = open(&snapshot).await?;
    let lost = append_photos(&mut archive, &Files::new(directory), &mut database, &mut live).await?;
    let contents = count(&mut database, lost).await?;
    database.close().await.map_err(StoreError::from)?;
    archive.append_path_with_name(&snapshot, DATABASE).map_err(failed(file))?;
    finish(archive, file).map_err(failed(file))?;
    Ok(contents)
}

/// Appends every photo and thumbnail that the snapshot names; says how many photos were lost before.
async fn append_photos(
    archive: &mut tar::Builder<BufWriter<NamedTempFile>>,
    files: &Files,
    snapshot: &mut SqliteConnection,
    live: &mut SqliteConnection,
) -> Result<u64, BackupError> {
    let mut lost = 0;
    for Photo { sha256, media_type } in photos(snapshot).await? {
        if append(archive, files, FileKind::Photo, &sha256, &media_type)? {
            append(archive, files, FileKind::Thumbnail, &sha256, &media_type)?;
        } else if is_known(live, &sha256).await? {
            lost += 1;
        } else {
            // Housekeeping removed it meanwhile: its captions could not be seen any more.
            let forget = sqlx::query("DELETE FROM images WHERE sha256 = ?").bind(sha256);
            forget.execute(&mut *snapshot).await.map_err(StoreError::from)?;
        }
    }
    Ok(lost)
}

/// Appends a file under its place in the storage folder; false when it is gone.
fn append(
    archive: &mut tar::Builder<BufWriter<NamedTempFile>>,
    files: &Files,
    kind: FileKind,
    sha256: &str,
    media_type: &str,
) -> Result<bool, StoreError> {
    let path = files.path(kind, sha256, media_type);
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(failed(&path))?,
    };
    let name = path.strip_prefix(files.directory()).unwrap_or(&path);
    archive.append_file(name, &mut file).map_err(failed(&path))?;
    Ok(true)
}

/// Durable, and then in its place.
fn finish(archive: tar::Builder<BufWriter<NamedTempFile>>, file: &Path) -> io::Result<()> {
    let written = archive.into_inner()?.into_inner().map_err(|error| error.into_error())?;
    written.as_file().sync_all()?;
    written.persist_noclobber(file).map_err(|error| error.error)?;
    File::open(folder_of(file))?.sync_all()
}

/// What names a photo's files.
#[derive(sqlx::FromRow)]
struct Photo {
    sha256: String,
    media_type: String,
}

async fn photos(database: &mut SqliteConnection) -> Result<Vec<Photo>, StoreError> {
    Ok(sqlx::query_as("SELECT sha256, media_type FROM images ORDER BY id").fetch_all(database).await?)
}

async fn is_known(database: &mut SqliteConnection, sha256: &str) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT 1 FROM images WHERE sha256 = ?").bind(sha256).fetch_optional(database).await?;
    Ok(found.is_some())
}

async fn count(database: &mut SqliteConnection, lost: u64) -> Result<Contents, StoreError> {
    let query = "SELECT (SELECT COUNT(*) FROM captions), (SELECT COUNT(*) FROM images)";
    let (captions, photos): (i64, i64) = sqlx::query_as(query).fetch_one(database).await?;
    Ok(Contents { captions: captions.unsigned_abs(), photos: photos.unsigned_abs() - lost, lost })
}

/// A database as it is: neither made nor brought up to date.
async fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    Ok(SqliteConnectOptions::new().filename(path).foreign_keys(true).connect().await?)
}

/// The folder that a file is in, or is to be in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    |source| StoreError::File { path, source }
}
