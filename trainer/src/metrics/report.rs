//! All metrics of a set of captions, in the order and units of the published tables.

use super::corpus::CorpusError;
use super::java::{Unavailable, meteor, spice};
use super::ngrams::MAX_ORDER;
use super::{
    Artefacts, BleuStatistics, Bootstrap, Candidate, Corpus, Interval, Jars, TokenizedCandidate, tokenize_all,
};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;

/// What to compute.
#[derive(Clone, Debug, Default)]
pub struct EvaluationSettings {
    /// Confidence intervals.
    pub bootstrap: Bootstrap,
    /// Where METEOR and SPICE are; without, they are reported as unavailable.
    pub jars: Option<Jars>,
}

/// One metric of a set of captions.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Scores {
    /// The figure that is quoted: the mean over images for ROUGE-L, CIDEr-D and SPICE, but computed
    /// from the counts of all images for BLEU and METEOR.
    pub corpus: f64,
    /// 95 % confidence interval of it. METEOR has none, since its figure is no mean over images.
    pub interval: Option<Interval>,
    /// The score of each image.
    pub per_image: Vec<f64>,
}

/// One line of a report: a metric's name, and its scores or why there are none.
pub type Line = (&'static str, Result<Scores, Unavailable>);

/// Every metric, in the order of the published tables.
#[derive(Debug)]
pub struct Report {
    /// Images judged.
    pub images: usize,
    /// BLEU-1 to BLEU-4, METEOR, ROUGE-L, CIDEr-D, SPICE.
    pub lines: Vec<Line>,
    /// Faults that these metrics do not show.
    pub artefacts: Artefacts,
}

/// Judges captions by every metric.
///
/// # Errors
/// When there are no captions or one has no references. A metric whose program is missing is no error:
/// the report says why it has no figure.
pub fn evaluate(candidates: &[Candidate], settings: &EvaluationSettings) -> Result<Report, CorpusError> {
    let tokenized = tokenize_all(candidates)?;
    let corpus = Corpus::new(&tokenized);
    let bootstrap = &settings.bootstrap;
    let mean = |per_image: Vec<f64>| mean_scores(per_image, bootstrap);
    let mut lines: Vec<Line> = Vec::with_capacity(8);
    let bleu = bleu_scores(&corpus.bleu(), bootstrap);
    lines.extend(["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"].into_iter().zip(bleu.map(Ok)));
    lines.push(("METEOR", by_jar(settings, &tokenized, meteor::scores)));
    lines.push(("ROUGE-L", Ok(mean(corpus.rouge_l()))));
    lines.push(("CIDEr-D", Ok(mean(corpus.cider_d()))));
    lines.push(("SPICE", by_jar(settings, &tokenized, spice::scores).map(mean)));
    let artefacts = Artefacts::of(tokenized.iter().map(|candidate| candidate.caption.as_str()));
    Ok(Report { images: candidates.len(), lines, artefacts })
}

fn by_jar<T>(
    settings: &EvaluationSettings,
    candidates: &[TokenizedCandidate],
    scores: impl Fn(&Jars, &[TokenizedCandidate]) -> Result<T, Unavailable>,
) -> Result<T, Unavailable> {
    let jars = settings.jars.as_ref().ok_or(Unavailable::NoJars)?;
    scores(jars, candidates)
}

/// BLEU of the corpus and of each image.
pub fn bleu_scores(statistics: &[BleuStatistics], bootstrap: &Bootstrap) -> [Scores; MAX_ORDER] {
    let sum = |places: &mut dyn Iterator<Item = usize>| {
        let mut sum = BleuStatistics::default();
        places.for_each(|place| sum += &statistics[place]);
        sum.scores()
    };
    let corpus = sum(&mut (0..statistics.len()));
    let intervals = bootstrap.intervals(statistics.len(), |drawn| sum(&mut drawn.iter().copied()));
    let per_image: Vec<[f64; MAX_ORDER]> = statistics.iter().map(BleuStatistics::scores).collect();
    std::array::from_fn(|order| Scores {
        corpus: corpus[order],
        interval: intervals.map(|intervals| intervals[order]),
        per_image: per_image.iter().map(|scores| scores[order]).collect(),
    })
}

fn mean_scores(per_image: Vec<f64>, bootstrap: &Bootstrap) -> Scores {
    let corpus = per_image.iter().sum::<f64>() / per_image.len() as f64;
    Scores { corpus, interval: bootstrap.of_mean(&per_image), per_image }
}

impl Report {
    /// The scores of a metric, if it could be computed.
    pub fn scores(&self, metric: &str) -> Option<&Scores> {
        self.lines.iter().find(|(name, _)| *name == metric).and_then(|(_, scores)| scores.as_ref().ok())
    }

    /// The figures that are quoted, by the names of their metrics.
    pub fn figures(&self) -> BTreeMap<String, f64> {
        let computed = self.lines.iter().filter_map(|(name, scores)| Some((*name, scores.as_ref().ok()?.corpus)));
        computed.map(|(name, figure)| (name.to_owned(), figure)).collect()
    }
}

/// `{"images": 2, "artefacts": {"unfinished": 0, …}, "BLEU-1": {"corpus": …}, "SPICE": {"unavailable": "…"}}`
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + self.lines.len()))?;
        map.serialize_entry("images", &self.images)?;
        map.serialize_entry("artefacts", &self.artefacts)?;
        for (name, scores) in &self.lines {
            match scores {
                Ok(scores) => map.serialize_entry(name, scores)?,
                Err(why) => map.serialize_entry(name, &serde_json::json!({ "unavailable": why.to_string() }))?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let references = [vec!["A dog runs.".to_owned()], vec!["Two cats sleep on a bed.".to_owned()]];
        let captions = ["a dog runs", "a cat on a bed"];
        let candidates: Vec<Candidate> =
            captions.iter().zip(&references).map(|(caption, references)| Candidate { caption, references }).collect();
        evaluate(&candidates, &EvaluationSettings::default()).expect("every caption has references")
    }

    #[test]
    fn every_metric_has_a_line_and_none_a_made_up_figure() {
        let names: Vec<&str> = report().lines.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D", "SPICE"]);
        let json = serde_json::to_value(report()).expect("serialises");
        for metric in ["METEOR", "SPICE"] {
            assert!(json[metric]["unavailable"].is_string() && json[metric]["corpus"].is_null(), "{json}");
        }
    }

    #[test]
    fn corpus_bleu_is_of_summed_counts_and_lies_in_its_interval() {
        let report = report();
        let bleu = report.scores("BLEU-1").expect("computed here");
        // 6 of 8 words match (a dog runs, on a bed); 9 words in the references.
        assert!((bleu.corpus - 0.75 * (1.0f64 - 9.0 / 8.0).exp()).abs() < 1e-8, "{}", bleu.corpus);
        let interval = bleu.interval.expect("there are resamples");
        assert!(interval.low <= bleu.corpus && bleu.corpus <= interval.high);
    }
}
