//! From a backup to a storage folder, checked before it is in its place.

use super::{BackupError, Contents, DATABASE, count, failed, folder_of, open, photos};
use crate::leftovers::{self, ends_in_uuid};
use crate::store::files::Files;
use crate::store::{FileKind, StoreError};
use sqlx::Connection;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use uuid::Uuid;

/// Makes `directory` the storage that a backup holds. The folder is whole or as it was before.
///
/// # Errors
/// When the folder is not empty, the file is not a whole backup, or something cannot be read or written.
pub async fn restore(file: &Path, directory: &Path) -> Result<Contents, BackupError> {
    remove_abandoned(directory);
    if fs::read_dir(directory).is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() != LOST_AND_FOUND)) {
        return Err(BackupError::Exists(directory.to_owned()));
    }
    // A folder that is there may be where a disk is mounted, over which nothing can be renamed.
    let is_there = directory.is_dir();
    let [inside, beside] = places(directory);
    let (folder, prefix) = if is_there { inside } else { beside };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let name = format!("{prefix}{}", Uuid::now_v7());
    let unpacked = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir_in(folder);
    let unpacked = unpacked.map_err(failed(folder))?;
    let at_work = File::open(unpacked.path()).map_err(failed(unpacked.path()))?;
    // Nobody else knows of it yet; where there are no locks, nobody will take it for abandoned either.
    at_work.try_lock().ok();
    unpack(file, unpacked.path())?;
    let contents = check(file, unpacked.path()).await?;
    if is_there {
        move_up(unpacked.path(), directory).map_err(failed(directory))?;
    } else {
        fs::rename(unpacked.path(), directory).map_err(failed(directory))?;
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    Ok(contents)
}

/// Begins the name of a folder in which a backup is unpacked; a UUID ends it.
const UNPACKED: &str = ".restoring-";

/// Where a backup for a folder is unpacked, and how the name begins there: in the folder, or beside it with its name.
fn places(directory: &Path) -> [(&Path, String); 2] {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    [(directory, UNPACKED.to_owned()), (folder_of(directory), format!("{UNPACKED}{name}-"))]
}

/// Removes what restores of this folder left that were killed.
pub(in crate::store) fn remove_abandoned(directory: &Path) {
    for (folder, prefix) in places(directory) {
        leftovers::remove_from(folder, |name| ends_in_uuid(name, &prefix) && is_abandoned(&folder.join(name)));
    }
}

/// Whether the restore has ended: the one at work holds the lock, which goes with its process.
fn is_abandoned(unpacked: &Path) -> bool {
    File::open(unpacked).is_ok_and(|unpacked| unpacked.try_lock().is_ok())
}

/// What a file system has of its own in an empty disk.
const LOST_AND_FOUND: &str = "lost+found";

/// Moves what is in a folder into the one above it: the database last, so that without it there is no half storage.
fn move_up(unpacked: &Path, directory: &Path) -> io::Result<()> {
    let folders = FileKind::ALL.map(FileKind::folder);
    let there = folders.into_iter().filter(|folder| unpacked.join(folder).exists());
    there.chain([DATABASE]).try_for_each(|name| fs::rename(unpacked.join(name), directory.join(name)))
}

/// Unpacks the backup's files, durably, and nothing else.
fn unpack(file: &Path, into: &Path) -> Result<(), BackupError> {
    let damaged = |error: io::Error| BackupError::Damaged { file: file.to_owned(), reason: error.to_string() };
    let mut archive = tar::Archive::new(File::open(file).map_err(failed(file))?);
    let mut folders = BTreeSet::from([into.to_owned()]);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.into_owned();
        if !entry.header().entry_type().is_file() || !belongs(&name) {
            return Err(damaged(io::Error::other(format!("{} does not belong there", name.display()))));
        }
        let path = into.join(name);
        let folder = folder_of(&path);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        folders.extend(folder.ancestors().take_while(|folder| folder.starts_with(into)).map(PathBuf::from));
        let mut written = File::create_new(&path).map_err(failed(&path))?;
        if io::copy(&mut entry, &mut written).map_err(damaged)? != entry.size() {
            return Err(damaged(io::Error::other("it ends too early")));
        }
        written.sync_all().map_err(failed(&path))?;
    }
    folders.iter().try_for_each(|folder| {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder)).map_err(BackupError::from)
    })
}

/// True for the database and for files in the folders of photos: names from outside lead nowhere else.
fn belongs(name: &Path) -> bool {
    let parts: Vec<_> = name.components().collect();
    match parts.as_slice() {
        [Component::Normal(name)] => *name == DATABASE,
        [Component::Normal(folder), Component::Normal(_), Component::Normal(_)] => {
            FileKind::ALL.iter().any(|kind| *folder == kind.folder())
        }
        _ => false,
    }
}

/// The database is sound, and names what there is.
async fn check(file: &Path, unpacked: &Path) -> Result<Contents, BackupError> {
    let damaged = |reason: String| BackupError::Damaged { file: file.to_owned(), reason };
    let path = unpacked.join(DATABASE);
    if !path.is_file() {
        return Err(damaged("it has no database".to_owned()));
    }
    let mut database = open(&path).await.map_err(|error| damaged(error.to_string()))?;
    let faults: Result<Vec<String>, _> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut database).await;
    let faults = faults.map_err(|error| damaged(error.to_string()))?;
    if faults != ["ok"] {
        return Err(damaged(faults.join("; ")));
    }
    let files = Files::new(unpacked);
    let is_lost = |photo: &super::Photo| !files.path(FileKind::Photo, &photo.sha256, &photo.media_type).is_file();
    let lost = photos(&mut database).await?.iter().filter(|photo| is_lost(photo)).count();
    let contents = count(&mut database, lost as u64).await?;
    database.close().await.map_err(StoreError::from)?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_which_a_backup_is_unpacked_is_known_by_its_name() {
        let id = Uuid::now_v7();
        let [inside, beside] = places(Path::new("/srv/data"));
        assert_eq!(inside, (Path::new("/srv/data"), ".restoring-".to_owned()));
        assert_eq!(beside, (Path::new("/srv"), ".restoring-data-".to_owned()));
        assert!(ends_in_uuid(&format!(".restoring-data-{id}"), &beside.1));
        assert!(!ends_in_uuid(&format!(".restoring-data-two-{id}"), &beside.1), "of another folder");
        assert!(!ends_in_uuid(&format!(".restoring-data-{id}"), &inside.1), "of another place");
    }

    #[test]
    fn only_the_storages_own_files_belong_there() {
        for name in ["expansionnet.sqlite3", "images/ab/ab12.jpg", "thumbnails/ab/ab12.jpg"] {
            assert!(belongs(Path::new(name)), "{name}");
        }
        for name in ["", "other.sqlite3", "/etc/passwd", "images/ab", "images/../x", "../images/ab/c.jpg", "a/b/c.jpg"]
        {
            assert!(!belongs(Path::new(name)), "{name}");
        }
    }
}
