//! `expansionnet export`: checkpoints of a run for other uses.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use trainer::training::package_checkpoint;

/// Hand on what a run has trained
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Model(ExportModel),
}

/// Make a model folder of a checkpoint: to serve, to caption with, to evaluate
#[derive(Debug, Args)]
struct ExportModel {
    #[command(flatten)]
    source: CheckpointArguments,

    /// The model folder to make
    #[arg(long, value_name = "DIR")]
    output: PathBuf,

    /// Replace the folder if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct CheckpointArguments {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,

    /// The phase that trained it
    #[arg(long, value_name = "NAME")]
    phase: String,

    /// best (by CIDEr-D on validation images, else the newest), newest, or a checkpoint's name, e.g. state-00004000
    #[arg(long, value_name = "NAME", default_value = "best")]
    checkpoint: String,
}

const EXAMPLES: &str = "\
Examples:
  expansionnet export model --run runs/photos --phase scst --output models/photos
  expansionnet export model --run runs/photos --phase xe --checkpoint state-00004000 --output models/early";

impl Export {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Model(model) => model.run(),
        }
    }
}

impl ExportModel {
    fn run(self) -> anyhow::Result<ExitCode> {
        if self.output.exists() && !self.force {
            bail!("{} exists already; choose another --output, or replace it with --force", self.output.display());
        }
        let CheckpointArguments { run, phase, checkpoint } = &self.source;
        package_checkpoint(run, phase, checkpoint, &self.output)
            .with_context(|| format!("{} was not made", self.output.display()))?;
        println!("{}", self.output.display());
        Ok(ExitCode::SUCCESS)
    }
}
