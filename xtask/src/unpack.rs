//! Parts of zip archives, which Python's wheels are too.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use zip::ZipArchive;

/// Unpacks those members of a zip archive that `place` gives a path inside `folder`. Returns how
/// many.
///
/// # Errors
/// When the archive is damaged (each member is checked by its CRC) or the disk is full.
pub fn unpack(archive: &Path, folder: &Path, place: impl Fn(&str) -> Option<PathBuf>) -> Result<usize> {
    let reader = BufReader::new(File::open(archive)?);
    let mut members = ZipArchive::new(reader).with_context(|| format!("cannot read {}", archive.display()))?;
    let progress = ProgressBar::new(members.len() as u64);
    let mut unpacked = 0;
    for index in 0..members.len() {
        let mut member = members.by_index(index)?;
        progress.inc(1);
        let target = if member.is_dir() { None } else { place(&member.name()?) };
        let Some(target) = target.filter(|path| is_inside(path)) else {
            continue;
        };
        let target = folder.join(target);
        write_file(&mut member, &target).with_context(|| format!("cannot unpack {}", target.display()))?;
        unpacked += 1;
    }
    progress.finish_and_clear();
    Ok(unpacked)
}

/// Whether a path leads nowhere but down.
fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Writes a file, and the folders that it lies in.
pub fn write_file(from: &mut impl io::Read, target: &Path) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    io::copy(from, &mut File::create(target)?).map(|_bytes| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_of_the_folder_are_not_inside() {
        assert!(is_inside(Path::new("a/b")) && !is_inside(Path::new("a/../../b")) && !is_inside(Path::new("/a")));
    }
}
