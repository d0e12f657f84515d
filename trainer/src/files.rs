//! Files that are there whole, or as they were before, whenever a process dies.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::NamedTempFile;

/// Writes a file beside its place, synced and renamed.
///
/// # Errors
/// What the system says; the file is then as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = beside(path)?;
    beside.write_all(bytes)?;
    put_in_place(beside, path)
}

/// An empty file in the folder of `path`, which is to take its place ([`put_in_place`]).
///
/// # Errors
/// What the system says.
pub fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Readable as other files are, by the umask; temporary ones are private.
    let permissions = Permissions::from_mode(0o666);
    tempfile::Builder::new().permissions(permissions).tempfile_in(folder)
}

/// Syncs what was written, and renames it.
///
/// # Errors
/// What the system says; there is then what was there before.
pub fn put_in_place(beside: NamedTempFile, path: &Path) -> io::Result<()> {
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_readable_as_others_are_and_nothing_stays_beside_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        write_whole(&path, b"one").expect("writes");
        write_whole(&path, b"two").expect("writes");
        std::fs::write(&other, b"").expect("writes");
        let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode();
        assert_eq!(mode(&path), mode(&other));
        assert_eq!(std::fs::read(&path).expect("is there"), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 2);
        assert!(write_whole(&folder.path().join("missing/file"), b"").is_err());
    }
}
