//! axe, the accessibility engine that the browser tests run in every page: `.axe/axe.min.js`, out of
//! a Python package that carries it.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use zip::ZipArchive;

use crate::packages::download::has_hash;
use crate::packages::{self, Wheel};

/// axe 4.12.1.
const WHEEL: Wheel = Wheel {
    project: "axe-playwright-python",
    version: "0.1.8",
    tags: "py3-none-any",
    sha256: "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8",
};

/// The one file that is wanted of it, and its hash.
const MEMBER: &str = "axe_playwright_python/axe.min.js";
const SCRIPT_SHA256: &str = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc";

/// Sees to it that `.axe` in `root` holds the script; returns at once where it does.
///
/// # Errors
/// When the package cannot be fetched, neither by this program nor by pip.
pub fn set_up(root: &Path) -> Result<()> {
    let folder = root.join(".axe");
    let script = folder.join("axe.min.js");
    if is_whole(&script) {
        return Ok(());
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let fetched = packages::fetch_all(&[WHEEL], &folder);
    for wheel in fetched.context("cannot get axe, which checks the pages' accessibility in the browser tests")? {
        unpack(&wheel, &script)?;
        if !is_whole(&script) {
            bail!("{MEMBER} in {} is not the file it should be", wheel.display());
        }
        fs::remove_file(&wheel).with_context(|| format!("cannot remove {}", wheel.display()))?;
    }
    Ok(())
}

fn is_whole(script: &Path) -> bool {
    has_hash(script, SCRIPT_SHA256)
}

fn unpack(wheel: &Path, script: &Path) -> Result<()> {
    let mut members = ZipArchive::new(BufReader::new(File::open(wheel)?))?;
    let mut content = Vec::new();
    members.by_name(MEMBER)?.read_to_end(&mut content)?;
    fs::write(script, content).with_context(|| format!("cannot write {}", script.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    #[test]
    fn a_script_of_another_version_is_not_taken_for_ours() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("axe.min.js");
        assert!(!is_whole(&script));
        fs::write(&script, "/*! axe v4.0.0 */").unwrap();
        assert!(!is_whole(&script));
    }

    #[test]
    fn the_script_is_taken_out_of_the_wheel() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, script) = (folder.path().join("a.whl"), folder.path().join("axe.min.js"));
        let mut writer = ZipWriter::new(File::create(&wheel).unwrap());
        for name in ["axe_playwright_python/__init__.py", MEMBER] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        unpack(&wheel, &script).unwrap();
        assert_eq!(fs::read_to_string(&script).unwrap(), MEMBER);
    }
}
