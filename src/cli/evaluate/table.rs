//! The table in the terminal and on the page: every metric beside the paper's figures.

use std::fmt;
use trainer::metrics::{Artefacts, Interval, PAPER, Report, Scores};

/// What the columns of [`PAPER`] are of.
const PAPER_COLUMNS: [&str; 2] = ["paper, single", "paper, ensemble"];

/// Fewer images than this have too few references to tell common words from rare ones.
const ENOUGH_FOR_CIDER: usize = 500;

/// Figures times a hundred, as the papers quote them, in columns.
pub(super) struct Table {
    /// What was judged.
    pub(super) title: String,
    /// The first is the metric.
    pub(super) header: Vec<String>,
    /// A metric each.
    pub(super) rows: Vec<Vec<String>>,
    /// What is to be known of the figures.
    pub(super) notes: Vec<String>,
}

impl Table {
    /// Reports of the same images in a column each.
    pub(super) fn new(what: &str, reports: &[(String, &Report)]) -> Table {
        let mut table = Table { title: what.to_owned(), header: vec![], rows: vec![], notes: vec![] };
        let Some((_, first)) = reports.first() else { return table };
        table.title = format!("{what}: {} images", first.images);
        table.header.push(String::new());
        table.header.extend(reports.iter().map(|(name, _)| name.clone()));
        table.header.extend(PAPER_COLUMNS.map(String::from));
        table.rows = first.lines.iter().map(|(metric, _)| row(metric, reports)).collect();
        table.notes = notes(first);
        table.notes.extend(reports.iter().map(|(name, report)| faults(name, report)));
        table
    }
}

fn row(metric: &str, reports: &[(String, &Report)]) -> Vec<String> {
    let ours = reports.iter().map(|(_, report)| report.scores(metric).map_or("unavailable".to_owned(), cell));
    let paper = PAPER.iter().find(|(name, _)| *name == metric);
    let paper = (0..PAPER_COLUMNS.len())
        .map(|column| paper.map_or("-".to_owned(), |(_, all)| format!("{:.1}", 100.0 * all[column])));
    [metric.to_owned()].into_iter().chain(ours).chain(paper).collect()
}

fn cell(scores: &Scores) -> String {
    let corpus = 100.0 * scores.corpus;
    match scores.interval {
        Some(Interval { low, high }) => format!("{corpus:.1} [{:.1}, {:.1}]", 100.0 * low, 100.0 * high),
        None => format!("{corpus:.1}"),
    }
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes = vec![
        "In brackets: 95 % confidence interval (bootstrap over images; METEOR has none).".to_owned(),
        "Paper: ExpansionNet v2 with Swin-L on COCO's Karpathy test split, 5,000 images, beam 5; figures of other \
         images or captions do not compare with it."
            .to_owned(),
    ];
    notes.extend(warning(report));
    let missing = report.lines.iter().filter_map(|(metric, scores)| Some((metric, scores.as_ref().err()?)));
    notes.extend(missing.map(|(metric, why)| format!("{metric} is unavailable: {why}.")));
    notes
}

/// What no metric shows.
fn faults(name: &str, report: &Report) -> String {
    let Artefacts { unfinished, repeated } = report.artefacts;
    format!(
        "Faults, {name}: {unfinished} captions break off (after \"a\", \"of\" and the like), {repeated} repeat words."
    )
}

/// Where the set is too small.
pub(super) fn warning(report: &Report) -> Option<String> {
    (report.images < ENOUGH_FOR_CIDER).then(|| {
        format!(
            "Warning: CIDEr-D takes from the references how rare a word is. {} images are too few for that to mean \
             much (fewer than {ENOUGH_FOR_CIDER}): compare it only with figures of the very same images.",
            report.images
        )
    })
}

impl fmt::Display for Table {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        writeln!(to, "{}\n", self.title)?;
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| lines().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        for line in lines() {
            let cells = line.iter().zip(&widths).skip(1).map(|(cell, width)| format!("  {cell:>width$}"));
            writeln!(to, "{:<width$}{}", line[0], cells.collect::<String>(), width = widths[0])?;
        }
        writeln!(to)?;
        self.notes.iter().try_for_each(|note| writeln!(to, "{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainer::metrics::Unavailable;

    fn report(images: usize) -> Report {
        let scores = |corpus: f64, interval| Ok(Scores { corpus, interval, per_image: vec![corpus; images] });
        Report {
            images,
            lines: vec![
                ("BLEU-2", scores(0.5, None)),
                ("CIDEr-D", scores(1.25, Some(Interval { low: 1.0, high: 1.5 }))),
                ("SPICE", Err(Unavailable::NoJars)),
            ],
            artefacts: Artefacts { unfinished: 2, repeated: 1 },
        }
    }

    #[test]
    fn figures_stand_in_columns_beside_the_papers_and_none_is_made_up() {
        let report = report(600);
        let text = Table::new("test", &[("beam 1".into(), &report), ("beam 5".into(), &report)]).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "test: 600 images");
        assert_eq!(lines[2], "                       beam 1                beam 5  paper, single  paper, ensemble");
        assert_eq!(lines[3], "BLEU-2                   50.0                  50.0              -                -");
        assert_eq!(lines[4], "CIDEr-D  125.0 [100.0, 150.0]  125.0 [100.0, 150.0]          140.4            143.7");
        assert_eq!(lines[5], "SPICE             unavailable           unavailable           24.5             24.7");
        assert!(
            text.contains("Faults, beam 5: 2 captions break off")
                && text.contains("SPICE is unavailable: its Java program was not asked for.")
                && !text.contains("Warning")
        );
    }

    #[test]
    fn small_sets_are_warned_of() {
        assert_eq!(warning(&report(500)), None);
        assert!(warning(&report(499)).expect("too few").contains("499 images are too few"));
    }
}
