//! libtorch in `.libtorch`: the places it can come from, in the order they are tried.
//!
//! The folder holds only the CPU side (`include/`, `lib/`, `build-version`), whatever its source:
//! linking `libtorch_cuda.so` would tie the program to machines with CUDA. The program loads it at
//! run time instead, from beside the real file behind `lib/libtorch_cpu.so`.

mod archive;
mod install;
mod local;
mod wheel;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::requirements;
use install::Installation;
use local::Found;

/// The version that the `tch` crate of this workspace is written for.
pub const VERSION: &str = "2.11.0";

/// The two folders of a set-up, side by side so that the finished one is renamed into place.
struct Folders {
    /// `.libtorch`: either whole or not there.
    installed: PathBuf,
    /// `.libtorch-setup`: downloads and the unfinished installation; a killed set-up goes on from
    /// here.
    work: PathBuf,
}

/// Sees to it that `.libtorch` in `root` holds libtorch [`VERSION`]; returns at once where it does.
///
/// # Errors
/// When the machine lacks something, `LIBTORCH` names something unusable, or every source fails.
pub fn set_up(root: &Path) -> Result<()> {
    let folders = Folders { installed: root.join(".libtorch"), work: root.join(".libtorch-setup") };
    let chosen = local::from_environment(&folders.installed)?;
    if is_done(&folders, chosen.as_ref()) {
        return Ok(());
    }
    requirements::check()?;
    fs::create_dir_all(&folders.work).with_context(|| format!("cannot create {}", folders.work.display()))?;
    let _only_set_up = lock(&folders.work)?;
    if is_done(&folders, chosen.as_ref()) {
        return Ok(());
    }
    eprintln!("setting up libtorch {VERSION} in {}", folders.installed.display());
    match chosen {
        Some(found) => link(&folders, &found)?,
        None => try_sources(&folders)?,
    }
    // Not before success: until then the downloads in it are worth keeping.
    fs::remove_dir_all(&folders.work).with_context(|| format!("cannot remove {}", folders.work.display()))?;
    eprintln!("libtorch {VERSION} is ready");
    Ok(())
}

fn is_done(folders: &Folders, chosen: Option<&Found>) -> bool {
    install::is_complete(&folders.installed) && chosen.is_none_or(|found| found.is_linked_from(&folders.installed))
}

/// Held while a set-up runs, so that a second one waits for it instead of writing the same files.
fn lock(work: &Path) -> Result<File> {
    let file = File::create(work.join("lock"))?;
    if file.try_lock().is_err() {
        eprintln!("another set-up is running; waiting for it");
        file.lock()?;
    }
    Ok(file)
}

fn try_sources(folders: &Folders) -> Result<()> {
    match local::from_python().and_then(|found| link(folders, &found)) {
        Ok(()) => return Ok(()),
        Err(reason) => eprintln!("not from Python: {reason:#}"),
    }
    requirements::check_for_download(&folders.work)?;
    match archive::install(&folders.work, &folders.installed) {
        Ok(()) => return Ok(()),
        Err(reason) => {
            eprintln!("not from the official archive: {reason:#}\ngoing on with the Python package")
        }
    }
    wheel::install(&folders.work, &folders.installed).map_err(|reason| {
        anyhow!(
            "no source of libtorch worked; the last one: {reason:#}\n\
             Check the network and pip's package index, \
             or unpack libtorch {VERSION} yourself and set LIBTORCH to its folder."
        )
    })
}

fn link(folders: &Folders, found: &Found) -> Result<()> {
    eprintln!("using {}", found.folder().display());
    let installation = Installation::begin(&folders.work)?;
    found.link_into(&installation)?;
    installation.finish(&folders.installed)
}
