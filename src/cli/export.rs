//! `expansionnet export`: checkpoints and figures of a run for other uses.

mod metrics;

use anyhow::{Context, bail};
use clap::{ArgGroup, Args, Subcommand};
use metrics::ExportMetrics;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use trainer::checkpoint::{NamedTensors, package, state_dict, write_pth};
use trainer::model::ModelConfig;
use trainer::training::packaging::BEST;
use trainer::training::{checkpoint_weights, package_checkpoint};

/// Hand on what a run has trained, or how it went
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
    Metrics(ExportMetrics),
}

/// Make a model folder of a checkpoint: to serve, to caption with, to evaluate
#[derive(Debug, Args)]
struct ExportModel {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    run: PathBuf,

    /// The phase that trained it; of several, joined by " + ", the mean of their weights
    #[arg(long, value_name = "NAME")]
    phase: String,

    /// best (by CIDEr-D on validation images, else the newest), newest, or a name like state-00004000
    #[arg(long, value_name = "NAME", default_value = BEST)]
    checkpoint: String,

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
#[command(group = ArgGroup::new("source").required(true).args(["run", "model"]))]
struct ExportPth {
    /// Folder of the run
    #[arg(long, value_name = "DIR", requires = "phase")]
    run: Option<PathBuf>,

    /// The phase of the run, or several, as for `export model`
    #[arg(long, value_name = "NAME", requires = "run")]
    phase: Option<String>,

    /// The checkpoint, as for `export model`
    #[arg(long, value_name = "NAME", default_value = BEST, requires = "run")]
    checkpoint: String,

    /// A model folder, instead of a run's checkpoint
    #[arg(long, value_name = "DIR", conflicts_with_all = ["phase", "checkpoint"])]
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

const EXAMPLES: &str = "\
Examples:
  expansionnet export model --run runs/photos --phase scst --output models/photos
  expansionnet export model --run runs/photos --phase xe --checkpoint state-00004000 --output models/early
  expansionnet export model --run runs/photos --phase 'scst-1 + scst-2' --output models/mean
  expansionnet export pth --run runs/coco --phase scst --output rf_model.pth
  expansionnet export pth --model models/coco --body --output body.pth
  expansionnet export metrics --run runs/photos --phase scst --output scst.csv";

impl Export {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Model(model) => model.run(),
            What::Pth(pth) => pth.run(),
            What::Metrics(metrics) => metrics.run(),
        }
    }
}

impl ExportModel {
    fn run(self) -> anyhow::Result<ExitCode> {
        refuse_existing(&self.output, self.force)?;
        package::check_replaceable(&self.output)?;
        package_checkpoint(&self.run, &self.phase, &self.checkpoint, self.float16, &self.output)
            .with_context(|| format!("{} was not made", self.output.display()))?;
        super::print(self.output.display())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ExportPth {
    fn run(self) -> anyhow::Result<ExitCode> {
        refuse_existing(&self.output, self.force)?;
        let (config, tensors) = self.weights()?;
        let tensors = state_dict(tensors, &config, self.body)?;
        write_pth(&self.output, &tensors)?;
        super::print(format_args!("{}: {} tensors", self.output.display(), tensors.len()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn weights(&self) -> anyhow::Result<(ModelConfig, NamedTensors)> {
        match (&self.run, &self.phase, &self.model) {
            (Some(run), Some(phase), _) => Ok(checkpoint_weights(run, phase, &self.checkpoint, self.body)?),
            (_, _, Some(folder)) => Ok(package::weights(folder)?),
            _ => bail!("give a checkpoint by --run and --phase, or a model folder by --model"),
        }
    }
}

fn refuse_existing(output: &Path, force: bool) -> anyhow::Result<()> {
    if output.exists() && !force {
        bail!("{} exists already; choose another --output, or replace it with --force", output.display());
    }
    Ok(())
}
