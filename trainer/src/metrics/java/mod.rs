//! METEOR and SPICE: their official Java programs, asked as pycocoevalcap asks them.

pub mod meteor;
mod process;
pub mod spice;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the programs are, laid out as in the Python package pycocoevalcap: `meteor/meteor-1.5.jar`,
/// `spice/spice-1.0.jar` and what lies beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jars {
    /// The folder that holds `meteor` and `spice`; `cargo xtask metrics` makes one.
    pub folder: PathBuf,
    /// The Java program.
    pub java: PathBuf,
    /// How long METEOR may take for one answer, and SPICE for all of them.
    pub timeout: Duration,
}

impl Jars {
    /// The programs in this folder, run by the `java` on the PATH.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Jars { folder: folder.into(), java: "java".into(), timeout: Duration::from_secs(1800) }
    }

    /// A file that must be there.
    fn require(&self, file: &str) -> Result<PathBuf, Unavailable> {
        let path = self.folder.join(file);
        if path.is_file() { Ok(path) } else { Err(Unavailable::MissingFile { file: file.to_owned() }) }
    }
}

/// Why a metric has no figure. It is never taken for 0.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// No folder was named.
    #[error("its Java program was not asked for")]
    NoJars,
    /// The folder lacks a file.
    #[error("{file} is not there (`cargo xtask metrics` fetches what can be fetched)")]
    MissingFile {
        /// The file, from the folder on.
        file: String,
    },
    /// There is no Java, or it does not start.
    #[error("Java does not start: {0} (on Debian: apt-get install default-jre-headless)")]
    NoJava(io::Error),
    /// Nothing came for too long; the program was ended.
    #[error("its Java program did not answer within {} seconds", .0.as_secs())]
    TimedOut(Duration),
    /// The program ended or closed its output too early.
    #[error("its Java program ended early: {last_words}")]
    Ended {
        /// The exceptions that it wrote to standard error, else the end of what it wrote.
        last_words: String,
    },
    /// The program answered something else than was asked.
    #[error("its Java program answered `{answer}` instead of {expected}")]
    Answer {
        /// What it should have been.
        expected: &'static str,
        /// The answer, cut off where it is long.
        answer: String,
    },
    /// A temporary file can't be written or read.
    #[error("temporary files: {0}")]
    Io(#[from] io::Error),
}

/// An answer that is not what was asked for.
fn unexpected(expected: &'static str, answer: &str) -> Unavailable {
    Unavailable::Answer { expected, answer: answer.chars().take(100).collect() }
}

/// An absolute path, since the programs run in their own folder.
fn absolute(path: &Path) -> Result<PathBuf, Unavailable> {
    Ok(std::path::absolute(path)?)
}

#[cfg(test)]
mod tests;
