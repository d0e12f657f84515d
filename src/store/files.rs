//! Photos and thumbnails as files named by their hash: written beside, synced, renamed into place.

use super::StoreError;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempPath;
use uuid::Uuid;

/// Which of a photo's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The photo without its metadata.
    Photo,
    /// The small JPEG for lists.
    Thumbnail,
}

impl FileKind {
    pub(super) const ALL: [FileKind; 2] = [FileKind::Photo, FileKind::Thumbnail];

    pub(super) fn folder(self) -> &'static str {
        match self {
            FileKind::Photo => "images",
            FileKind::Thumbnail => "thumbnails",
        }
    }
}

/// The folders below the storage directory.
#[derive(Clone, Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// How the names of files begin that these and their clones write: unlike those of any other process.
    staged: Arc<str>,
    /// Folders that a power cut would leave where they are.
    settled: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Files {
    /// How the names of files begin that are not in their place yet.
    const STAGED: &'static str = ".staged-";

    pub(super) fn new(directory: &Path) -> Files {
        let staged = format!("{}{}-", Self::STAGED, Uuid::now_v7().simple());
        Files { directory: directory.to_owned(), staged: staged.into(), settled: Arc::default() }
    }

    /// True for the name of a file that another process, or this one before, did not put in its place.
    pub(super) fn is_left_behind(&self, name: &str) -> bool {
        name.starts_with(Self::STAGED) && !name.starts_with(&*self.staged)
    }

    /// The folder of all.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a kind of files lies, shelf by shelf.
    pub(super) fn folder(&self, kind: FileKind) -> PathBuf {
        self.directory.join(kind.folder())
    }

    /// Where a file lies: `images/ab/ab12….jpg`. `media_type` is the photo's.
    pub(super) fn path(&self, kind: FileKind, sha256: &str, media_type: &str) -> PathBuf {
        let extension = match (kind, media_type) {
            (FileKind::Photo, "image/png") => "png",
            (FileKind::Photo, "image/webp") => "webp",
            (FileKind::Photo, _) | (FileKind::Thumbnail, _) => "jpg",
        };
        let shelf = sha256.get(..2).unwrap_or_default();
        self.folder(kind).join(shelf).join(format!("{sha256}.{extension}"))
    }

    /// Writes a file near its place, durably. Whoever holds it may place it; dropped, it is gone.
    pub(super) fn stage(&self, path: &Path, bytes: &[u8]) -> Result<TempPath, StoreError> {
        let failed = |source| StoreError::File { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(&self.directory);
        fs::create_dir_all(folder).map_err(failed)?;
        let mut beside = tempfile::Builder::new().prefix(&*self.staged).tempfile_in(folder).map_err(failed)?;
        beside.write_all(bytes).map_err(failed)?;
        beside.as_file().sync_all().map_err(failed)?;
        Ok(beside.into_temp_path())
    }

    /// Renames a staged file into its place, where it is either whole or not there, also after a power cut.
    pub(super) fn place(&self, staged: TempPath, path: &Path) -> Result<(), StoreError> {
        let failed = |source| StoreError::File { path: path.to_owned(), source };
        staged.persist(path).map_err(|error| failed(error.error))?;
        self.settle(path.parent().unwrap_or(&self.directory)).map_err(failed)
    }

    /// Makes what was renamed into a folder durable; and the folder itself, once, which was maybe made on the way.
    fn settle(&self, folder: &Path) -> io::Result<()> {
        let sync = |folder: &Path| File::open(folder).and_then(|folder| folder.sync_all());
        let settled = || self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        sync(folder)?;
        if settled().contains(folder) {
            return Ok(());
        }
        let mut above = folder.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.directory));
        above.try_for_each(sync)?;
        settled().insert(folder.to_owned());
        Ok(())
    }

    /// Removes whatever there is of a photo.
    pub(super) fn remove(&self, sha256: &str) -> Result<(), StoreError> {
        let photos = MEDIA_TYPES.map(|media_type| self.path(FileKind::Photo, sha256, media_type));
        let thumbnail = self.path(FileKind::Thumbnail, sha256, "image/jpeg");
        photos.iter().chain([&thumbnail]).try_for_each(|path| Self::remove_file(path))
    }

    /// The names in a folder; none where there is no folder yet.
    pub(super) fn list(folder: &Path) -> Result<Vec<String>, StoreError> {
        let failed = |source| StoreError::File { path: folder.to_owned(), source };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        Ok(names.map_err(failed)?.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Removes a file, unless it is gone.
    pub(super) fn remove_file(path: &Path) -> Result<(), StoreError> {
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::File { path: path.to_owned(), source })
            }
            _ => Ok(()),
        }
    }
}

/// Of the copies that are kept.
const MEDIA_TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("lists");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
    }

    #[test]
    fn files_are_placed_whole_and_leave_nothing_beside() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let files = Files::new(directory.path());
        let path = files.path(FileKind::Photo, "ab12", "image/jpeg");
        assert_eq!(path, directory.path().join("images/ab/ab12.jpg"));

        for bytes in [b"first".as_slice(), b"second"] {
            let staged = files.stage(&path, bytes).expect("writes");
            files.place(staged, &path).expect("renames");
        }
        assert_eq!(fs::read(&path).expect("reads"), b"second");
        assert_eq!(names(&directory.path().join("images/ab")), ["ab12.jpg"]);
    }

    #[test]
    fn what_others_did_not_put_in_its_place_is_told_from_what_is_on_its_way() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let (files, others) = (Files::new(directory.path()), Files::new(directory.path()));
        let staged = files.clone().stage(&directory.path().join("ab12.jpg"), b"photo").expect("writes");
        let name = staged.file_name().expect("a name").to_str().expect("UTF-8");
        assert!(!files.is_left_behind(name) && others.is_left_behind(name), "{name}");
        assert!(files.is_left_behind(".staged-a1b2c3") && !files.is_left_behind("ab12.jpg"));
    }

    #[test]
    fn what_is_never_placed_is_gone() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let files = Files::new(directory.path());
        let path = files.path(FileKind::Thumbnail, "ab12", "image/png");
        assert_eq!(path, directory.path().join("thumbnails/ab/ab12.jpg"));
        let staged = files.stage(&path, b"photo").expect("writes");
        assert!(names(&directory.path().join("thumbnails/ab"))[0].starts_with(Files::STAGED));
        drop(staged);
        assert!(names(&directory.path().join("thumbnails/ab")).is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        fs::write(directory.path().join("images"), b"in the way").expect("writes");
        let files = Files::new(directory.path());
        let path = files.path(FileKind::Photo, "ab12", "image/jpeg");
        let error = files.stage(&path, b"photo").expect_err("a file is in the way");
        assert!(error.to_string().contains("ab12.jpg"), "{error}");
    }
}
