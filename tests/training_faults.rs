//! Training by the real program, and what happens to it: another process in the folder, a full disk, data that is not
//! there. Each has a clear end, and the last whole checkpoint stays.

#[path = "../trainer/tests/support/made_dataset.rs"]
mod made_dataset;
#[path = "support/program.rs"]
mod program;
#[path = "support/small_disk.rs"]
mod small_disk;

use made_dataset::MadeDataset;
use program::{forget_settings, program};
use small_disk::{NEEDS, on_a_small_disk};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tch::Tensor;
use trainer::checkpoint::Checkpoints;
use trainer::training::events::Line;
use trainer::training::{Ending, Event, FailureKind, RunFolder};

/// What is said of so many states that some disk must be too small for them.
const MANY_STATES: [&str; 3] = ["xe.save_every_minutes=1e-9", "xe.keep_checkpoints=1000", "xe.evaluation_images=0"];

/// Puts what is kept of a run into its folder, goes on with it, and brings back what is left.
const IN_AND_OUT: &str = r#"
run="$1"; kept="$2"; shift 2
cp -r "$kept/." "$run" || exit 99
"$@"; code=$?
rm -rf "$kept" && cp -r "$run" "$kept" || exit 99
exit $code"#;

fn train(made: &MadeDataset, run: &Path, phases: &[&str], settings: &[&str]) -> Vec<String> {
    let mut arguments: Vec<String> = ["train", "--device", "cpu", "--events", "none"].map(String::from).to_vec();
    arguments.extend(["--recipe".to_owned(), made.path("recipe.toml").display().to_string()]);
    arguments.extend(["--run".to_owned(), run.display().to_string()]);
    arguments.extend(phases.iter().flat_map(|&phase| ["--phase".to_owned(), phase.to_owned()]));
    arguments.extend(settings.iter().flat_map(|&setting| ["--set".to_owned(), setting.to_owned()]));
    arguments
}

fn trainer() -> Command {
    let mut command = program();
    command.env("OMP_NUM_THREADS", "1"); // sums have one order
    command
}

fn made() -> MadeDataset {
    let made = MadeDataset::new();
    fs::write(made.path("recipe.toml"), made.recipe(8)).expect("writable");
    made
}

fn succeeds(mut command: Command) {
    let output = command.output().expect("starts");
    assert!(output.status.success(), "{}", said(&output));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn events(run: &Path) -> Vec<Line> {
    let text = fs::read_to_string(run.join("events.jsonl")).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect("a whole event")).collect()
}

/// How the last phase ended.
fn end(run: &Path) -> (Ending, Option<FailureKind>, String) {
    match events(run).pop().expect("there are some").event {
        Event::Finished { reason, outcome, kind } => (outcome, kind, reason),
        other => panic!("the last event is {other:?}"),
    }
}

#[test]
fn a_second_process_is_kept_out_of_the_folder() {
    let made = made();
    let run = made.path("run");
    let other = RunFolder::lock(&run).expect("is free");
    let mut second = trainer();
    second.args(train(&made, &run, &["features"], &[]));
    let output = second.output().expect("starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("another process trains in"), "{}", said(&output));
    assert!(!run.join("events.jsonl").exists(), "it is the other's");
    drop(other);
    succeeds(second);
}

#[test]
fn data_that_is_not_there_ends_the_first_phase_and_says_so() {
    let made = made();
    let run = made.path("run");
    let mut command = trainer();
    command.args(train(&made, &run, &["features", "xe"], &["data.dataset=/nowhere.json"]));
    let output = command.output().expect("starts");
    assert_eq!(output.status.code(), Some(1));
    let (outcome, kind, reason) = end(&run);
    assert_eq!((outcome, kind), (Ending::Failed, Some(FailureKind::Data)));
    assert!(reason.contains("/nowhere.json") && said(&output).contains("/nowhere.json"), "{reason}");
    assert_eq!(events(&run)[0].phase.as_deref(), Some("features"));
}

#[test]
fn a_full_disk_ends_the_run_and_what_was_saved_goes_on_elsewhere() {
    let made = made();
    let (unbroken, kept, run) = (made.path("unbroken"), made.path("kept"), made.path("run"));
    for folder in [&unbroken, &kept] {
        let mut command = trainer();
        command.args(train(&made, folder, &["features"], &[]));
        succeeds(command);
    }
    fs::create_dir(&run).expect("writable");

    let mut command = on_a_small_disk("4m", &run).expect("there is /proc");
    forget_settings(&mut command);
    command.args(["sh", "-c", IN_AND_OUT, "sh"]).arg(&run).arg(&kept);
    command.env("OMP_NUM_THREADS", "1").arg(env!("CARGO_BIN_EXE_expansionnet"));
    let output = command.args(train(&made, &run, &["xe"], &MANY_STATES)).output().expect(NEEDS);
    assert_eq!(output.status.code(), Some(1), "{NEEDS}: {}", said(&output));

    let (outcome, kind, reason) = end(&kept);
    assert_eq!((outcome, kind), (Ending::Failed, Some(FailureKind::DiskFull)), "{reason}");
    let saved = Checkpoints::at(&kept.join("xe"), 1).newest().expect("is whole").expect("some fitted");
    assert!(saved.progress.iteration >= 2 && !saved.progress.finished, "{:?}", saved.progress);
    let left = fs::read_dir(kept.join("xe")).expect("readable").flatten();
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".unfinished")));

    // With room, and fewer states kept from now on, it ends as if nothing had been.
    for folder in [&unbroken, &kept] {
        let mut command = trainer();
        command.args(train(&made, folder, &["xe"], &["xe.keep_checkpoints=1", MANY_STATES[2]]));
        succeeds(command);
    }
    let weights = |run: &Path| Tensor::read_safetensors(run.join("xe/model/model.safetensors")).expect("is whole");
    let theirs = weights(&kept);
    for (name, tensor) in weights(&unbroken) {
        let (_, other) = theirs.iter().find(|(other, _)| *other == name).expect("the same variables");
        assert!(tensor.equal(other), "{name} differs");
    }
}
