//! `train --check` and `export` by the real program: what scripts and the server rely on.

#[path = "../trainer/tests/support/made_dataset.rs"]
mod made_dataset;
#[path = "support/program.rs"]
mod program;

use made_dataset::MadeDataset;
use program::program;
use serde_json::Value;
use std::fs;
use std::process::Output;
use trainer::checkpoint::{package, read_tensors};

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn made() -> MadeDataset {
    let made = MadeDataset::new();
    fs::write(made.path("recipe.toml"), made.recipe(2)).expect("writable");
    made
}

#[test]
fn check_prints_one_object_and_its_exit_code_tells_of_errors() {
    let made = made();
    let (recipe, folder) = (made.path("recipe.toml").display().to_string(), made.path("run").display().to_string());
    let check = ["train", "--recipe", &recipe, "--run", &folder, "--device", "cpu", "--check", "--events", "json"];
    let output = run(&[&check[..], &["--phase", "features", "--phase", "xe"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["images"], serde_json::json!({"train": 6, "val": 6, "test": 0, "missing": 0}));
    let xe = serde_json::json!({"name": "xe", "step": "cross-entropy", "iterations": 6,
        "seconds_per_iteration": null, "seconds": null});
    assert_eq!((report["phases"].as_array().map(Vec::len), &report["phases"][1]), (Some(2), &xe));
    assert!(report["disk_needed_bytes"].as_u64() < report["disk_free_bytes"].as_u64());
    assert!(report["memory_needed_bytes"].is_u64() && report["findings"].as_array().is_some_and(Vec::is_empty));

    let output = run(&[&check[..], &["--set", "data.images=/nowhere"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let finding = &report["findings"][0];
    assert_eq!((&finding["level"], &finding["code"]), (&"error".into(), &"images".into()));
    assert!(!made.path("run").exists());
}

#[test]
fn several_phases_are_named_and_their_checkpoints_handed_on() {
    let made = made();
    let path = |name: &str| made.path(name).display().to_string();
    let (recipe, folder, model, pth) = (path("recipe.toml"), path("run"), path("model"), path("weights.pth"));
    let train = ["train", "--recipe", &recipe, "--run", &folder, "--device", "cpu", "--events", "none"];
    let output = run(&[&train[..], &["--phase", "xe", "--phase", "features"]].concat());
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()), "{}", text(&output.stderr));

    let figures = run(&["export", "metrics", "--run", &folder, "--phase", "xe"]);
    let table = text(&figures.stdout);
    assert!(table.starts_with("phase,iteration,time,name,value\nxe,"), "{}", text(&figures.stderr));
    for name in [",loss,", ",learning_rate,", ",validation_loss,", ",CIDEr-D,"] {
        assert!(table.lines().any(|line| line.starts_with("xe,6,") && line.contains(name)), "{name}: {table}");
    }
    let unknown = run(&["export", "metrics", "--run", &folder, "--phase", "scst"]);
    assert!(text(&unknown.stderr).contains("there are of: xe"), "{}", text(&unknown.stderr));

    let source = ["--run", &folder, "--phase", "xe"];
    let export = |what: &str, rest: &[&str]| run(&[&["export", what], &source[..], rest].concat());
    assert!(export("model", &["--output", &model]).status.success());
    package::inspect(&made.path("model")).expect("is a model folder");
    assert!(export("pth", &["--checkpoint", "newest", "--output", &pth]).status.success());
    let tensors = read_tensors(&made.path("weights.pth")).expect("is a .pth");
    let buffer = &tensors["swin_transf.layers.0.blocks.0.attn.relative_position_index"];
    assert_eq!(buffer.size(), [16, 16]);

    let again = export("model", &["--output", &model]);
    assert!(!again.status.success() && text(&again.stderr).contains("--force"), "{}", text(&again.stderr));
    assert!(export("model", &["--output", &model, "--force"]).status.success());
    let whole_run = export("model", &["--output", &folder, "--force"]);
    assert!(!whole_run.status.success() && text(&whole_run.stderr).contains("holds more than a model"));
    assert!(made.path("run").join("xe").exists(), "it is all there");
    let unknown = export("pth", &["--checkpoint", "state-9", "--output", &model]);
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("exists already"));
    let unknown = export("pth", &["--checkpoint", "state-9", "--output", &path("other.pth")]);
    assert!(text(&unknown.stderr).contains("it has state-00000003, "), "{}", text(&unknown.stderr));
}
