//! Metrics and rewards, beside pycocoevalcap where it is installed: `cargo xtask bench metrics`.
//!
//! The reference needs `pip install pycocoevalcap` and Java; PYTHON names another `python3` that has it.

mod support;

use serde_json::json;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use support::{Alternative, compare};
use trainer::metrics::report::bleu_scores;
use trainer::metrics::{Bootstrap, Candidate, CiderReward, Corpus, tokenize_all};

const IMAGES: usize = 1000;
const BATCH: usize = 24;
const SAMPLES: usize = 5;

struct Case {
    candidate: String,
    references: Vec<String>,
}

fn main() {
    let cases = cases();
    let training: Vec<Vec<String>> = cases.iter().map(|case| case.references.clone()).collect();
    let images: Vec<usize> = (0..BATCH).collect();
    let sampled: Vec<Vec<Vec<&str>>> = images.iter().map(|&image| sample(&training[image])).collect();
    let reward = CiderReward::new(&training, "EOS").expect("all have captions");
    let mut reference = Reference::start(&cases, &training, &images, &sampled);

    let ours = || Alternative { name: "this library", run: Box::new(|| metrics(&cases)) };
    let title = format!("tokenising, BLEU, ROUGE-L, CIDEr-D of {IMAGES} captions with 4 references");
    match reference.as_mut() {
        Some(reference) => {
            let theirs = Alternative { name: "pycocoevalcap and Java", run: Box::new(|| reference.ask("metrics")) };
            compare(&title, 5, vec![theirs, ours()]);
        }
        None => compare(&title, 21, vec![ours()]),
    }
    let score = || drop(reward.rewards(&images, &sampled).expect("the images are there"));
    // A batch takes less than a tenth of a millisecond, which is what is printed: hence a hundred.
    let ours = Alternative { name: "this library", run: Box::new(|| (0..100).for_each(|_| score())) };
    let title = format!("100 rewards of {BATCH} x {SAMPLES} captions");
    match reference.as_mut() {
        Some(reference) => {
            let run = Box::new(|| (0..100).for_each(|_| reference.ask("reward")));
            compare(&title, 3, vec![Alternative { name: "pycocoevalcap", run }, ours]);
        }
        None => compare(&title, 21, vec![ours]),
    }
}

/// The whole evaluation but for confidence intervals, which the reference has not.
fn metrics(cases: &[Case]) {
    let candidates: Vec<Candidate> =
        cases.iter().map(|case| Candidate { caption: &case.candidate, references: &case.references }).collect();
    let tokenized = tokenize_all(&candidates).expect("all have references");
    let corpus = Corpus::new(&tokenized);
    let bleu = bleu_scores(&corpus.bleu(), &Bootstrap { resamples: 0, seed: 0 });
    std::hint::black_box((bleu, corpus.rouge_l(), corpus.cider_d()));
}

/// A thousand captions, those of the tests' fixture again and again, each time with another number
/// in place of the first word, so that no two are the same.
fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics/captions.json");
    let fixture: serde_json::Value =
        serde_json::from_slice(&fs::read(path).expect("the fixture is there")).expect("it parses");
    let entries = fixture["captions"].as_array().expect("a list");
    let text = |value: &serde_json::Value, number: usize| {
        let caption = value.as_str().expect("a text");
        format!("{number} {}", caption.split_once(' ').map_or("", |(_, rest)| rest))
    };
    let case = |number: usize| {
        let entry = &entries[number % entries.len()];
        let references = entry["references"].as_array().expect("a list").iter();
        Case {
            candidate: text(&entry["candidate"], number),
            references: references.map(|reference| text(reference, number)).collect(),
        }
    };
    (0..IMAGES).map(case).collect()
}

/// Five captions of an image: words of a reference, and of the next.
fn sample(references: &[String]) -> Vec<Vec<&str>> {
    let words = |place: usize| references[place % references.len()].split(' ');
    (0..SAMPLES).map(|place| words(place).take(6).chain(words(place + 1).skip(3)).chain(["EOS"]).collect()).collect()
}

/// The Python process, which keeps running.
struct Reference {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _captions: tempfile::NamedTempFile,
}

impl Reference {
    /// Starts it, or says why there is none.
    fn start(cases: &[Case], training: &[Vec<String>], images: &[usize], sampled: &[Vec<Vec<&str>>]) -> Option<Self> {
        let captions: Vec<_> =
            cases.iter().map(|case| json!({"candidate": case.candidate, "references": case.references})).collect();
        let sampled: Vec<Vec<String>> =
            sampled.iter().map(|captions| captions.iter().map(|words| words.join(" ")).collect()).collect();
        let data = json!({"captions": captions, "training": training, "images": images, "sampled": sampled});
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(data.to_string().as_bytes()).expect("writable");

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/reference_metrics.py");
        let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        let mut command = Command::new(python);
        command.arg(script).arg(file.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let input = child.stdin.take().expect("is piped");
        let output = BufReader::new(child.stdout.take().expect("is piped"));
        let mut reference = Reference { child, input, output, _captions: file };
        if reference.answer() != "ready" {
            println!("without the reference: pip install pycocoevalcap, and Java, to have it beside");
            return None;
        }
        Some(reference)
    }

    fn ask(&mut self, what: &str) {
        writeln!(self.input, "{what}").expect("it listens");
        assert!(!self.answer().is_empty(), "the reference failed");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("readable");
        line.trim().to_owned()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
