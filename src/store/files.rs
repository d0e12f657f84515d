//! Photos and thumbnails as files named by their hash: written beside, synced, renamed into place.

use super::StoreError;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Which of a photo's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The photo without its metadata.
    Photo,
    /// The small JPEG for lists.
    Thumbnail,
}

impl FileKind {
    fn folder(self) -> &'static str {
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
}

impl Files {
    pub(super) fn new(directory: &Path) -> Files {
        Files { directory: directory.to_owned() }
    }

    /// Where a file lies: `images/ab/ab12….jpg`.
    pub(super) fn path(&self, kind: FileKind, sha256: &str, extension: &str) -> PathBuf {
        let shelf = sha256.get(..2).unwrap_or_default();
        let folder = self.directory.join(kind.folder()).join(shelf);
        folder.join(format!("{sha256}.{extension}"))
    }

    /// Writes a file so that it is either whole or not there, also after a power cut.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = |source| StoreError::File { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(&self.directory);
        fs::create_dir_all(folder).map_err(failed)?;
        let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        beside.write_all(bytes).map_err(failed)?;
        beside.as_file().sync_all().map_err(failed)?;
        beside.persist(path).map_err(|error| failed(error.error))?;
        // The rename itself, and a folder made on the way, are durable once the folders above are synced.
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(&self.directory)) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_whole_and_leave_nothing_beside() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let files = Files::new(directory.path());
        let path = files.path(FileKind::Photo, "ab12", "jpg");
        assert_eq!(path, directory.path().join("images/ab/ab12.jpg"));

        files.write(&path, b"first").expect("writes");
        files.write(&path, b"second").expect("writes over it");

        assert_eq!(fs::read(&path).expect("reads"), b"second");
        let beside = fs::read_dir(directory.path().join("images/ab")).expect("lists");
        assert_eq!(beside.count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        fs::write(directory.path().join("images"), b"in the way").expect("writes");
        let files = Files::new(directory.path());
        let path = files.path(FileKind::Photo, "ab12", "jpg");
        let error = files.write(&path, b"photo").expect_err("a file is in the way");
        assert!(error.to_string().contains("ab12.jpg"), "{error}");
    }
}
