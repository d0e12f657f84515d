//! Metrics against pycocoevalcap and the original, on captions written for this fixture.
//!
//! `fixtures/metrics/captions.json` holds the captions and what the two made of them;
//! `meteor_dialogue.txt` what pycocoevalcap asked METEOR's program and what that answered.

mod support;

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Case, assert_reward, assert_scores, assert_tokens, cases};
use trainer::metrics::java::meteor;
use trainer::metrics::{Jars, Unavailable, evaluate};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics").join(name)
}

fn expected() -> Value {
    let text = fs::read(fixture("captions.json")).expect("the fixture is there");
    serde_json::from_slice(&text).expect("the fixture parses")
}

fn own_cases(expected: &Value) -> Vec<Case> {
    cases(expected["captions"].as_array().expect("a list"))
}

#[test]
fn tokens_are_those_of_the_java_tokenizer() {
    let expected = expected();
    let tokenized = expected["captions"].as_array().expect("a list").iter().map(|caption| &caption["tokenized"]);
    assert_tokens(&own_cases(&expected), &tokenized.map(support::tokens_of).collect::<Vec<_>>());
}

#[test]
fn bleu_rouge_and_cider_are_those_of_pycocoevalcap() {
    let expected = expected();
    let report = support::report(&own_cases(&expected));
    for metric in ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"] {
        let scores = report.scores(metric).expect("computed here");
        assert_scores(metric, scores, &expected["scores"][metric], 1e-6);
        let interval = scores.interval.expect("there are resamples");
        assert!(interval.low < scores.corpus && scores.corpus < interval.high, "{metric}: {interval:?}");
    }
}

#[test]
fn rewards_baselines_and_loss_are_those_of_the_original() {
    let expected = expected();
    let references = own_cases(&expected).into_iter().map(|case| case.references).collect::<Vec<_>>();
    assert_reward(&references, &expected["self_critical"]);
}

/// Replays a recorded conversation; a question out of line ends it.
const REPLAY: &str = r#"#!/bin/sh
exec 3< "$(dirname "$0")/dialogue.txt"
while IFS= read -r question; do
    IFS= read -r expected <&3
    [ "> $question" = "$expected" ] || { echo "expected $expected" >&2; exit 1; }
    while IFS= read -r answer <&3 && [ "$answer" != . ]; do
        printf '%s\n' "${answer#< }"
    done
done
"#;

#[test]
fn meteor_is_asked_what_pycocoevalcap_asks_and_gives_its_scores() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir_all(folder.path().join("meteor/data")).expect("writable");
    fs::write(folder.path().join(meteor::JAR), "").expect("writable");
    fs::write(folder.path().join("meteor/data/paraphrase-en.gz"), "").expect("writable");
    fs::copy(fixture("meteor_dialogue.txt"), folder.path().join("dialogue.txt")).expect("readable");
    let java = folder.path().join("java");
    fs::write(&java, REPLAY).expect("writable");
    fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).expect("ours");
    let jars = Jars { folder: folder.path().to_owned(), java, timeout: Duration::from_secs(60) };

    let expected = expected();
    let cases = own_cases(&expected);
    let report = evaluate(&support::candidates(&cases), &support::settings(Some(jars))).expect("all have references");
    assert_scores("METEOR", report.scores("METEOR").expect("it answered"), &expected["scores"]["METEOR"], 1e-12);
    let spice = &report.lines.iter().find(|(name, _)| *name == "SPICE").expect("has a line").1;
    assert!(matches!(spice, Err(Unavailable::MissingFile { file }) if file == "spice/spice-1.0.jar"), "{spice:?}");
}
