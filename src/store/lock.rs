//! One server at a time in a storage folder: what one has on its way, the other would clear away.

use super::StoreError;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// The right to serve from a folder, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    const NAME: &str = "server.lock";

    /// Takes a folder, made when missing.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another server has it; [`StoreError::File`] when it cannot be used.
    pub fn take(directory: &Path) -> Result<FolderLock, StoreError> {
        let path = directory.join(Self::NAME);
        let failed = |source| StoreError::File { path: path.clone(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                file.read_to_string(&mut process).ok();
                return Err(StoreError::InUse { path: directory.to_owned(), process: process.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Only for the message to others: a full disk need not keep the server from starting.
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).ok();
        Ok(FolderLock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_server_at_a_time() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let folder = directory.path().join("data");
        let lock = FolderLock::take(&folder).expect("nobody else is there");
        let refused = FolderLock::take(&folder).expect_err("in use").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert!(refused.contains(&folder.display().to_string()), "{refused}");
        drop(lock);
        FolderLock::take(&folder).expect("free again");
    }
}
