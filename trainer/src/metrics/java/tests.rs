//! The protocols, with shell scripts in the place of Java.

use super::*;
use crate::metrics::TokenizedCandidate;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A folder with empty jars and a `java` that is this script.
struct StandIn {
    folder: TempDir,
    jars: Jars,
}

fn stand_in(script: &str) -> StandIn {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let parser = spice::PARSER;
    for file in [meteor::JAR, "meteor/data/paraphrase-en.gz", spice::JAR, parser[0], parser[1]] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
        fs::write(path, "").expect("writable");
    }
    let java = folder.path().join("java");
    fs::write(&java, format!("#!/bin/sh\n{script}")).expect("writable");
    fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).expect("ours");
    let jars = Jars { folder: folder.path().to_owned(), java, timeout: Duration::from_secs(60) };
    StandIn { folder, jars }
}

fn candidates() -> Vec<TokenizedCandidate> {
    let candidate = |caption: &str, references: &[&str]| TokenizedCandidate {
        caption: caption.to_owned(),
        references: references.iter().map(|&reference| reference.to_owned()).collect(),
    };
    vec![candidate("a dog ||| runs", &["the dog", "dogs"]), candidate("two cats", &["a cat"])]
}

/// Answers every caption with a number of its own, and the evaluation with what it was asked.
const METEOR: &str = r#"
number=0
while read -r line; do
    echo "$line" >> asked
    case "$line" in
        SCORE*) number=$((number + 1)); echo "statistics $number" ;;
        EVAL*) echo 0.25; echo 0.5; echo 0.375 ;;
    esac
done"#;

#[test]
fn meteor_is_asked_for_statistics_and_then_for_scores() {
    let stand_in = stand_in(METEOR);
    let mut meteor = meteor::Meteor::start(&stand_in.jars).expect("starts");
    for _ in 0..2 {
        let scores = meteor.scores(&candidates()).expect("answers");
        assert_eq!((scores.corpus, scores.per_image.as_slice()), (0.375, [0.25, 0.5].as_slice()));
    }
    let asked = fs::read_to_string(stand_in.folder.path().join("meteor/asked")).expect("written");
    let lines: Vec<&str> = asked.lines().collect();
    let first = [
        "SCORE ||| the dog ||| dogs ||| a dog runs",
        "SCORE ||| a cat ||| two cats",
        "EVAL ||| statistics 1 ||| statistics 2",
    ];
    assert_eq!(lines[..3], first);
    assert_eq!(lines[5], "EVAL ||| statistics 3 ||| statistics 4", "the same process answers again");
}

#[test]
fn a_program_that_fails_keeps_silent_or_talks_nonsense_is_no_score() {
    let why = |script: &str, timeout: Duration| {
        let mut stand_in = stand_in(script);
        stand_in.jars.timeout = timeout;
        meteor::scores(&stand_in.jars, &candidates()).expect_err("no figure").to_string()
    };
    let minute = Duration::from_secs(60);
    assert!(why("echo no memory >&2; exit 1", minute).ends_with("ended early: no memory"));
    assert!(why("exec sleep 600", Duration::from_millis(50)).contains("did not answer"));
    assert!(why("exec sleep 600 <&-", Duration::from_millis(50)).contains("did not answer"));
    assert!(why("while read -r line; do echo dog; done", minute).contains("`dog` instead of a figure"));
}

/// Keeps the question and answers the images in another order.
const SPICE: &str = r#"
echo "$JDK_JAVA_OPTIONS" > options
while [ $# -gt 0 ]; do
    case "$1" in
        *input.json) cp "$1" asked ;;
        -out) out=$2 ;;
    esac
    shift
done
echo '[{"image_id": 1, "scores": {"All": {"f": 0.5}}}, {"image_id": 0, "scores": {"All": {"f": FIRST}}}]' > "$out""#;

#[test]
fn a_program_that_does_not_read_is_not_waited_for() {
    let mut stand_in = stand_in("exec sleep 600");
    stand_in.jars.timeout = Duration::from_millis(50);
    let more_than_a_pipe_holds: Vec<_> = candidates().into_iter().cycle().take(10_000).collect();
    let why = meteor::scores(&stand_in.jars, &more_than_a_pipe_holds);
    assert!(matches!(why, Err(Unavailable::TimedOut(_))), "{why:?}");
}

#[test]
fn spice_reads_and_writes_files() {
    let stand_in = stand_in(&SPICE.replace("FIRST", "0.125"));
    assert_eq!(spice::scores(&stand_in.jars, &candidates()).expect("answers"), [0.125, 0.5]);
    let asked = fs::read(stand_in.folder.path().join("spice/asked")).expect("written");
    let asked: serde_json::Value = serde_json::from_slice(&asked).expect("JSON");
    let first = serde_json::json!({ "image_id": 0, "test": "a dog ||| runs", "refs": ["the dog", "dogs"] });
    assert_eq!(asked[0], first);
    let options = fs::read_to_string(stand_in.folder.path().join("spice/options")).expect("written");
    assert!(
        options.contains("--add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.util=ALL-UNNAMED")
    );
}

#[test]
fn spice_without_all_scores_is_no_score() {
    let why = |script: &str| {
        let stand_in = stand_in(script);
        spice::scores(&stand_in.jars, &candidates()).expect_err("no figure").to_string()
    };
    assert!(why(&SPICE.replace("FIRST", "null")).contains("a score of every image"));
    assert!(why("exit 0").contains("wrote no answer"));
    assert!(why("echo broken >&2; exit 3").contains("broken"));
}

#[test]
fn exceptions_are_told_rather_than_the_calls_after_them() {
    let why = |script: &str| {
        let stand_in = stand_in(script);
        spice::scores(&stand_in.jars, &candidates()).expect_err("no figure").to_string()
    };
    let note = "echo 'NOTE: Picked up JDK_JAVA_OPTIONS: --add-opens' >&2\n";
    let trace = "echo 'Exception in thread \"main\" a.B: no' >&2; echo 'Caused by: c.D: closed' >&2
        for call in $(seq 100); do echo '    at e.SomeException.toString(F.java:1)' >&2; done\n";
    let told = why(&format!("{note}{trace}exit 1"));
    assert!(told.ends_with("ended early: Exception in thread \"main\" a.B: no\nCaused by: c.D: closed"), "{told}");
    assert!(why(&format!("{note}exit 1")).ends_with("it gave no reason"));
    assert!(why(&format!("{note}echo broken >&2; exit 1")).ends_with("ended early: broken"));
}

#[test]
fn what_is_missing_is_named() {
    let stand_in = stand_in("exit 1");
    fs::remove_file(stand_in.folder.path().join(spice::PARSER[1])).expect("there");
    let why = spice::scores(&stand_in.jars, &candidates()).expect_err("no figure").to_string();
    assert!(why.contains("stanford-corenlp-3.6.0-models.jar"), "{why}");
    let jars = Jars { java: "no-such-java".into(), ..stand_in.jars.clone() };
    assert!(matches!(meteor::scores(&jars, &candidates()), Err(Unavailable::NoJava(_))));
}
