//! `expansionnet evaluate` as a program: captions in files, and the bundled model on a small dataset.

#[path = "support/program.rs"]
mod program;

use program::program;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use trainer::captioner::{Captioner, LoadOptions};
use trainer::checkpoint::package;
use trainer::checkpoint::tensors::digest;
use trainer::data::{FeatureKind, FeatureWriter};

const ALL_METRICS: [&str; 8] = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D", "SPICE"];
/// Longer than the program takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
/// Often enough to see the first captions long before the last one.
const POLL_EVERY: Duration = Duration::from_millis(5);

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The program in a folder of its own, without METEOR and SPICE.
fn evaluate(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.arg("evaluate").args(arguments).current_dir(folder).env("EXPANSIONNET_MODEL__DEVICE", "cpu");
    // A thread each: tests run side by side.
    command.env("EXPANSIONNET_MODEL__THREADS", "1").env("EXPANSIONNET_MODEL__PATH", repository("models/default"));
    command
}

#[track_caller]
fn succeed(mut command: Command) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(status.success(), "{stderr}");
    (stdout, stderr)
}

#[track_caller]
fn fault(mut command: Command) -> String {
    let Output { status, stderr, .. } = command.output().expect("the program starts");
    assert_eq!(status.code(), Some(1));
    text(stderr)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

fn read_json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).expect("is there")).expect("is JSON")
}

/// The lines of an event log, numbered from 0.
fn events(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("is there");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect();
    assert!(events.iter().enumerate().all(|(place, event)| event["sequence"] == place), "{text}");
    events
}

#[track_caller]
fn assert_close(ours: &Value, theirs: &Value) {
    let (ours, theirs) = (ours.as_f64().expect("a number"), theirs.as_f64().expect("a number"));
    assert!((ours - theirs).abs() < 1e-6, "{ours} instead of {theirs}");
}

#[test]
fn captions_in_a_file_get_the_figures_of_pycocoevalcap() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let expected = read_json(&repository("trainer/tests/fixtures/metrics/captions.json"));
    let cases = expected["captions"].as_array().expect("a list");
    let entry = |(id, case): (usize, &Value)| json!({ "id": id, "candidate": case["candidate"], "references": case["references"] });
    let entries: Vec<Value> = cases.iter().enumerate().map(entry).collect();
    fs::write(folder.path().join("captions.json"), json!(entries).to_string()).expect("writable");

    let (stdout, _) = succeed(evaluate(folder.path(), &["--captions", "captions.json", "--json"]));
    let report: Value = serde_json::from_str(&stdout).expect("is JSON");
    for metric in ["BLEU-1", "BLEU-4", "ROUGE-L", "CIDEr-D"] {
        assert_close(&report[metric]["corpus"], &expected["scores"][metric]["corpus"]);
        assert_close(&report[metric]["per_image"][1], &expected["scores"][metric]["per_image"][1]);
    }
    let why = report["METEOR"]["unavailable"].as_str().expect("a reason");
    assert!(why.contains("meteor/meteor-1.5.jar is not there") && report["METEOR"]["corpus"].is_null(), "{why}");

    let (table, _) = succeed(evaluate(folder.path(), &["--captions", "captions.json"]));
    for part in ["140.4", "METEOR is unavailable: ", "Swin-L", "images are too few"] {
        assert!(table.contains(part), "{part} is missing in {table}");
    }

    let image = |entry: &Value| json!({ "image_id": entry["id"], "caption": entry["candidate"] });
    let results: Vec<Value> = entries.iter().map(image).collect();
    let annotation = |entry: &Value| -> Vec<Value> {
        let references = entry["references"].as_array().expect("a list").iter();
        references.map(|caption| json!({ "image_id": entry["id"], "caption": caption })).collect()
    };
    let annotations: Vec<Value> = entries.iter().flat_map(annotation).collect();
    fs::write(folder.path().join("results.json"), json!(results).to_string()).expect("writable");
    fs::write(folder.path().join("annotations.json"), json!({ "annotations": annotations }).to_string())
        .expect("writable");
    let coco = ["--results", "results.json", "--annotations", "annotations.json"];
    assert_eq!(succeed(evaluate(folder.path(), &coco)).0, table);
}

/// A folder with a dataset of the fixtures' pictures: 2 of the split val, 6 of test, 2 of which in `photos`.
fn dataset() -> TempDir {
    dataset_with(1)
}

/// The same, the pictures of the split test so many times.
fn dataset_with(times: i64) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entry = |id: i64, filepath: &str, file: &str, split: &str| {
        let name = repository("trainer/tests/fixtures/images").join(file);
        fs::create_dir_all(folder.path().join("images").join(filepath)).expect("writable");
        fs::copy(name, folder.path().join("images").join(filepath).join(file)).expect("readable");
        let sentences = json!([{ "raw": format!("A picture of {file} .") }, { "raw": "A green field under a sky." }]);
        json!({ "imgid": id, "filepath": filepath, "filename": file, "split": split, "sentences": sentences })
    };
    let mut images = vec![entry(11, "shapes", "landscape.png", "val"), entry(12, "shapes", "small.bmp", "val")];
    for time in 0..times {
        images.extend([
            entry(100 * time + 23, "shapes", "portrait.png", "test"),
            entry(100 * time + 22, "photos", "landscape_q95.jpg", "test"),
            entry(100 * time + 21, "shapes", "square.png", "test"),
            entry(100 * time + 24, "photos", "landscape_exif6.jpg", "test"),
            entry(100 * time + 25, "shapes", "landscape.webp", "test"),
            entry(100 * time + 26, "shapes", "small_grey16.png", "test"),
        ]);
    }
    let dataset = json!({ "dataset": "fixtures", "images": images });
    fs::write(folder.path().join("dataset.json"), dataset.to_string()).expect("writable");
    folder
}

/// The program on the dataset of its folder.
fn on_dataset(folder: &TempDir, output: &str, more: &[&str]) -> Command {
    let mut command = evaluate(folder.path(), &["--dataset", "dataset.json", "--images", "images"]);
    command.args(["--output", output]).args(more);
    command
}

#[test]
fn a_model_is_judged_and_every_file_written() {
    let folder = dataset();
    let arguments = ["--split", "both", "--beam-size", "3,1", "--batch-size", "4", "--event-log", "events", "--json"];
    let (stdout, _) = succeed(on_dataset(&folder, "out", &arguments));
    let out = folder.path().join("out");
    let report = read_json(&out.join("report.json"));
    assert_eq!(serde_json::from_str::<Value>(&stdout).expect("is JSON"), report);
    let outcomes = report["outcomes"].as_array().expect("a list");
    let kinds: Vec<_> =
        outcomes.iter().map(|o| (o["split"].as_str(), o["beam_size"].as_u64(), o["images"].as_u64())).collect();
    let kind = |split, beams, images| (Some(split), Some(beams), Some(images));
    assert_eq!(kinds, [kind("val", 1, 2), kind("val", 3, 2), kind("test", 1, 6), kind("test", 3, 6)]);
    for metric in ALL_METRICS {
        let line = &outcomes[3][metric];
        assert!(line["corpus"].is_f64() != line["unavailable"].is_string(), "{metric}: {line}");
    }
    assert!(outcomes[3]["warning"].as_str().expect("too few").contains("6 images"));

    // The captions are those of `caption`, in the order of the dataset.
    let results = read_json(&out.join("captions_test_beam3_results.json"));
    let caption = program()
        .args(["caption", "--beam-size", "3", "--device", "cpu", "--model"])
        .arg(repository("models/default"))
        .arg(folder.path().join("images/photos/landscape_q95.jpg"))
        .current_dir(folder.path())
        .output()
        .expect("the program starts");
    let line = text(caption.stdout);
    assert_eq!(results[1]["image_id"], 22);
    assert!(line.trim_end().ends_with(results[1]["caption"].as_str().expect("a text")), "{line}: {results}");

    // predictions.json: every caption with its scores, whose mean is the report's figure.
    let predictions = read_json(&out.join("predictions.json"));
    let predictions = predictions.as_array().expect("a list");
    assert_eq!(predictions.len(), 16);
    let of_test: Vec<&Value> = predictions.iter().filter(|p| p["split"] == "test" && p["beam_size"] == 3).collect();
    assert_eq!(of_test[1]["candidate"], results[1]["caption"]);
    assert_eq!(of_test[1]["references"][0], "A picture of landscape_q95.jpg .");
    let rouge: f64 = of_test.iter().map(|p| p["scores"]["ROUGE-L"].as_f64().expect("a number")).sum::<f64>() / 6.0;
    assert_close(&json!(rouge), &outcomes[3]["ROUGE-L"]["corpus"]);
    assert!(of_test[0]["scores"].get("METEOR").is_none(), "it was not computed");

    let told = events(&folder.path().join("events"));
    let started = json!({"phase": "captions", "step": "evaluation", "iteration": 0, "iterations": 8});
    assert!(started.as_object().expect("fields").iter().all(|(key, value)| told[0][key] == *value), "{}", told[0]);
    let kinds: Vec<&str> = told.iter().map(|event| event["event"].as_str().expect("a kind")).collect();
    let end = ["evaluation", "evaluation", "evaluation", "evaluation", "finished"];
    assert!(kinds[0] == "started" && kinds[1] == "progress" && kinds.ends_with(&end), "{kinds:?}");
    let of_test = &told[told.len() - 2];
    assert_close(&of_test["metrics"]["ROUGE-L"], &outcomes[3]["ROUGE-L"]["corpus"]);
    assert!(of_test["metrics"].get("METEOR").is_none() && of_test["images"] == 6, "{of_test}");

    let (compared, _) = succeed(evaluate(folder.path(), &["--compare", "out/report.json", "out"]));
    assert!(compared.contains("test split: 6 images that both have, of 6 and 6"), "{compared}");
    assert_eq!(compared.matches("  +0.0 [+0.0, +0.0]\n").count(), 8, "two metrics of four searches: {compared}");

    let page = fs::read_to_string(out.join("report.html")).expect("is there");
    assert!(page.contains("data:image/jpeg;base64,") && page.contains("Worst captions by CIDEr-D, beam 3"));
    assert!(!page.contains("src=\"http") && !page.contains("href="), "it needs no other file");
    let files = fs::read_dir(&out).expect("is there").count();
    assert_eq!(files, 8, "four of the COCO server, three reports, the log: nothing half-written");
}

#[test]
fn images_can_be_chosen_by_folder_and_number() {
    let folder = dataset();
    let arguments = ["--filepath", "photos", "--beam-size", "1"];
    let (table, _) = succeed(on_dataset(&folder, "out", &arguments));
    assert!(table.contains("default, test split (photos): 2 images") && table.contains("paper, ensemble"), "{table}");
    let results = read_json(&folder.path().join("out/captions_test_beam1_results.json"));
    assert_eq!((&results[0]["image_id"], &results[1]["image_id"]), (&json!(22), &json!(24)));
    let (table, _) = succeed(on_dataset(&folder, "out", &["--limit", "3", "--beam-size", "2"]));
    assert!(table.contains("test split: 3 images"), "{table}");
    assert!(!folder.path().join("out/captions_test_beam1_results.json").exists(), "the report does not know it");
    assert!(folder.path().join("out/captions_test_beam2_results.json").exists());

    let fault_of = |arguments: &[&str]| fault(on_dataset(&folder, "other", arguments));
    assert!(fault_of(&["--filepath", "drawings"]).contains("values of `filepath` there: photos, shapes"));
    assert!(fault_of(&["--beam-size", "0"]).contains("--beam-size must be from 1 to 500, not 0"));
    assert!(fault_of(&["--limit", "0"]).contains("--limit must be 1 or more"));
    fs::remove_file(folder.path().join("images/shapes/square.png")).expect("was there");
    assert!(fault_of(&[]).contains("1 of 6 images are not in images: shapes/square.png"));
    assert!(!folder.path().join("other").exists(), "found before any work");
}

#[test]
fn an_image_without_captions_is_named_before_any_work() {
    let folder = dataset();
    let file = folder.path().join("dataset.json");
    let mut dataset = read_json(&file);
    for place in [3, 5] {
        dataset["images"][place]["sentences"] = json!([]);
    }
    fs::write(&file, dataset.to_string()).expect("writable");
    let empty = dataset.to_string().replace("\"val\"", "\"test\"");
    fs::write(folder.path().join("empty.json"), empty).expect("writable");
    let val = ["--dataset", "empty.json", "--images", "images", "--output", "out", "--split", "val"];
    let message = fault(evaluate(folder.path(), &val));
    assert!(message.contains("no images in the split val: name another one by --split"), "{message}");
    let message = fault(on_dataset(&folder, "out", &[]));
    assert!(message.contains("2 of 6 images of the split test have no captions"), "{message}");
    assert!(message.contains("number 22 (photos/landscape_q95.jpg)"), "{message}");
    assert!(!folder.path().join("out").exists(), "found before any work");
    succeed(on_dataset(&folder, "out", &["--limit", "1", "--beam-size", "1"]));
}

#[test]
fn a_killed_run_goes_on_and_comes_to_the_same() {
    let folder = dataset_with(3);
    let arguments = ["--beam-size", "1,3", "--batch-size", "1"];
    succeed(on_dataset(&folder, "whole", &arguments));
    let log = folder.path().join("killed/captions.jsonl");
    let lines = || fs::read(&log).map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count());

    let arguments = [&arguments[..], &["--event-log", "events"]].concat();
    let mut process = on_dataset(&folder, "killed", &arguments).stderr(Stdio::null()).spawn().expect("starts");
    let deadline = Instant::now() + LIMIT;
    // The line of the origin, and the captions of one image at least.
    while lines() < 3 {
        assert!(Instant::now() < deadline && process.try_wait().expect("ours").is_none(), "no caption in time");
        std::thread::sleep(POLL_EVERY);
    }
    process.kill().expect("runs");
    let status = process.wait().expect("ours");
    assert_eq!(status.signal(), Some(9));
    assert!(!folder.path().join("killed/report.json").exists(), "killed before the end");
    // As if the kill had cut off the last line.
    let text = fs::read(&log).expect("is there");
    let captioned = (lines() - 1) / 2;
    fs::write(&log, [&text[..], br#"{"image": 2"#].concat()).expect("writable");

    let (_, stderr) = succeed(on_dataset(&folder, "killed", &arguments));
    assert!(stderr.contains(&format!("going on: {captioned} of 18 images are captioned")), "{stderr}");
    assert!(fs::read(&log).expect("is there").starts_with(&text), "captions are not made twice");
    let told = events(&folder.path().join("events"));
    let starts = told.iter().filter(|event| event["event"] == "started").map(|event| event["iteration"].as_u64());
    assert_eq!(starts.collect::<Vec<_>>(), [Some(0), Some(captioned as u64)]);
    for file in ["captions.jsonl", "report.json", "predictions.json", "report.html"] {
        let read = |output: &str| fs::read(folder.path().join(output).join(file)).expect("is there");
        assert!(read("killed") == read("whole"), "{file} differs");
    }

    // Captions in another order and those of another dataset do not go on from it.
    let message = fault(on_dataset(&folder, "killed", &[&arguments[..], &["--unrepeated-first"]].concat()));
    assert!(message.contains("captions of another evaluation (another order of captions)"), "{message}");
    let dataset = folder.path().join("dataset.json");
    let changed = fs::read_to_string(&dataset).expect("is there").replace("green", "blue");
    fs::write(&dataset, changed).expect("writable");
    let message = fault(on_dataset(&folder, "killed", &arguments));
    assert!(message.contains("captions of another evaluation (another dataset)"), "{message}");
}

#[test]
fn several_models_are_an_ensemble() {
    let folder = dataset();
    let model = repository("models/default");
    let mut command = on_dataset(&folder, "out", &["--beam-size", "2", "--limit", "2", "--json"]);
    let (stdout, _) = succeed({
        command.arg("--model").arg(&model).arg("--model").arg(&model);
        command
    });
    let report: Value = serde_json::from_str(&stdout).expect("is JSON");
    assert_eq!(report["model"]["members"], json!(["default", "default"]));
}

#[test]
fn features_of_a_file_take_the_place_of_images() {
    let folder = dataset();
    let path = folder.path().join("features.hdf5");
    let captioner = Captioner::load(&repository("models/default"), &LoadOptions::default()).expect("loads");
    let mut writer = FeatureWriter::open(&path, FeatureKind::Float32).expect("made");
    for (id, file) in [(23, "shapes/portrait.png"), (22, "photos/landscape_q95.jpg")] {
        let bytes = fs::read(folder.path().join("images").join(file)).expect("is there");
        let picture = trainer::image::decode(&bytes, &Default::default()).expect("decodes");
        let prepared = captioner.preprocessor().prepare(&picture.pixels).expect("resizes");
        let features = captioner.features(&[prepared]).expect("computes").remove(0);
        writer.add(id, 0, &features.get(0)).expect("added");
    }
    writer.finish().expect("closed");

    let with_features = |more: &[&str]| {
        let mut command = evaluate(folder.path(), &["--dataset", "dataset.json", "--features", "features.hdf5"]);
        command.args(["--output", "features", "--beam-size", "3"]).args(more);
        command
    };
    succeed(with_features(&["--limit", "2"]));
    succeed(on_dataset(&folder, "images-out", &["--beam-size", "3", "--limit", "2"]));
    let results = |output: &str| read_json(&folder.path().join(output).join("captions_test_beam3_results.json"));
    assert_eq!(results("features"), results("images-out"));
    let page = fs::read_to_string(folder.path().join("features/report.html")).expect("is there");
    assert!(!page.contains("<img"), "there are no photos");
    assert!(fault(with_features(&[])).contains("has no features of 4 of 6 images"));

    // What a run's features were made of lies beside them.
    let (config, mut weights) = package::weights(&repository("models/default")).expect("is a model folder");
    weights.retain(|name, _| name.starts_with("efficientnet."));
    let backbone = digest(&weights).expect("numbers");
    let made_of = |backbone: &str, image_size: i64| {
        let text = json!({ "backbone": backbone, "rounded": backbone, "image_size": image_size, "variety": null });
        fs::write(folder.path().join("made-of.json"), text.to_string()).expect("writable");
    };
    made_of("another", config.image_size);
    let message = fault(with_features(&["--limit", "2"]));
    assert!(message.contains("features.hdf5 was made by another backbone than that of the model"), "{message}");
    made_of(&backbone, 64);
    let message = fault(with_features(&["--limit", "2"]));
    assert!(message.contains("was made of photos of 64 x 64 pixels"), "{message}");
    made_of(&backbone, config.image_size);

    // Photos beside features only illustrate the page, and may be missing or broken.
    let with_photos = || {
        let (_, stderr) = succeed(with_features(&["--limit", "2", "--images", "images"]));
        (fs::read_to_string(folder.path().join("features/report.html")).expect("is there"), stderr)
    };
    assert!(with_photos().0.contains("<img"));
    fs::remove_file(folder.path().join("images/shapes/portrait.png")).expect("was there");
    fs::write(folder.path().join("images/photos/landscape_q95.jpg"), "no photo").expect("writable");
    let (page, stderr) = with_photos();
    assert!(!page.contains("<img") && stderr.contains("1 of 2 images are not in images"), "{stderr}");
    assert!(stderr.contains("report.html does without a photo"), "{stderr}");

    // Captions of other features at the same place do not count.
    let replaced = File::options().write(true).open(&path).expect("is there");
    replaced.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).expect("ours");
    let message = fault(with_features(&["--limit", "2"]));
    assert!(message.contains("(a file of features that has changed)"), "{message}");
}
