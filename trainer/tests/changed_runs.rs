//! A run whose recipe, weights or pictures have changed since it was begun: nothing is mixed, nothing taken for another.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::made_dataset::MadeDataset;
use tch::{Device, Tensor};
use trainer::checkpoint::read_tensors;
use trainer::data::FeatureReader;
use trainer::training::check::Level;
use trainer::training::recipe::FILE;
use trainer::training::{
    Event, Events, Outcome, Phase, Recipe, Run, TrainError, check, checkpoints, package_checkpoint,
};

fn recipe(made: &MadeDataset, settings: &[&str]) -> Recipe {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    Recipe::parse(&made.recipe(1), &settings).expect("is one")
}

fn train(made: &MadeDataset, recipe: &Recipe, phases: &[&str]) -> Result<Outcome, TrainError> {
    let stop = AtomicBool::new(false);
    let run = Run::open(recipe, &made.path("run"), Device::Cpu, &stop)?;
    run.keep_recipe(phases.iter().copied())?;
    run.run(phases.iter().copied(), &mut Events::kept_in(&made.path("run/events.jsonl")).expect("opens"))
}

/// Changes what a cross-entropy phase reads in the recipe that lies in the run's folder, and leaves out those after it.
fn rewrite(made: &MadeDataset, name: &str, features: Option<&str>) {
    let path = made.path("run").join(FILE);
    let mut recipe = Recipe::read(&path, &[]).expect("was kept");
    let place = recipe.phases.iter().position(|phase| phase.name() == name).expect("is there");
    recipe.phases.truncate(place + 1);
    let Some(Phase::CrossEntropy(phase)) = recipe.phases.last_mut() else { panic!("of that kind") };
    phase.features = features.map(str::to_owned);
    phase.backbone = features.is_none().then(|| "pretrained".to_owned());
    fs::write(path, toml::to_string(&recipe).expect("serialises")).expect("writable");
}

fn package(made: &MadeDataset, phase: &str) -> Result<PathBuf, TrainError> {
    let folder = made.path(&format!("model-{phase}"));
    package_checkpoint(&made.path("run"), phase, "best", false, &folder).map(|()| folder)
}

/// Begins a phase, and has it stop after its first checkpoint.
fn begin(made: &MadeDataset, recipe: &Recipe, phase: &str) {
    stop_at(made, recipe, phase, |event| matches!(event, Event::Checkpoint { .. }));
}

/// Begins a phase, and has it save and stop once such an event is told.
fn stop_at(made: &MadeDataset, recipe: &Recipe, phase: &str, is_it: impl Fn(&Event) -> bool + 'static) {
    let stop = Arc::new(AtomicBool::new(false));
    let run = Run::open(recipe, &made.path("run"), Device::Cpu, &stop).expect("opens");
    let mut events = Events::default();
    let stopping = Arc::clone(&stop);
    events.listen(Box::new(move |line| {
        stopping.fetch_or(is_it(&line.event), Ordering::Relaxed);
    }));
    assert_eq!(run.run(Some(phase), &mut events).expect("stops"), Outcome::Stopped);
}

fn weights(model: &Path) -> Vec<(String, Tensor)> {
    read_tensors(&model.join("model.safetensors")).expect("readable").into_iter().collect()
}

#[test]
fn a_backbone_that_a_phase_trained_stays_its_own_whatever_the_recipe_says_later() {
    let made = MadeDataset::new();
    train(&made, &recipe(&made, &[]), &["features", "xe", "xe-end-to-end"]).expect("trains");
    let own = weights(&made.path("run/xe-end-to-end/model"));
    rewrite(&made, "xe-end-to-end", Some("features"));
    assert_eq!(weights(&package(&made, "xe-end-to-end").expect("packages")), own);
    rewrite(&made, "xe", None);
    let error = package(&made, "xe").expect_err("nothing says whose features it read");
    assert!(matches!(error, TrainError::NoBackbone(_)), "{error}");
}

#[test]
fn features_belong_to_the_backbone_and_the_size_that_they_were_made_with() {
    let made = MadeDataset::new();
    train(&made, &recipe(&made, &[]), &["features", "xe"]).expect("trains");
    package(&made, "xe").expect("packages");
    let larger = recipe(&made, &["model.image_size=64", "xe.epochs=2"]);
    fs::remove_dir_all(made.path("run/xe")).expect("was there");
    let error = train(&made, &larger, &["xe"]).expect_err("smaller pictures");
    assert!(matches!(error, TrainError::OtherFeatures(_)), "{error}");
    let error = train(&made, &larger, &["features"]).expect_err("they are there, of smaller pictures");
    assert!(matches!(error, TrainError::OtherFeatures(_)), "{error}");

    train(&made, &recipe(&made, &[]), &["xe"]).expect("trains");
    let path = made.path("backbone.safetensors");
    let other: Vec<(String, Tensor)> =
        read_tensors(&path).expect("readable").into_iter().map(|(name, tensor)| (name, tensor + 0.1)).collect();
    Tensor::write_safetensors(&other, &path).expect("writable");
    fs::remove_dir_all(made.path("model-xe")).expect("was there");
    let error = package(&made, "xe").expect_err("another backbone");
    assert!(matches!(error, TrainError::OtherFeatures(_)), "{error}");
}

#[test]
fn a_mean_is_of_models_with_the_same_words() {
    let made = MadeDataset::new();
    train(&made, &recipe(&made, &[]), &["features", "xe", "xe-end-to-end"]).expect("trains");
    let both = "xe + xe-end-to-end";
    let mean = package(&made, both).expect("packages");
    let of = |phase: &str| read_tensors(&made.path(&format!("run/{phase}/model/model.safetensors"))).expect("readable");
    let (one, other) = (of("xe"), of("xe-end-to-end"));
    for (name, tensor) in weights(&mean) {
        assert!(tensor.allclose(&((&one[&name] + &other[&name]) / 2.), 1e-6, 1e-7, false), "{name}");
    }
    assert_eq!(weights(&mean).len(), one.len());
    let card = fs::read_to_string(mean.join("MODEL_CARD.md")).expect("has one");
    assert!(card.contains("| `xe` |") && card.contains("| `xe-end-to-end` |"), "{card}");

    let vocabulary = made.path("run/xe-end-to-end/vocab.json");
    let words = fs::read_to_string(&vocabulary).expect("readable");
    fs::write(&vocabulary, words.replacen("\"disc\"", "\"dish\"", 1)).expect("writable");
    fs::remove_dir_all(mean).expect("was there");
    let error = package(&made, both).expect_err("other words");
    assert!(matches!(&error, TrainError::UnlikeModels(phase) if phase == "xe-end-to-end"), "{error}");
}

#[test]
fn teachers_are_looked_for_before_each_start_and_know_the_same_words() {
    let made = MadeDataset::new();
    train(&made, &recipe(&made, &[]), &["features", "xe", "xe-end-to-end"]).expect("trains");
    let model = made.path("run/xe-end-to-end/model");
    let elsewhere = made.path("teacher");
    fs::rename(model, &elsewhere).expect("renames");
    fs::remove_dir_all(made.path("run/xe-end-to-end")).expect("was there");
    let teachers = format!("xe-end-to-end.teachers=\"checkpoint:{}\"", elsewhere.display());
    let taught = recipe(&made, &["xe-end-to-end.epochs=3", "xe-end-to-end.save_every_minutes=1e-9", &teachers]);
    let found = || {
        let report = check(&taught, &made.path("run"), Device::Cpu, ["xe-end-to-end"], None).expect("looks");
        report.findings.into_iter().filter(|finding| finding.level == Level::Error).collect::<Vec<_>>()
    };
    assert_eq!(found(), []);

    let vocabulary = elsewhere.join("vocab.json");
    let words = fs::read_to_string(&vocabulary).expect("readable");
    fs::write(&vocabulary, words.replacen("\"disc\"", "\"dish\"", 1)).expect("writable");
    assert_eq!(found().len(), 1, "the check compares words");
    let error = train(&made, &taught, &["xe-end-to-end"]).expect_err("other words");
    assert!(matches!(error, TrainError::StrangeWords(_)), "{error}");
    fs::write(&vocabulary, words).expect("writable");

    begin(&made, &taught, "xe-end-to-end");
    let file = elsewhere.join("model.safetensors");
    let own: Vec<(String, Tensor)> = weights(&elsewhere);
    let other: Vec<(String, Tensor)> = own.iter().map(|(name, tensor)| (name.clone(), tensor + 0.1)).collect();
    Tensor::write_safetensors(&other, &file).expect("writable");
    let error = train(&made, &taught, &["xe-end-to-end"]).expect_err("other teachers");
    assert!(matches!(error, TrainError::OtherTeachers(_)), "{error}");
    let errors = found();
    assert!(errors.len() == 1 && errors[0].message == error.to_string(), "the check compares weights: {errors:?}");
    Tensor::write_safetensors(&own, &file).expect("writable");
    assert_eq!(found(), [], "as they were");
    fs::rename(&elsewhere, made.path("gone")).expect("renames");
    let errors = found();
    assert!(errors.iter().any(|error| error.message.contains("teacher")), "begun, but it asks again: {errors:?}");
}

#[test]
fn a_state_of_other_words_is_no_start() {
    let made = MadeDataset::new();
    train(&made, &recipe(&made, &[]), &["features", "xe"]).expect("trains");
    let elsewhere = made.path("elsewhere");
    fs::rename(made.path("run/xe"), &elsewhere).expect("renames");
    let entries = fs::read_dir(&elsewhere).expect("readable").map(|entry| entry.expect("readable").path());
    let state = entries.into_iter().find(|path| path.to_string_lossy().contains("state-")).expect("was saved");
    let file = state.join("model.safetensors");
    let body = format!("xe.body=\"checkpoint:{} + checkpoint:{}\"", file.display(), state.display());
    let vocabulary = elsewhere.join("vocab.json");
    let words = fs::read_to_string(&vocabulary).expect("readable");
    fs::write(&vocabulary, words.replacen("\"disc\"", "\"dish\"", 1)).expect("writable");
    let error = train(&made, &recipe(&made, &[&body]), &["xe"]).expect_err("other words");
    assert!(matches!(error, TrainError::StrangeWords(_)), "{error}");
    fs::write(&vocabulary, words).expect("writable");
    train(&made, &recipe(&made, &[&body]), &["xe"]).expect("the same words");
}

#[test]
fn features_that_are_half_done_are_no_start() {
    let made = MadeDataset::new();
    let recipe = recipe(&made, &["features.batch_size=1"]);
    stop_at(&made, &recipe, "features", |event| matches!(event, Event::Progress { .. }));
    let report = check(&recipe, &made.path("run"), Device::Cpu, ["xe"], None).expect("looks");
    assert!(report.has_errors(), "{report:?}");
    let error = train(&made, &recipe, &["xe"]).expect_err("a part of the features");
    assert!(matches!(error, TrainError::PartOfFeatures(_)), "{error}");
    train(&made, &recipe, &["features", "xe"]).expect("goes on");
}

#[test]
fn missing_pictures_are_passed_over_by_measures_as_by_trainings() {
    let made = MadeDataset::new();
    fs::remove_file(made.path("images/red-disc.png")).expect("was there");
    fs::write(made.path("images/blue-disc.png"), b"no picture").expect("writable");
    let recipe = recipe(&made, &[]);
    let time = Some(std::time::Duration::from_millis(1));
    let report =
        check(&recipe, &made.path("run"), Device::Cpu, ["features", "xe", "xe-end-to-end"], time).expect("checks");
    assert!(!report.has_errors(), "{report:?}");
    assert!(report.phases.iter().all(|phase| phase.seconds.is_some()), "{report:?}");
}

#[test]
fn the_recipe_trained_with_last_is_kept_unless_a_phase_refuses_it() {
    let made = MadeDataset::new();
    let kept = || Recipe::read(&made.path("run").join(FILE), &[]).expect("was kept");
    let first = recipe(&made, &[]);
    train(&made, &first, &["features", "xe"]).expect("trains");
    assert_eq!(kept(), first);
    let later = recipe(&made, &["xe-end-to-end.learning_rate=1e-5"]);
    train(&made, &later, &["xe"]).expect("is complete");
    assert_eq!(kept(), later);
    let another = recipe(&made, &["xe.learning_rate=1e-5"]);
    let error = train(&made, &another, &["xe"]).expect_err("begun with another");
    assert!(error.to_string().contains("(xe.learning_rate differs)"), "{error}");
    let report = check(&another, &made.path("run"), Device::Cpu, ["xe"], None).expect("looks");
    assert!(report.findings.iter().any(|finding| finding.code == "recipe"), "{report:?}");
    assert_eq!(kept(), later);
}

#[test]
fn a_run_goes_on_where_its_pictures_have_moved() {
    let made = MadeDataset::new();
    train(&made, &recipe(&made, &["xe.epochs=2"]), &["features"]).expect("trains");
    begin(&made, &recipe(&made, &["xe.epochs=2", "xe.save_every_minutes=1e-9"]), "xe");
    fs::rename(made.path("images"), made.path("moved")).expect("renames");
    fs::rename(made.path("dataset.json"), made.path("moved.json")).expect("renames");
    let images = format!("data.images={}", made.path("moved").display());
    let dataset = format!("data.dataset={}", made.path("moved.json").display());
    let moved = recipe(&made, &["xe.epochs=2", &images, &dataset]);
    train(&made, &moved, &["features", "xe", "xe-end-to-end"]).expect("goes on");
    let kept = Recipe::read(&made.path("run").join(FILE), &[]).expect("was kept");
    assert_eq!(kept, moved);
}

#[test]
fn features_of_a_folder_that_cannot_be_read_are_not_taken_for_all() {
    let made = MadeDataset::new();
    let recipe = recipe(&made, &["features.batch_size=1"]);
    let away = made.path("away");
    fs::rename(made.path("images"), &away).expect("renames");
    fs::create_dir(made.path("images")).expect("made");
    for entry in fs::read_dir(&away).expect("readable") {
        fs::write(made.path("images").join(entry.expect("readable").file_name()), b"gone").expect("writable");
    }
    let error = train(&made, &recipe, &["features"]).expect_err("nothing can be read");
    assert!(matches!(error, TrainError::Batch(_)), "{error}");
    fs::remove_dir_all(made.path("images")).expect("was there");
    fs::rename(away, made.path("images")).expect("renames");
    assert_eq!(train(&made, &recipe, &["features"]).expect("goes on"), Outcome::Completed);
    let stored = FeatureReader::open(&made.path("run/features/features.hdf5")).expect("opens");
    assert_eq!(stored.len(), 12);
}

#[test]
fn features_go_on_where_most_of_what_is_left_is_missing() {
    let made = MadeDataset::new();
    for colour in ["red", "green", "blue"] {
        fs::remove_file(made.path(&format!("images/{colour}-disc.png"))).expect("was there");
    }
    let recipe = recipe(&made, &[]);
    stop_at(&made, &recipe, "features", |event| matches!(event, Event::Progress { .. }));
    assert_eq!(train(&made, &recipe, &["features"]).expect("goes on"), Outcome::Completed);
    let stored = FeatureReader::open(&made.path("run/features/features.hdf5")).expect("opens");
    assert_eq!(stored.len(), 6);
}

#[test]
fn a_phase_without_what_it_goes_on_with_is_found_by_the_check() {
    let made = MadeDataset::new();
    let recipe = recipe(&made, &[]);
    let messages = |phases: &[&str]| -> Vec<String> {
        let report = check(&recipe, &made.path("run"), Device::Cpu, phases.iter().copied(), None).expect("checks");
        let errors = report.findings.into_iter().filter(|finding| finding.level == Level::Error);
        errors.map(|finding| finding.message).collect()
    };
    let lacking = messages(&["scst"]);
    assert_eq!(lacking.len(), 2, "{lacking:?}");
    assert!(lacking[0].contains("`tuned-features`") && lacking[1].contains("`xe-end-to-end`"), "{lacking:?}");
    assert!(messages(&["features", "xe", "xe-end-to-end"]).is_empty());
    assert_eq!(messages(&["xe"]).len(), 1);
    train(&made, &recipe, &["features"]).expect("stores features");
    assert!(messages(&["xe"]).is_empty(), "its features are there");
}

#[test]
fn an_evaluation_of_much_fewer_images_chooses_no_checkpoint() {
    let made = MadeDataset::new();
    train(&made, &recipe(&made, &[]), &["features", "xe"]).expect("trains");
    fs::write(made.path("images/red-disc.png"), b"no picture").expect("writable");
    train(&made, &recipe(&made, &[]), &["xe-end-to-end"]).expect("trains");
    let events = fs::read_to_string(made.path("run/events.jsonl")).expect("readable");
    let told = |text: &str| events.lines().any(|line| line.contains(text) && line.contains("xe-end-to-end"));
    assert!(told("left out of the evaluation") && told("\"images\":5"));
    let saved = checkpoints(&made.path("run"), "xe-end-to-end").expect("readable");
    assert!(!saved.is_empty() && saved.iter().all(|checkpoint| !checkpoint.best && checkpoint.cider.is_none()));
}
