//! A small disk of its own for a process, to be filled to the brim.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is needed, for whoever finds that it does not work.
pub const NEEDS: &str =
    "this test mounts a tmpfs: it needs `unshare` (util-linux), and root with CAP_SYS_ADMIN or user name spaces";

/// Mounts the disk, which ends with the process, and becomes the command.
const MOUNT_AND_BECOME: &str = r#"mount -t tmpfs -o "size=$1" tmpfs "$2" || exit 99; shift 2; exec "$@""#;

/// The beginning of a command line: what is added to it runs in a name space of its own, where a disk of this size, as
/// `mount` writes it, lies at this folder.
///
/// # Errors
/// Where there is no `/proc`.
pub fn on_a_small_disk(size: &str, folder: &Path) -> io::Result<Command> {
    let mut command = Command::new("unshare");
    // Whoever runs this owns its entry.
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--", "sh", "-c", MOUNT_AND_BECOME, "sh", size]).arg(folder);
    Ok(command)
}

/// The folder with the disk, which only such a process sees, by a way that leads there from outside.
pub fn seen_from_outside(process: u32, folder: &Path) -> PathBuf {
    let root = Path::new("/proc").join(process.to_string()).join("root");
    root.join(folder.strip_prefix("/").unwrap_or(folder))
}
