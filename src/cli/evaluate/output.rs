//! The files of an evaluation: report.json, predictions.json, the COCO server's, and report.html.

use super::cases::{Case, Id};
use super::page;
use super::table::{Table, warning};
use crate::cli::write_whole;
use anyhow::Context;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use trainer::captioner::ModelInfo;
use trainer::data::Split;
use trainer::image::Limits;
use trainer::metrics::Report;

/// A model on a dataset; serialises to report.json.
#[derive(Serialize)]
pub(super) struct Evaluation<'a> {
    pub(super) model: &'a ModelInfo,
    #[serde(serialize_with = "file_name")]
    pub(super) dataset: &'a Path,
    /// SHA-256 (hex) of the dataset's file.
    pub(super) dataset_hash: String,
    /// Images were only taken with these values of `filepath`; none: all were.
    pub(super) filepath: &'a [String],
    /// Longest caption in tokens.
    pub(super) max_length: usize,
    /// Whether captions that say a thing twice gave way to others.
    pub(super) unrepeated_first: bool,
    /// Splits in order, and for each of them the numbers of beams in order.
    pub(super) outcomes: Vec<Outcome>,
}

/// One split by one search.
pub(super) struct Outcome {
    pub(super) split: Split,
    pub(super) beam_size: usize,
    pub(super) cases: Vec<Case>,
    /// Of the cases, in their order.
    pub(super) report: Report,
}

/// Image files by the images' numbers.
pub(super) type Photos = HashMap<i64, PathBuf>;

/// A line of the COCO server's file.
#[derive(Serialize)]
struct CocoResult<'a> {
    image_id: &'a Id,
    caption: &'a str,
}

/// Writes every file, each beside its place and then renamed.
pub(super) fn write(folder: &Path, evaluation: &Evaluation, photos: &Photos, limits: &Limits) -> anyhow::Result<()> {
    remove_stale(folder, &evaluation.outcomes)?;
    for outcome in &evaluation.outcomes {
        let results = outcome.cases.iter();
        let results: Vec<_> = results.map(|case| CocoResult { image_id: &case.id, caption: &case.candidate }).collect();
        write_whole(&folder.join(outcome.results_file()), &serde_json::to_vec(&results)?)?;
    }
    let predictions: Vec<Value> = evaluation.outcomes.iter().flat_map(Outcome::predictions).collect();
    write_whole(&folder.join("predictions.json"), &serde_json::to_vec_pretty(&predictions)?)?;
    write_whole(&folder.join("report.json"), &serde_json::to_vec_pretty(evaluation)?)?;
    write_whole(&folder.join("report.html"), page::render(evaluation, photos, limits)?.as_bytes())
}

/// Removes the COCO server's files of an evaluation before this one that had other beams or splits: they would stand
/// beside a report that knows nothing of them.
fn remove_stale(folder: &Path, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let ours: Vec<String> = outcomes.iter().map(Outcome::results_file).collect();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_results_file(&name) && !ours.contains(&name) {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Whether a file is one for the COCO server, by the name that we give it.
fn is_results_file(name: &str) -> bool {
    let name = name.strip_prefix("captions_").and_then(|name| name.strip_suffix("_results.json"));
    let search = name.and_then(|name| name.split_once("_beam"));
    search.is_some_and(|(split, beams)| ["val", "test"].contains(&split) && beams.parse::<usize>().is_ok())
}

impl Evaluation<'_> {
    /// One a split, with a column for each number of beams.
    pub(super) fn tables(&self) -> Vec<Table> {
        let of_split = |outcomes: &[Outcome]| {
            let columns = outcomes.iter().map(|outcome| (format!("beam {}", outcome.beam_size), &outcome.report));
            let columns: Vec<_> = columns.collect();
            let only =
                if self.filepath.is_empty() { String::new() } else { format!(" ({})", self.filepath.join(", ")) };
            Table::new(&format!("{}, {} split{only}", self.model.id, outcomes[0].split), &columns)
        };
        self.outcomes.chunk_by(|one, other| one.split == other.split).map(of_split).collect()
    }
}

impl Outcome {
    /// For the COCO server.
    fn results_file(&self) -> String {
        format!("captions_{}_beam{}_results.json", self.split, self.beam_size)
    }

    /// `{"split", "beam_size", "id", "candidate", "references", "scores": {"BLEU-1": …}}`
    fn predictions(&self) -> impl Iterator<Item = Value> {
        self.cases.iter().enumerate().map(|(place, case)| {
            json!({
                "split": self.split.to_string(), "beam_size": self.beam_size,
                "id": case.id, "candidate": case.candidate, "references": case.references,
                "scores": self.scores(place),
            })
        })
    }

    /// Every metric's score of one image.
    fn scores(&self, place: usize) -> Map<String, Value> {
        let lines = self.report.lines.iter();
        let scores = lines.filter_map(|(name, scores)| Some((*name, *scores.as_ref().ok()?.per_image.get(place)?)));
        scores.map(|(name, score)| (name.to_owned(), json!(score))).collect()
    }
}

/// `{"split", "beam_size", "images", "artefacts", "warning", "BLEU-1": {"corpus", "interval"}, "SPICE": {"unavailable"}}`
impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("split", &self.split.to_string())?;
        map.serialize_entry("beam_size", &self.beam_size)?;
        map.serialize_entry("images", &self.report.images)?;
        map.serialize_entry("artefacts", &self.report.artefacts)?;
        if let Some(warning) = warning(&self.report) {
            map.serialize_entry("warning", &warning)?;
        }
        for (name, scores) in &self.report.lines {
            match scores {
                Ok(scores) => {
                    map.serialize_entry(name, &json!({ "corpus": scores.corpus, "interval": scores.interval }))?
                }
                Err(why) => map.serialize_entry(name, &json!({ "unavailable": why.to_string() }))?,
            }
        }
        map.end()
    }
}

fn file_name<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_others_have_put_there_are_none_of_ours() {
        assert!(
            is_results_file("captions_val_beam5_results.json") && is_results_file("captions_test_beam10_results.json")
        );
        for name in ["captions_val2014_beam5_results.json", "captions_val_mine_results.json", "captions.jsonl"] {
            assert!(!is_results_file(name), "{name}");
        }
    }
}
