//! The official libtorch archive for CPUs: the smallest download, where its server can be reached.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use url::Url;

use super::install::{self, Installation};
use crate::packages::download::{Download, Downloader};

/// `%2B` is the `+` of the version `2.11.0+cpu`.
const ADDRESS: &str = "https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-2.11.0%2Bcpu.zip";

/// Downloads the archive into `work` and installs from it. Gives up within seconds if the server
/// cannot be reached.
///
/// # Errors
/// When the archive is not published for this processor, cannot be fetched, or is damaged. No hash
/// of it is published: HTTPS vouches for its origin, and the checksum that a zip keeps of each
/// member for its integrity.
pub fn install(work: &Path, installed: &Path) -> Result<()> {
    if cfg!(not(target_arch = "x86_64")) {
        bail!("there is none for this processor");
    }
    let file = work.join("libtorch.zip");
    let download = Download { address: &Url::parse(ADDRESS)?, file: &file, sha256: None, name: "libtorch for CPUs" };
    Downloader::impatient().fetch(&download)?;
    let unpacked = unpack(&file, work, installed);
    // Kept, a damaged archive would be taken for a finished download by the next set-up.
    fs::remove_file(&file).context("cannot remove the archive")?;
    unpacked
}

fn unpack(archive: &Path, work: &Path, installed: &Path) -> Result<()> {
    let installation = Installation::begin(work)?;
    installation.unpack(archive, place)?;
    installation.finish(installed)
}

/// Where a member of the archive goes in the installation; `None` for what is not needed.
fn place(member: &str) -> Option<PathBuf> {
    let path = member.strip_prefix("libtorch/")?;
    let library = path.strip_prefix("lib/").filter(|name| !name.contains('/') && install::is_wanted_library(name));
    (library.is_some() || path.starts_with("include/")).then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_the_libraries_of_the_cpu_are_taken() {
        assert_eq!(place("libtorch/lib/libtorch_cpu.so"), Some("lib/libtorch_cpu.so".into()));
        assert_eq!(place("libtorch/include/torch/torch.h"), Some("include/torch/torch.h".into()));
        assert_eq!(place("libtorch/lib/libtorch.so"), None);
        assert_eq!(place("libtorch/lib/libdnnl.a"), None);
        assert_eq!(place("libtorch/share/cmake/Torch/TorchConfig.cmake"), None);
    }
}
