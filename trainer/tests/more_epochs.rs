//! A phase that is to have more epochs, or fewer, than it was begun with.
//!
//! The tests take turns: libtorch's random numbers are the process's, and each would draw from the others'.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use support::made_dataset::MadeDataset;
use tch::Device;
use trainer::training::check::Level;
use trainer::training::recipe::FILE;
use trainer::training::{Event, Events, Outcome, Recipe, Run, TrainError, check};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recipe(made: &MadeDataset, settings: &[&str]) -> Recipe {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    Recipe::parse(&made.recipe(2), &settings).expect("is one")
}

/// Trains a phase in a folder, until it is done or has judged the model of iteration `stop_at`.
fn train_until(
    made: &MadeDataset,
    folder: &str,
    settings: &[&str],
    phase: &str,
    stop_at: u64,
) -> Result<Outcome, TrainError> {
    let (recipe, stop) = (recipe(made, settings), Arc::new(AtomicBool::new(false)));
    let run = Run::open(&recipe, &made.path(folder), Device::Cpu, &stop)?;
    run.keep_recipe([phase])?;
    let (mut events, stopping) = (Events::default(), Arc::clone(&stop));
    events.listen(Box::new(move |line| {
        if matches!(line.event, Event::Evaluation { iteration, .. } if iteration == stop_at) {
            stopping.store(true, Ordering::Relaxed);
        }
    }));
    run.run([phase], &mut events)
}

fn train(made: &MadeDataset, folder: &str, settings: &[&str], phase: &str) -> Result<Outcome, TrainError> {
    train_until(made, folder, settings, phase, u64::MAX)
}

fn completes(made: &MadeDataset, folder: &str, settings: &[&str], phases: &[&str]) {
    for phase in phases {
        assert_eq!(train(made, folder, settings, phase).expect("trains"), Outcome::Completed);
    }
}

fn bytes(path: PathBuf) -> Vec<u8> {
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Changes what is written of how far a state is.
fn amend(state: &Path, change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    let path = state.join("progress.json");
    let mut progress = serde_json::from_slice(&bytes(path.clone())).expect("is JSON");
    change(&mut progress);
    fs::write(path, serde_json::to_vec(&progress).expect("serialises")).expect("writable");
}

#[test]
fn more_epochs_end_with_the_weights_of_as_many_from_the_start() {
    let _alone = alone();
    let made = MadeDataset::new();
    // Three iterations an epoch.
    let (longer, longest) = (["xe.epochs=3"], ["xe.epochs=3", "xe-end-to-end.epochs=4"]);
    completes(&made, "unbroken", &longest, &["features", "xe", "xe-end-to-end"]);

    completes(&made, "complete", &[], &["features", "xe"]);
    completes(&made, "complete", &longer, &["xe", "xe-end-to-end"]);
    completes(&made, "complete", &longest, &["xe-end-to-end"]);

    completes(&made, "under-way", &[], &["features"]);
    assert_eq!(train_until(&made, "under-way", &[], "xe", 3).expect("trains"), Outcome::Stopped);
    completes(&made, "under-way", &longest, &["xe", "xe-end-to-end"]);

    for folder in ["complete", "under-way"] {
        for (phase, state) in [("xe", "state-00000009"), ("xe-end-to-end", "state-00000012")] {
            let files = ["model.safetensors", "optimizer.safetensors"].map(|file| format!("{phase}/{state}/{file}"));
            for file in files.into_iter().chain([format!("{phase}/model/model.safetensors")]) {
                let unbroken = bytes(made.path("unbroken").join(&file));
                assert!(unbroken == bytes(made.path(folder).join(&file)), "{folder}/{file} differs");
            }
        }
    }
    let kept = Recipe::read(&made.path("complete").join(FILE), &[]).expect("was kept");
    assert_eq!(kept, recipe(&made, &longest));
}

#[test]
fn fewer_epochs_are_for_a_phase_that_has_not_come_as_far() {
    let _alone = alone();
    let made = MadeDataset::new();
    let epochs = |epochs: u64| format!("xe.epochs={epochs}");
    let refused = |fewer: u64| {
        let settings = epochs(fewer);
        let error = train(&made, "run", &[&settings], "xe").expect_err("has come further").to_string();
        let report = check(&recipe(&made, &[&settings]), &made.path("run"), Device::Cpu, ["xe"], None).expect("looks");
        let found: Vec<_> = report.findings.iter().filter(|finding| finding.level == Level::Error).collect();
        assert!(found.len() == 1 && found[0].message == error, "{report:?}");
        error
    };
    completes(&made, "run", &[], &["features"]);
    assert_eq!(train_until(&made, "run", &[&epochs(4)], "xe", 3).expect("trains"), Outcome::Stopped);
    completes(&made, "run", &[&epochs(1)], &["xe"]);
    assert!(made.path("run/xe/model").exists() && made.path("run/xe/state-00000003").exists());

    assert_eq!(train_until(&made, "run", &[&epochs(4)], "xe", 6).expect("goes on"), Outcome::Stopped);
    let said = refused(1);
    assert!(said.contains("xe.epochs is 1") && said.contains("set it to 2 or more"), "{said}");
    completes(&made, "run", &[&epochs(3)], &["xe"]);
    assert!(refused(2).contains("set it to 3 or more"));
    let kept = Recipe::read(&made.path("run").join(FILE), &[]).expect("was kept");
    assert_eq!(kept, recipe(&made, &[&epochs(3)]), "what is refused is not kept");
}

/// A phase's hash as it was when epochs were part of it.
fn former_hash(recipe: &Recipe, name: &str) -> String {
    let mut recipe = recipe.clone();
    recipe.phases.retain(|phase| phase.name() == name);
    (recipe.data.dataset, recipe.data.images) = (PathBuf::new(), PathBuf::new());
    recipe.weights.backbone = Some(PathBuf::new());
    recipe.hash()
}

#[test]
fn states_of_former_versions_go_on_and_may_have_more_epochs() {
    let _alone = alone();
    let made = MadeDataset::new();
    completes(&made, "unbroken", &["xe.epochs=3"], &["features", "xe"]);
    completes(&made, "run", &[], &["features", "xe"]);
    let state = made.path("run/xe/state-00000006");
    let former = former_hash(&recipe(&made, &[]), "xe");
    amend(&state, |progress| {
        progress.insert("recipe".to_owned(), former.clone().into());
        progress.retain(|key, _| key != "epochs" && key != "features");
    });
    let before = bytes(state.join("progress.json"));
    completes(&made, "run", &[], &["xe"]);
    assert_eq!(bytes(state.join("progress.json")), before, "is complete");
    completes(&made, "run", &["xe.epochs=3"], &["xe"]);
    let weights = |run: &str| bytes(made.path(run).join("xe/state-00000009/model.safetensors"));
    assert!(weights("run") == weights("unbroken"));
}

#[test]
fn a_model_that_was_not_made_in_time_is_made_by_the_next_start() {
    let _alone = alone();
    let made = MadeDataset::new();
    completes(&made, "run", &[], &["features", "xe"]);
    let model = made.path("run/xe/model/model.safetensors");
    let whole = bytes(model.clone());
    // As a kill between the last state and the model leaves it, where the phase had a model of fewer epochs.
    amend(&made.path("run/xe/state-00000006"), |progress| {
        progress.insert("finished".to_owned(), false.into());
    });
    fs::write(&model, b"of fewer epochs").expect("writable");
    completes(&made, "run", &[], &["xe"]);
    assert!(bytes(model) == whole);
    let mut beside =
        fs::read_dir(made.path("run/xe")).expect("readable").map(|entry| entry.expect("readable").file_name());
    assert!(beside.all(|name| !name.to_string_lossy().starts_with(".model")));
}

#[test]
fn a_backbone_whose_features_are_stored_gets_no_more_epochs() {
    let _alone = alone();
    let made = MadeDataset::new();
    // The newest weights are the ones gone on with, and the sixth update is the first to change them.
    let few = ["xe-end-to-end.evaluation_images=0"];
    let more = ["xe-end-to-end.evaluation_images=0", "xe-end-to-end.epochs=6"];
    completes(&made, "run", &few, &["features", "xe", "xe-end-to-end", "tuned-features"]);
    assert_eq!(train_until(&made, "run", &few, "scst", 2).expect("trains"), Outcome::Stopped);
    let error = train(&made, "run", &more, "xe-end-to-end").expect_err("its features would be another backbone's");
    assert!(matches!(&error, TrainError::BackboneInUse { features, .. } if features == "tuned-features"), "{error}");

    fs::remove_dir_all(made.path("run/tuned-features")).expect("was there");
    completes(&made, "run", &more, &["xe-end-to-end", "tuned-features"]);
    let error = train(&made, "run", &more, "scst").expect_err("begun with the former features");
    assert!(matches!(error, TrainError::ChangedFeatures { .. }), "{error}");
    fs::remove_dir_all(made.path("run/scst")).expect("was there");
    completes(&made, "run", &more, &["scst"]);
}
