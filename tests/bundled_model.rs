//! The bundled model behind both doors: the API and the command line give the same captions.

mod support;

use axum::http::StatusCode;
use expansionnet::captioning::{CaptionService, QueueSettings};
use expansionnet::config::Config;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::web::TestApp;
use trainer::captioner::Captioner;

const QUEUE: QueueSettings = QueueSettings { capacity: 8, max_batch_size: 4, timeout: Duration::from_secs(120) };

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn pictures() -> Vec<PathBuf> {
    let names = ["landscape_q95.jpg", "landscape_exif6.jpg", "portrait.png", "small_alpha.webp"];
    names.iter().map(|name| repository("trainer/tests/fixtures/images").join(name)).collect()
}

/// The web application with the bundled model.
async fn bundled_app() -> TestApp {
    let config = Config::defaults().expect("valid defaults");
    let options = config.load_options();
    let load = move || Captioner::load(&repository("models/default"), &options);
    let captions = CaptionService::start(QUEUE, load).expect("a thread");
    captions.ready().await.expect("the bundled model loads");
    TestApp::around(tempfile::tempdir().expect("a temporary folder"), config, captions).await
}

/// Lines of `expansionnet caption --json`.
fn captions_of_the_command_line(pictures: &[PathBuf]) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_expansionnet"))
        .args(["caption", "--json", "--model"])
        .arg(repository("models/default"))
        .args(pictures)
        .current_dir(folder.path())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// How far the scores of the same caption may be apart: photos that are computed together round differently.
const ROUNDING: f64 = 1e-4;

fn assert_same_score(one: &Value, other: &Value) {
    let (one, other) = (one.as_f64().expect("a score"), other.as_f64().expect("a score"));
    assert!((one - other).abs() < ROUNDING, "{one} and {other}");
}

#[tokio::test]
async fn the_api_and_the_command_line_give_the_same_captions() {
    let app = bundled_app().await;
    let pictures = pictures();
    let lines = captions_of_the_command_line(&pictures);
    assert_eq!(lines.len(), pictures.len());
    for (picture, line) in pictures.iter().zip(&lines) {
        let answered = app.caption(std::fs::read(picture).expect("a fixture")).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
        let answer = answered.json();
        assert_eq!(line["image"].as_str(), picture.to_str());
        assert_eq!(answer["caption"], line["caption"]);
        assert_same_score(&answer["score"], &line["score"]);
        let candidates = line["candidates"].as_array().expect("candidates");
        assert_eq!(candidates.len(), 3);
        for (served, printed) in answer["candidates"].as_array().expect("candidates").iter().zip(candidates) {
            assert_eq!(served["caption"], printed["caption"]);
            assert_same_score(&served["score"], &printed["score"]);
            let tokens = printed["tokens"].as_array().map(Vec::len);
            assert_eq!(tokens, printed["log_probs"].as_array().map(Vec::len));
        }
    }
}

#[tokio::test]
async fn options_reach_the_model() {
    let app = bundled_app().await;
    let picture = std::fs::read(&pictures()[0]).expect("a fixture");
    let answer = app.post("/api/caption?beam_size=1&max_length=5", "image/jpeg", picture).await.json();
    assert_eq!(answer["candidates"].as_array().map(Vec::len), Some(1));
    let words = answer["caption"].as_str().expect("a caption").split_whitespace().count();
    assert!((1..=4).contains(&words), "at most five tokens, the start among them: {answer}");
}
