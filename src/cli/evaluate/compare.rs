//! Two evaluations held against each other, image by image: how far the second is from the first, and how sure that is.

use super::cases::{Id, read_json};
use super::table::Table;
use anyhow::bail;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use trainer::metrics::{Bootstrap, Interval};

/// The metrics that are means over images; the others are counted over all images together.
const MEANS: [&str; 3] = ["ROUGE-L", "CIDEr-D", "SPICE"];

/// The figures of an evaluation.
const REPORT: &str = "report.json";
/// The scores of single images, beside it.
const PREDICTIONS: &str = "predictions.json";

/// A line of predictions.json.
#[derive(Deserialize)]
struct Prediction {
    split: String,
    beam_size: usize,
    id: Id,
    references: Vec<String>,
    scores: HashMap<String, Option<f64>>,
}

/// A split, and the number of beams.
type Search = (String, usize);

/// What an evaluation has, search by search, in the order of the images.
type Searches = BTreeMap<Search, Vec<Prediction>>;

/// An image by both.
type Pair<'a> = (&'a Prediction, &'a Prediction);

/// Two searches on the same split.
#[derive(Serialize)]
struct Comparison {
    split: String,
    beam_sizes: [usize; 2],
    /// That both have.
    images: usize,
    /// That each has.
    of_images: [usize; 2],
    metrics: BTreeMap<&'static str, Difference>,
}

/// A metric of the images that both have.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    first: f64,
    second: f64,
    /// The second less the first.
    difference: f64,
    /// 95 % confidence interval of the difference.
    interval: Option<Interval>,
}

/// Prints how far the second evaluation is from the first.
pub(super) fn run(first: &Path, second: &Path, json: bool) -> anyhow::Result<()> {
    let (ours, theirs) = (read(first)?, read(second)?);
    let compared = pairs(&ours, &theirs).into_iter();
    let compared =
        compared.map(|(one, other)| Comparison::of((one, ours[one].as_slice()), (other, theirs[other].as_slice())));
    let compared = compared.collect::<anyhow::Result<Vec<Comparison>>>()?;
    if compared.is_empty() {
        bail!("{} and {} have no split and number of beams in common", first.display(), second.display());
    }
    let table = |comparison: &Comparison| comparison.table(first, second).to_string();
    super::print(&match json {
        true => serde_json::to_string_pretty(&compared)?,
        false => compared.iter().map(table).collect::<Vec<_>>().join("\n"),
    })
}

/// Reads what lies beside a report, or in the folder of one.
fn read(report: &Path) -> anyhow::Result<Searches> {
    let folder = match report.file_name() {
        _ if report.is_dir() => report,
        Some(name) if name == REPORT && report.is_file() => report.parent().unwrap_or(Path::new("")),
        _ => bail!("{} is no {REPORT} of an evaluation, nor its folder", report.display()),
    };
    let mut searches = Searches::new();
    for prediction in read_json::<Vec<Prediction>>(&folder.join(PREDICTIONS))? {
        searches.entry((prediction.split.clone(), prediction.beam_size)).or_default().push(prediction);
    }
    Ok(searches)
}

/// The searches to hold against each other: those with as many beams, or the only ones of a split.
fn pairs<'a>(ours: &'a Searches, theirs: &'a Searches) -> Vec<(&'a Search, &'a Search)> {
    let splits: BTreeSet<&str> = ours.keys().map(|(split, _)| split.as_str()).collect();
    let mut pairs = Vec::new();
    for split in splits {
        let of_split = |searches: &'a Searches| searches.keys().filter(|(of, _)| of == split).collect::<Vec<_>>();
        match (of_split(ours).as_slice(), of_split(theirs).as_slice()) {
            ([one], [other]) => pairs.push((*one, *other)),
            (ours, theirs) => pairs.extend(ours.iter().filter(|one| theirs.contains(one)).map(|one| (*one, *one))),
        }
    }
    pairs
}

impl Comparison {
    fn of(
        ((split, beams), ours): (&Search, &[Prediction]),
        ((_, their_beams), theirs): (&Search, &[Prediction]),
    ) -> anyhow::Result<Self> {
        let by_id: HashMap<&Id, &Prediction> = theirs.iter().map(|prediction| (&prediction.id, prediction)).collect();
        let both = ours.iter().filter_map(|one| Some((one, *by_id.get(&one.id)?)));
        let both: Vec<Pair> = both.collect();
        if both.is_empty() {
            bail!("no image of the split {split} is in both evaluations");
        }
        if let Some((one, _)) = both.iter().find(|(one, other)| one.references != other.references) {
            bail!("the image {} has other references in the second evaluation: they are of different datasets", one.id);
        }
        let metrics = MEANS.into_iter().filter_map(|metric| Some((metric, Difference::of(metric, &both)?)));
        Ok(Comparison {
            split: split.clone(),
            beam_sizes: [*beams, *their_beams],
            images: both.len(),
            of_images: [ours.len(), theirs.len()],
            metrics: metrics.collect(),
        })
    }

    /// Times a hundred, as in the reports.
    fn table(&self, first: &Path, second: &Path) -> Table {
        let [ours, theirs] = self.of_images;
        let column = |report: &Path, beams: usize| format!("{}, beam {beams}", report.display());
        let row = |(metric, difference): (&&str, &Difference)| {
            let Difference { first, second, .. } = difference;
            vec![
                (*metric).to_owned(),
                format!("{:.1}", 100.0 * first),
                format!("{:.1}", 100.0 * second),
                difference.cell(),
            ]
        };
        Table {
            title: format!("{} split: {} images that both have, of {ours} and {theirs}", self.split, self.images),
            header: vec![
                String::new(),
                column(first, self.beam_sizes[0]),
                column(second, self.beam_sizes[1]),
                "difference".to_owned(),
            ],
            rows: self.metrics.iter().map(row).collect(),
            notes: self.notes(),
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "Difference: the second less the first, with its 95 % confidence interval (paired bootstrap over these \
             images). Where 0 lies within it, it may be chance."
                .to_owned(),
            "BLEU and METEOR are counted over all images together, are no means of the images' scores, and so are not \
             compared."
                .to_owned(),
        ];
        let missing = MEANS.into_iter().filter(|metric| !self.metrics.contains_key(*metric));
        notes.extend(missing.map(|metric| format!("{metric} is not in both evaluations.")));
        if self.of_images != [self.images; 2] {
            notes.push(
                "Warning: CIDEr-D takes from all images of an evaluation how rare a word is, and these two are of \
                 different images: evaluate both on the same ones."
                    .to_owned(),
            );
        }
        notes
    }
}

impl Difference {
    /// None unless both have the metric for every image.
    fn of(metric: &str, both: &[Pair]) -> Option<Self> {
        let score = |prediction: &Prediction| prediction.scores.get(metric).copied().flatten();
        let scores = both.iter().map(|(one, other)| Some((score(one)?, score(other)?)));
        let (first, second): (Vec<f64>, Vec<f64>) = scores.collect::<Option<Vec<_>>>()?.into_iter().unzip();
        let differences: Vec<f64> = first.iter().zip(&second).map(|(first, second)| second - first).collect();
        Some(Difference {
            first: mean(&first),
            second: mean(&second),
            difference: mean(&differences),
            interval: Bootstrap::default().of_mean(&differences),
        })
    }

    fn cell(&self) -> String {
        let difference = 100.0 * self.difference;
        match self.interval {
            Some(Interval { low, high }) => format!("{difference:+.1} [{:+.1}, {:+.1}]", 100.0 * low, 100.0 * high),
            None => format!("{difference:+.1}"),
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images numbered from 0, with these scores by CIDEr-D.
    fn searches(split: &str, beams: &[usize], scores: &[f64]) -> Searches {
        let prediction = |beam_size, id: usize, score: f64| Prediction {
            split: split.to_owned(),
            beam_size,
            id: Id::Number(id as i64),
            references: vec!["A dog.".to_owned()],
            scores: HashMap::from([("CIDEr-D".to_owned(), Some(score)), ("SPICE".to_owned(), None)]),
        };
        let of = |&beams: &usize| {
            let predictions = scores.iter().enumerate().map(|(id, score)| prediction(beams, id, *score));
            ((split.to_owned(), beams), predictions.collect::<Vec<_>>())
        };
        beams.iter().map(of).collect()
    }

    fn compared(ours: &Searches, theirs: &Searches) -> Vec<Comparison> {
        let pairs = pairs(ours, theirs).into_iter();
        let of = |(one, other): (&Search, &Search)| Comparison::of((one, &ours[one]), (other, &theirs[other]));
        pairs.map(|pair| of(pair).expect("can be compared")).collect()
    }

    #[test]
    fn the_difference_is_surer_than_either_figure() {
        // Images differ widely, the two evaluations by 0.1 on each of them.
        let scores: Vec<f64> = (0..100).map(|image| f64::from(image % 10)).collect();
        let better: Vec<f64> = scores.iter().map(|score| score + 0.1).collect();
        let comparisons = compared(&searches("val", &[5], &scores), &searches("val", &[5], &better));
        let metrics = &comparisons[0].metrics;
        assert_eq!((comparisons[0].images, metrics.len()), (100, 1), "SPICE has no scores");
        let Difference { first, second, difference, interval } = &metrics["CIDEr-D"];
        let interval = interval.expect("there are resamples");
        for (ours, expected) in
            [(*first, 4.5), (*second, 4.6), (*difference, 0.1), (interval.low, 0.1), (interval.high, 0.1)]
        {
            assert!((ours - expected).abs() < 1e-9, "{ours} instead of {expected}");
        }
        let table = comparisons[0].table(Path::new("a"), Path::new("b")).to_string();
        assert!(table.contains("CIDEr-D      450.0      460.0  +10.0 [+10.0, +10.0]"), "{table}");
        assert!(table.contains("BLEU and METEOR are counted over all images together"), "{table}");
        assert!(table.contains("SPICE is not in both evaluations.") && !table.contains("Warning"), "{table}");
    }

    #[test]
    fn only_what_both_have_is_compared() {
        let ours = searches("val", &[1, 5], &[1., 2., 3.]);
        let comparisons = compared(&ours, &searches("val", &[3, 5], &[2., 3.]));
        assert_eq!((comparisons.len(), comparisons[0].beam_sizes, comparisons[0].of_images), (1, [5, 5], [3, 2]));
        assert!(comparisons[0].notes().iter().any(|note| note.starts_with("Warning: CIDEr-D")));
        assert_eq!(comparisons[0].metrics["CIDEr-D"].difference, 1.);
        // The only search of a split goes with the only one of the other.
        let only = compared(&searches("val", &[3], &[1.]), &searches("val", &[5], &[1.]));
        assert_eq!(only[0].beam_sizes, [3, 5]);
        assert!(pairs(&ours, &searches("test", &[5], &[1.])).is_empty());

        let mut others = searches("val", &[5], &[1., 2., 3.]);
        others.values_mut().for_each(|predictions| predictions[1].references.push("Dogs.".to_owned()));
        let search = ("val".to_owned(), 5);
        let error = Comparison::of((&search, &ours[&search]), (&search, &others[&search])).err().expect("differ");
        assert!(error.to_string().starts_with("the image 1 has other references"), "{error}");
    }
}
