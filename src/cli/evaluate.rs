//! `expansionnet evaluate`: the metrics of the papers for captions in a file, or for a model on a dataset.

mod cases;
mod compare;
mod events;
mod model;
mod output;
mod page;
mod progress;
mod table;
mod titles;

use crate::config::{Config, LogFormat};
use anyhow::bail;
use cases::Case;
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use table::Table;
use trainer::data::Split;
use trainer::device::{DeviceChoice, PrecisionChoice};
use trainer::metrics::{EvaluationSettings, Jars};

/// Judge captions: BLEU, METEOR, ROUGE-L, CIDEr-D and SPICE
///
/// Takes captions from a file, or lets a model caption a dataset's images, or compares two such evaluations;
/// figures are those of pycocoevalcap. METEOR and SPICE need Java and their programs (cargo xtask metrics); where
/// one is missing, the report says so and has no figure.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    group = ArgGroup::new("what").required(true).args(["captions", "results", "dataset", "compare"])
)]
pub(super) struct Evaluate {
    /// Captions to judge: [{"id": …, "candidate": "…", "references": ["…"]}, …]
    #[arg(long, value_name = "FILE")]
    captions: Option<PathBuf>,

    /// The same in COCO's layout: [{"image_id": 42, "caption": "…"}, …]
    #[arg(long, value_name = "FILE", requires = "annotations")]
    results: Option<PathBuf>,

    /// What people wrote, in COCO's layout: captions_val2014.json
    #[arg(long, value_name = "FILE", requires = "results", conflicts_with_all = ["captions", "dataset", "compare"])]
    annotations: Option<PathBuf>,

    /// Two evaluations of models on the same images, by their report.json: how far the second is from the first
    #[arg(long, num_args = 2, value_names = ["FIRST", "SECOND"], conflicts_with_all = ["config", "jars"])]
    compare: Vec<PathBuf>,

    #[command(flatten)]
    model: ModelRun,

    /// Settings file [default: config.toml in the working directory, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Folder of METEOR's and SPICE's programs [default: evaluation.jars]
    #[arg(long, value_name = "DIR")]
    jars: Option<PathBuf>,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// What is judged without a model, and without what only a model needs.
const WITHOUT_MODEL: [&str; 3] = ["captions", "results", "compare"];

/// A model on a dataset.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "A model on a dataset",
    group = ArgGroup::new("input").multiple(true).args(["images", "features"])
)]
struct ModelRun {
    /// Model folder; several are an ensemble [default: model.path, with model.ensemble]
    #[arg(long, value_name = "DIR", requires = "dataset", conflicts_with_all = WITHOUT_MODEL)]
    model: Vec<PathBuf>,

    /// The dataset: dataset_coco.json or another in Karpathy's layout
    #[arg(long, value_name = "FILE", requires_all = ["input", "output"])]
    dataset: Option<PathBuf>,

    /// Folder of the dataset's images
    #[arg(long, value_name = "DIR", requires = "dataset", conflicts_with_all = WITHOUT_MODEL)]
    images: Option<PathBuf>,

    /// Features of the images instead, as HDF5; --images then only illustrates the page
    #[arg(long, value_name = "FILE", requires = "dataset", conflicts_with_all = WITHOUT_MODEL)]
    features: Option<PathBuf>,

    /// The images to caption
    #[arg(long, value_enum, default_value_t = Splits::Test, conflicts_with_all = WITHOUT_MODEL)]
    split: Splits,

    /// Only images with this `filepath` in the dataset; may be given again
    #[arg(long, value_name = "NAME", requires = "dataset", conflicts_with_all = WITHOUT_MODEL)]
    filepath: Vec<String>,

    /// Only the first images of each split
    #[arg(long, value_name = "COUNT", requires = "dataset", conflicts_with_all = WITHOUT_MODEL)]
    limit: Option<usize>,

    /// Beams of the search; several make a search each: 1,3,5
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "5", conflicts_with_all = WITHOUT_MODEL)]
    beam_size: Vec<usize>,

    /// Captions that say a thing twice give way to others of the search, as in the server; else the likeliest counts
    #[arg(long, requires = "dataset", conflicts_with_all = WITHOUT_MODEL)]
    unrepeated_first: bool,

    /// Images that the model takes at once; fewer where many beams need the memory
    #[arg(long, value_name = "N", default_value_t = 16, conflicts_with_all = WITHOUT_MODEL)]
    batch_size: usize,

    /// Folder for the reports; a run that was interrupted goes on from what is in it
    #[arg(long, value_name = "DIR", requires = "dataset", conflicts_with_all = WITHOUT_MODEL)]
    output: Option<PathBuf>,

    /// File to add events to: how far it is, and the figures, as in a run's events.jsonl
    #[arg(long, value_name = "FILE", requires = "dataset", conflicts_with_all = WITHOUT_MODEL)]
    event_log: Option<PathBuf>,

    /// auto, cpu or cuda [default: model.device]
    #[arg(long, value_parser = super::choice::<DeviceChoice>, conflicts_with_all = WITHOUT_MODEL)]
    device: Option<DeviceChoice>,

    /// auto, float32 or bfloat16 [default: model.precision]
    #[arg(long, value_parser = super::choice::<PrecisionChoice>, conflicts_with_all = WITHOUT_MODEL)]
    precision: Option<PrecisionChoice>,
}

const EXAMPLES: &str = "\
Examples:
  expansionnet evaluate --captions captions.json
  expansionnet evaluate --results captions_val2014_results.json --annotations captions_val2014.json
  expansionnet evaluate --dataset dataset_coco.json --images coco --output evaluation
  expansionnet evaluate --model models/a --model models/b --beam-size 1,3,5 --split both \\
      --dataset dataset_coco.json --images coco --output evaluation
  expansionnet evaluate --compare before/report.json after/report.json";

/// Which images are captioned.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Splits {
    /// Those for choosing among checkpoints
    Val,
    /// Those for the figures that are quoted
    Test,
    /// Both, each judged by itself
    Both,
}

impl Splits {
    fn list(self) -> &'static [Split] {
        match self {
            Splits::Val => &[Split::Validation],
            Splits::Test => &[Split::Test],
            Splits::Both => &[Split::Validation, Split::Test],
        }
    }
}

impl Evaluate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        super::start_logging("warn", LogFormat::Pretty);
        if let [first, second] = self.compare.as_slice() {
            compare::run(first, second, self.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let config = Config::load(self.config.as_deref())?;
        let jars = Jars::in_folder(self.jars.as_ref().unwrap_or(&config.evaluation.jars));
        let metrics = EvaluationSettings { jars: Some(jars), ..EvaluationSettings::default() };
        if let Some(dataset) = &self.model.dataset {
            self.model.evaluate(dataset, config, &metrics, self.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let cases = match (&self.captions, &self.results, &self.annotations) {
            (Some(captions), ..) => Case::read_all(captions)?,
            (_, Some(results), Some(annotations)) => Case::read_coco(results, annotations)?,
            _ => bail!("name --captions, --results with --annotations, --dataset, or two reports by --compare"),
        };
        let report = cases::judge(&cases, &metrics)?;
        print(&match self.json {
            true => serde_json::to_string_pretty(&report)?,
            false => Table::new("captions", &[("these".into(), &report)]).to_string(),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// To standard output, without empty lines at the end.
fn print(text: &str) -> anyhow::Result<()> {
    super::print(text.trim_end())
}
