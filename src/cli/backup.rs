//! `expansionnet backup` and `expansionnet restore`: everything that is kept, in one file and back.

use crate::config::{Config, LogFormat};
use crate::store::backup::{self, Contents};
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Write everything that is kept (storage.directory) into one tar file, also while the server runs
///
/// The file holds photos and captions, and hashes of the passwords and keys: keep it where only you can read it.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Settings file [default: config.toml in the working directory, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The file to write, e.g. backup.tar; it must not be there yet
    file: PathBuf,
}

/// Make a storage folder of a backup; set storage.directory to it and start the server
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,

    /// The folder to make; it must be empty or not be there yet
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
}

impl Backup {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        super::start_logging("warn", LogFormat::Pretty);
        let directory = Config::load(self.config.as_deref())?.storage.directory;
        let contents = Runtime::new()?.block_on(backup::backup(&directory, &self.file));
        let contents = contents.with_context(|| format!("cannot back up {}", directory.display()))?;
        report(&contents, &format!("in {}", self.file.display()));
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        super::start_logging("warn", LogFormat::Pretty);
        let contents = Runtime::new()?.block_on(backup::restore(&self.file, &self.directory));
        let contents = contents.with_context(|| format!("cannot restore {}", self.directory.display()))?;
        report(&contents, &format!("in {}", self.directory.display()));
        Ok(ExitCode::SUCCESS)
    }
}

fn report(contents: &Contents, place: &str) {
    let Contents { captions, photos, lost } = contents;
    println!("captions: {captions}, photos: {photos}, {place}");
    if *lost > 0 {
        eprintln!("warning: the files of {lost} further photos were lost before; their captions are there");
    }
}
