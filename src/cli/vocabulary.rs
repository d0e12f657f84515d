//! `expansionnet vocabulary`: the words that a dataset's training captions teach.

use anyhow::bail;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use trainer::data::vocabulary_builder::MIN_OCCURRENCES;
use trainer::data::{Dataset, build_vocabulary};

/// Make the vocabulary of a dataset's training captions
///
/// Reads a dataset in Karpathy's layout and writes vocab.json: the words of the splits train and
/// restval that occur often enough, sorted. The published COCO models were trained with this list.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MakeVocabulary {
    /// The dataset: dataset_coco.json or another in Karpathy's layout
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,

    /// The vocabulary to write; in a folder, its vocab.json
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Leave out words that occur less often
    #[arg(long, value_name = "COUNT", default_value_t = MIN_OCCURRENCES)]
    min_occurrences: usize,

    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// What stands in every vocabulary beside the words of captions.
const SPECIAL: [&str; 4] = ["PAD", "SOS", "EOS", "UNK"];

const EXAMPLES: &str = "\
Examples:
  expansionnet vocabulary --dataset dataset_coco.json --output vocab.json
  expansionnet vocabulary --dataset dataset_flickr8k.json --output models/mine/";

impl MakeVocabulary {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.min_occurrences == 0 {
            bail!("--min-occurrences must be 1 or more");
        }
        let output = match self.output.is_dir() {
            true => self.output.join("vocab.json"),
            false => self.output,
        };
        if output.exists() && !self.force {
            bail!("{} exists (--force replaces it)", output.display());
        }
        let dataset = Dataset::read(&self.dataset)?;
        let built = build_vocabulary(dataset.training_captions(), self.min_occurrences)?;
        super::write_whole(&output, &built.vocabulary.to_json()?)?;
        let words = built.vocabulary.len();
        super::print(format_args!(
            "{}: {words} words: {} of the {} that {} training images have, and {}",
            output.display(),
            words - SPECIAL.len(),
            built.distinct_words,
            dataset.train.len(),
            SPECIAL.join(", ")
        ))?;
        super::print(format_args!(
            "longest caption: {} words with SOS and EOS; max_length for a model: {}",
            built.longest_caption,
            built.max_length()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
