//! Folders that a killed process leaves half-made or half-deleted: known by names that only this program gives, and
//! removed by a later one.

use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Begins the name of a folder that is being deleted; the rest is a UUID.
const DELETED: &str = ".deleted-";

/// Deletes a folder, unless it is gone: hidden first, so that what a kill leaves of it is known.
///
/// # Errors
/// When it cannot be renamed, or not be removed after that: then a later start tries again.
pub fn delete(folder: &Path) -> io::Result<()> {
    match hide(folder) {
        Ok(hidden) => fs::remove_dir_all(hidden),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts a folder out of reach at once, under a name beside its place: whoever does so removes it then.
///
/// # Errors
/// When it cannot be renamed; it is as it was then.
pub fn hide(folder: &Path) -> io::Result<PathBuf> {
    let hidden = folder.with_file_name(format!("{DELETED}{}", Uuid::now_v7()));
    fs::rename(folder, &hidden)?;
    Ok(hidden)
}

/// Whether this is the name of a folder that was hidden to be removed.
pub fn is_hidden(name: &str) -> bool {
    ends_in_uuid(name, DELETED)
}

/// Whether a name is this beginning and a UUID, which nobody gives by hand.
pub fn ends_in_uuid(name: &str, beginning: &str) -> bool {
    name.strip_prefix(beginning).is_some_and(|id| Uuid::try_parse(id).is_ok())
}

/// Removes the folders in a folder whose names are of that kind. What cannot be removed is logged and stays.
pub fn remove_from(folder: &Path, is_left: impl Fn(&str) -> bool) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Nothing was made yet, or somebody has moved it away.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return tracing::warn!(%error, folder = %folder.display(), "leftovers cannot be looked for"),
    };
    let is_left = |entry: &DirEntry| {
        is_left(&entry.file_name().to_string_lossy()) && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    for entry in entries.flatten().filter(is_left) {
        remove(&entry.path());
    }
}

/// Removes a folder that was left; if it cannot be removed, it is logged and stays.
pub fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Ok(()) => tracing::info!(path = %folder.display(), "what a killed process left is removed"),
        Err(error) => tracing::warn!(%error, path = %folder.display(), "a leftover cannot be removed"),
    }
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
        remove_from(folder.path(), |name| name.starts_with(".check-"));
        remove_from(&at("away"), |_| true);
        let left = [".check-1", ".download-1", "a-run", ".check-file", ".check-link"].map(|name| at(name).exists());
        assert_eq!(left, [false, true, true, true, true]);
    }

    #[test]
    fn what_is_hidden_is_known_again_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = folder.path().join("a-run");
        fs::create_dir_all(run.join("inside")).expect("writable");
        let hidden = hide(&run).expect("renames");
        assert!(!run.exists() && hidden.join("inside").is_dir());
        assert!(is_hidden(&hidden.file_name().expect("a name").to_string_lossy()));
        for other in ["", "a-run", ".deleted-", ".deleted-a-run", "deleted-01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e"] {
            assert!(!is_hidden(other), "{other}");
        }
        remove_from(folder.path(), is_hidden);
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
    }

    #[test]
    fn what_is_deleted_is_gone_with_everything_in_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = folder.path().join("a-run");
        fs::create_dir_all(run.join("inside")).expect("writable");
        delete(&run).expect("deletes");
        delete(&run).expect("was gone already");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 0);
    }
}
