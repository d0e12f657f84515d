//! `expansionnet import`: a model folder of the original's checkpoint.

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use trainer::checkpoint::{ImportOptions, ImportReport, import};

/// Make a model folder of the original's checkpoint
///
/// Reads PyTorch's .pth (never executing it) or safetensors, and writes model.safetensors, config.json,
/// vocab.json and MODEL_CARD.md. Nothing is written unless every weight has found its place.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// Weights: the original's .pth, or safetensors of the same names
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,

    /// Words: vocab.json, or the original's tokens pickle [default: vocab.json beside the checkpoint]
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,

    /// Sizes that the weights do not tell: a JSON file with any fields of config.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Backbone weights, where the checkpoint holds the body alone
    #[arg(long, value_name = "FILE")]
    backbone: Option<PathBuf>,

    /// The model folder to make
    #[arg(long, value_name = "DIR")]
    output: PathBuf,

    /// Replace the folder if it exists and holds nothing but a model
    #[arg(long)]
    force: bool,

    /// Keep the weights in float32; float16, half the size, otherwise
    #[arg(long)]
    float32: bool,
}

const EXAMPLES: &str = "\
Examples:
  expansionnet import --checkpoint rf_model.pth --vocabulary demo_coco_tokens.pickle --output models/coco
  expansionnet import --checkpoint body.pth --backbone efficientnet.safetensors --vocabulary vocab.pickle \\
                      --config config.json --output models/mine
  expansionnet serve                                with EXPANSIONNET_MODEL__PATH=models/coco";

impl Import {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let options = ImportOptions {
            checkpoint: self.checkpoint,
            vocabulary: self.vocabulary,
            config: self.config,
            backbone: self.backbone,
            output: self.output,
            force: self.force,
            float32: self.float32,
        };
        let spinner = ProgressBar::new_spinner().with_message("reading, checking and writing the weights");
        spinner.enable_steady_tick(Duration::from_millis(100));
        let report = import(&options).with_context(|| format!("{} was not imported", options.checkpoint.display()))?;
        spinner.finish_and_clear();
        print_report(&options, &report)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn print_report(options: &ImportOptions, report: &ImportReport) -> anyhow::Result<()> {
    super::print(format_args!(
        "{}: {} weights, {} words, backbone {}",
        options.output.display(),
        report.parameters,
        report.config.vocab_size,
        report.config.backbone.name()
    ))?;
    super::print(format_args!("largest rounding of a weight: {:.1e}", report.largest_rounding))?;
    by_last_word(&report.unused).into_iter().try_for_each(|(kind, count)| {
        super::print(format_args!("left out, as the model computes or does not need it: {kind} ({count})"))
    })
}

/// Names by what they end in, which is what they are, with how many there are of each.
fn by_last_word(names: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        let last = name.rsplit('.').next().unwrap_or(name);
        let kind = if ["weight", "bias"].contains(&last) { name } else { last };
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tensors_of_a_kind_are_one_line() {
        let names = ["a.0.attn_mask", "a.1.attn_mask", "head.weight"].map(String::from);
        assert_eq!(by_last_word(&names).into_iter().collect::<Vec<_>>(), [("attn_mask", 2), ("head.weight", 1)]);
    }
}
