//! `expansionnet export`: checkpoints of a run for other uses.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use trainer::checkpoint::{NamedTensors, package, state_dict, write_pth};
use trainer::model::ModelConfig;
use trainer::training::packaging::BEST;
use trainer::training::{checkpoint_weights, package_checkpoint};

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
    Pth(ExportPth),
}

/// Make a model folder of a checkpoint: to serve, to caption with, to evaluate
#[derive(Debug, Args)]
struct ExportModel {
    #[command(flatten)]
    source: CheckpointArguments,

    /// The model folder to make
    #[arg(long, value_name = "DIR")]
    output: PathBuf,

    /// Weights of half the size, as `import` writes them; they are widened again when they are loaded
    #[arg(long)]
    float16: bool,

    /// Replace the folder if it exists and holds nothing but a model
    #[arg(long)]
    force: bool,
}

/// Write a .pth that the Python original takes: torch.load, then load_state_dict of "model_state_dict", strictly
#[derive(Debug, Args)]
struct ExportPth {
    #[command(flatten)]
    source: Option<CheckpointArguments>,

    /// A model folder, instead of a run's checkpoint
    #[arg(long, value_name = "DIR", conflicts_with_all = ["run", "phase", "checkpoint"])]
    model: Option<PathBuf>,

    /// The body alone, for the original's ExpansionNet_v2, which reads stored features
    #[arg(long)]
    body: bool,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct CheckpointArguments {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,

    /// The phase that trained it; of several, joined by " + ", the mean of their weights
    #[arg(long, value_name = "NAME")]
    phase: String,

    /// best (by CIDEr-D on validation images, else the newest), newest, or a name like state-00004000 [default: best]
    #[arg(long, value_name = "NAME")]
    checkpoint: Option<String>,
}

impl CheckpointArguments {
    fn checkpoint(&self) -> &str {
        self.checkpoint.as_deref().unwrap_or(BEST)
    }
}

const EXAMPLES: &str = "\
Examples:
  expansionnet export model --run runs/photos --phase scst --output models/photos
  expansionnet export model --run runs/photos --phase xe --checkpoint state-00004000 --output models/early
  expansionnet export model --run runs/photos --phase 'scst-1 + scst-2' --output models/mean
  expansionnet export pth --run runs/coco --phase scst --output rf_model.pth
  expansionnet export pth --model models/coco --body --output body.pth";

impl Export {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Model(model) => model.run(),
            What::Pth(pth) => pth.run(),
        }
    }
}

impl ExportModel {
    fn run(self) -> anyhow::Result<ExitCode> {
        refuse_existing(&self.output, self.force)?;
        package::check_replaceable(&self.output)?;
        let CheckpointArguments { run, phase, .. } = &self.source;
        package_checkpoint(run, phase, self.source.checkpoint(), self.float16, &self.output)
            .with_context(|| format!("{} was not made", self.output.display()))?;
        println!("{}", self.output.display());
        Ok(ExitCode::SUCCESS)
    }
}

impl ExportPth {
    fn run(self) -> anyhow::Result<ExitCode> {
        refuse_existing(&self.output, self.force)?;
        let (config, tensors) = self.weights()?;
        let tensors = state_dict(tensors, &config, self.body)?;
        write_pth(&self.output, &tensors)?;
        println!("{}: {} tensors", self.output.display(), tensors.len());
        Ok(ExitCode::SUCCESS)
    }

    fn weights(&self) -> anyhow::Result<(ModelConfig, NamedTensors)> {
        match (&self.source, &self.model) {
            (Some(source), _) => Ok(checkpoint_weights(&source.run, &source.phase, source.checkpoint(), self.body)?),
            (None, Some(folder)) => Ok(package::weights(folder)?),
            (None, None) => bail!("give a checkpoint by --run and --phase, or a model folder by --model"),
        }
    }
}

fn refuse_existing(output: &Path, force: bool) -> anyhow::Result<()> {
    if output.exists() && !force {
        bail!("{} exists already; choose another --output, or replace it with --force", output.display());
    }
    Ok(())
}
