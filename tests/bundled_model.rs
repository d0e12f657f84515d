//! The bundled model behind both doors: the API and the command line give the same captions.

#[path = "support/program.rs"]
mod program;
mod support;

use axum::http::StatusCode;
use expansionnet::captioning::ActivateError;
use expansionnet::config::Config;
use program::program;
use serde_json::Value;
use std::path::{Path, PathBuf};
use support::web::TestApp;
use trainer::captioner::Captioner;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn pictures() -> Vec<PathBuf> {
    let names = ["landscape_q95.jpg", "landscape_exif6.jpg", "portrait.png", "small_alpha.webp"];
    names.iter().map(|name| repository("trainer/tests/fixtures/images").join(name)).collect()
}

/// The web application with the bundled model.
async fn bundled_app() -> TestApp {
    app_with(|_| ()).await
}

/// The same with other settings.
async fn app_with(change: impl FnOnce(&mut Config)) -> TestApp {
    let mut config = Config::defaults().expect("valid defaults");
    config.model.path = repository("models/default");
    config.captioning.request_timeout_seconds = 120;
    change(&mut config);
    let options = config.load_options();
    let load = move |folders: &[PathBuf]| Captioner::load_ensemble(folders, &options);
    let app = TestApp::around(tempfile::tempdir().expect("a temporary folder"), config, load).await;
    app.models.active().ready().await.expect("the bundled model loads");
    app
}

/// Lines of `expansionnet caption --json`.
fn captions_of_the_command_line(pictures: &[PathBuf]) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = program()
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

/// A copy of the bundled model; the weights are given.
fn copy_model(folder: &Path, weights: &[u8]) {
    std::fs::create_dir_all(folder).expect("a folder");
    for file in ["config.json", "vocab.json"] {
        std::fs::copy(repository("models/default").join(file), folder.join(file)).expect("copies");
    }
    std::fs::write(folder.join("model.safetensors"), weights).expect("writes");
}

#[tokio::test]
async fn another_model_takes_over_and_a_damaged_one_does_not() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let weights = std::fs::read(repository("models/default/model.safetensors")).expect("the bundled weights");
    copy_model(&directory.path().join("twin"), &weights);
    copy_model(&directory.path().join("cut"), &weights[..weights.len() / 2]);
    let mut changed = weights.clone();
    changed[8..40].fill(b'!');
    copy_model(&directory.path().join("garbled"), &changed);
    let app = app_with(|config| config.model.directory = directory.path().to_owned()).await;
    let caption = async || {
        let photo = std::fs::read(&pictures()[0]).expect("a fixture");
        app.caption(photo).await.json()
    };
    let alone = caption().await;

    for id in ["cut", "garbled"] {
        let refused = app.models.activate(&[id.to_owned()]).await.err();
        let Some(ActivateError::Unusable { reason }) = refused else { panic!("{id}: {refused:?}") };
        assert!(reason.contains("model.safetensors"), "{reason}");
        assert!(!reason.contains(&directory.path().display().to_string()), "{reason}");
        assert_eq!(caption().await["id"], alone["id"], "the old model still answers");
    }

    let ensemble = ["default".to_owned(), "twin".to_owned()];
    let loaded = app.models.activate(&ensemble).await.expect("both are sound");
    assert_eq!(loaded.info.id, "default+twin");
    let together = caption().await;
    assert_eq!((&together["cached"], &together["model"]["id"]), (&Value::Bool(false), &"default+twin".into()));
    assert_eq!(together["caption"], alone["caption"]);
    assert_same_score(&together["score"], &alone["score"]);
}
