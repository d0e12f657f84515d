//! The Java programs of METEOR and SPICE in `.metrics`, from the Python package that brings them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::packages::{self, Wheel};
use crate::unpack::unpack;

/// The reference implementation of COCO's caption metrics, which holds the programs that it runs.
const WHEEL: Wheel = Wheel {
    project: "pycocoevalcap",
    version: "1.2",
    tags: "py3-none-any",
    sha256: "083ed7910f1aec000b0a237ef6665f74edf19954204d0b1cbdb8399ed132228d",
};

/// What is needed of it: the programs with their data, and the tokeniser that ours is compared with.
const FOLDERS: [&str; 3] = ["meteor/", "spice/", "tokenizer/"];

/// SPICE's parser is distributed apart, half a gigabyte large.
const PARSER: &str = "spice/lib/stanford-corenlp-3.6.0.jar";

/// Sees to it that `.metrics` in `root` holds the programs; returns at once where it does.
///
/// # Errors
/// When the package cannot be fetched, is not what it was, or the disk is full.
pub fn set_up(root: &Path) -> Result<()> {
    let installed = root.join(".metrics");
    if !installed.exists() {
        let work = root.join(".metrics-setup");
        fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
        install(&work, &installed)?;
        // Not before success: until then the download in it is worth keeping.
        fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    }
    eprintln!("METEOR is in {}; it needs Java (on Debian: apt-get install default-jre-headless)", installed.display());
    if !installed.join(PARSER).exists() {
        eprintln!(
            "SPICE also needs stanford-corenlp-3.6.0.jar and stanford-corenlp-3.6.0-models.jar in \
             .metrics/spice/lib, from https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip; SPICE \
             itself has not been tried, with Java 17 or any other, only a stand-in for it"
        );
    }
    Ok(())
}

/// Unpacks beside, then renames, so that the folder is whole or not there.
fn install(work: &Path, installed: &Path) -> Result<()> {
    let unfinished = work.join("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    for file in packages::fetch_all(&[WHEEL], work)? {
        if unpack(&file, &unfinished, place)? == 0 {
            bail!("{} holds nothing that is needed", file.display());
        }
    }
    fs::rename(&unfinished, installed).with_context(|| format!("cannot create {}", installed.display()))
}

/// Where a member of the wheel goes; `None` for what is not needed.
fn place(member: &str) -> Option<PathBuf> {
    let path = member.strip_prefix("pycocoevalcap/")?;
    let wanted = FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.ends_with(".py");
    wanted.then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_their_data_are_taken() {
        assert_eq!(place("pycocoevalcap/meteor/meteor-1.5.jar"), Some("meteor/meteor-1.5.jar".into()));
        assert_eq!(place("pycocoevalcap/meteor/data/paraphrase-en.gz"), Some("meteor/data/paraphrase-en.gz".into()));
        assert_eq!(place("pycocoevalcap/spice/lib/fst-2.47.jar"), Some("spice/lib/fst-2.47.jar".into()));
        for left in
            ["pycocoevalcap/meteor/meteor.py", "pycocoevalcap/cider/cider.py", "pycocoevalcap-1.2.dist-info/RECORD"]
        {
            assert_eq!(place(left), None, "{left}");
        }
    }

    #[test]
    fn the_file_name_is_that_of_the_index() {
        assert_eq!(WHEEL.file_name(), "pycocoevalcap-1.2-py3-none-any.whl");
    }
}
