//! What surrounds the training itself: checkpoints looked at and packaged, a run checked before it starts, events
//! over several processes.

mod support;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::made_dataset::MadeDataset;
use tch::{Device, Tensor};
use trainer::checkpoint::Package;
use trainer::data::FeatureReader;
use trainer::training::check::Level;
use trainer::training::events::Line;
use trainer::training::{
    CheckReport, Event, Events, Outcome, Recipe, Run, TrainError, check, checkpoints, package_checkpoint,
};

/// A run of the features and cross-entropy phases, its recipe kept beside it.
fn trained(made: &MadeDataset, settings: &[&str]) -> (PathBuf, Recipe) {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    let recipe = Recipe::parse(&made.recipe(2), &settings).expect("is one");
    let folder = made.path("run");
    std::fs::create_dir_all(&folder).expect("writable");
    std::fs::write(folder.join("recipe.toml"), toml::to_string(&recipe).expect("serialises")).expect("writable");
    for phase in ["features", "xe"] {
        let stop = AtomicBool::new(false);
        let run = Run::open(&recipe, &folder, Device::Cpu, &stop).expect("opens");
        let mut events = Events::kept_in(&folder.join("events.jsonl")).expect("opens");
        run.run(Some(phase), &mut events).expect("trains");
    }
    (folder, recipe)
}

fn weight(folder: &Path) -> Tensor {
    let package = Package::read(folder, Device::Cpu).expect("is a model folder");
    package.store.variables()["vocab_linear.weight"].detach()
}

fn lines(run: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(run.join("events.jsonl")).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

#[test]
fn every_checkpoint_is_listed_and_becomes_a_model_folder() {
    let made = MadeDataset::new();
    let (run, _) = trained(&made, &["xe.keep_checkpoints=2"]);
    assert!(checkpoints(&run, "scst").expect("has none").is_empty());
    let found = checkpoints(&run, "xe").expect("has some");
    let states: Vec<_> = found.iter().filter(|checkpoint| !checkpoint.best).collect();
    let best: Vec<_> = found.iter().filter(|checkpoint| checkpoint.best).collect();
    // Twelve captions, four in a batch, an evaluation at the end of each of two epochs.
    assert_eq!(states.iter().map(|state| state.iteration).collect::<Vec<_>>(), [3, 6]);
    assert!(states.iter().all(|state| state.cider.is_some() && state.bytes > 1000 && state.saved_at > 1.7e9));
    assert_eq!(best.len(), 1);
    let highest = states.iter().filter_map(|state| state.cider).fold(f64::MIN, f64::max);
    assert_eq!(best[0].cider, Some(highest));

    let package = |checkpoint: &str, name: &str| {
        package_checkpoint(&run, "xe", checkpoint, false, &made.path(name)).expect("packages");
        weight(&made.path(name))
    };
    assert!(package("best", "a").equal(&weight(&run.join("xe/model"))));
    assert!(package("newest", "b").equal(&package("state-00000006", "c")));
    assert!(!package("newest", "d").equal(&package("state-00000003", "e")));
    let card = std::fs::read_to_string(made.path("e/MODEL_CARD.md")).expect("has one");
    assert!(card.contains("state-00000003") && card.contains("dataset.json"), "{card}");

    package_checkpoint(&run, "xe", "best", true, &made.path("half")).expect("packages");
    assert!(package("best", "g").allclose(&weight(&made.path("half")), 1e-3, 1e-3, false));
    let size = |name: &str| std::fs::metadata(made.path(name).join("model.safetensors")).expect("is there").len();
    assert!(3 * size("half") < 2 * size("g"), "{} and {} bytes", size("half"), size("g"));

    let error =
        package_checkpoint(&run, "xe", "../xe/state-00000003", false, &made.path("f")).expect_err("no such name");
    assert!(error.to_string().contains("it has state-00000003, "), "{error}");
    let error = package_checkpoint(&run, "scst", "best", false, &made.path("f")).expect_err("has not begun");
    assert!(matches!(error, TrainError::NotTrained(_)), "{error}");
    std::fs::rename(run.join("xe"), run.join("of-another-recipe")).expect("is there");
    let error = package_checkpoint(&run, "of-another-recipe", "best", false, &made.path("f")).expect_err("unknown");
    assert!(matches!(error, TrainError::NoPhase { .. }), "{error}");
    assert!(!made.path("f").exists());
}

#[test]
fn a_checkpoint_is_packaged_without_the_dataset() {
    let made = MadeDataset::new();
    let (run, _) = trained(&made, &[]);
    std::fs::remove_file(made.path("dataset.json")).expect("was there");
    package_checkpoint(&run, "xe", "newest", false, &made.path("model")).expect("words and sizes lie beside it");
    Package::read(&made.path("model"), Device::Cpu).expect("is a model folder");
}

#[test]
fn events_of_all_processes_are_numbered_through_and_say_their_phase() {
    let made = MadeDataset::new();
    let (run, _) = trained(&made, &[]);
    let lines = lines(&run);
    assert!(lines.iter().enumerate().all(|(place, line)| line.sequence == place as u64));
    let phases: Vec<&str> = lines.iter().map(|line| line.phase.as_deref().expect("of a phase")).collect();
    assert_eq!((phases[0], phases[phases.len() - 1]), ("features", "xe"));
    let sample = lines.iter().find_map(|line| match &line.event {
        Event::Sample { file, references, .. } => Some((file.clone(), references.clone())),
        _ => None,
    });
    let (file, references) = sample.expect("captions are shown");
    assert!(made.path("images").join(file).is_file());
    assert_eq!(references.len(), 2);
}

#[test]
fn a_phase_does_not_go_on_with_other_words() {
    let made = MadeDataset::new();
    let (run, recipe) = trained(&made, &[]);
    let text = std::fs::read_to_string(made.path("dataset.json")).expect("readable");
    std::fs::write(made.path("dataset.json"), text.replace("disc", "circle")).expect("writable");
    let stop = AtomicBool::new(false);
    let run = Run::open(&recipe, &run, Device::Cpu, &stop).expect("opens");
    let error = run.run(Some("xe"), &mut Events::default()).expect_err("other words");
    assert!(matches!(error, TrainError::OtherWords(_)), "{error}");
}

fn findings(report: &CheckReport) -> Vec<(Level, &str)> {
    report.findings.iter().map(|finding| (finding.level, finding.code)).collect()
}

#[test]
fn a_sound_run_is_checked_and_timed_without_a_trace() {
    let made = MadeDataset::new();
    let recipe = Recipe::parse(&made.recipe(2), &[]).expect("is one");
    let folder = made.path("nowhere/run");
    let time = Some(Duration::from_millis(600));
    let report = check(&recipe, &folder, Device::Cpu, None, time).expect("checks");
    assert_eq!(findings(&report), [], "{:?}", report.findings);
    assert!(!folder.exists());
    let images = report.images;
    assert_eq!((images.train, images.val, images.test, images.missing), (6, 6, 0, 0));
    assert_eq!((report.captions, report.vocabulary, report.device.as_str()), (24, 10, "cpu"));
    assert!(report.disk_needed_bytes > 100_000 && report.disk_free_bytes > 0 && report.memory_needed_bytes.is_some());
    let left: Vec<u64> = report.phases.iter().map(|phase| phase.iterations).collect();
    // Of twelve captions or six images: batches of 4 captions, of 2 images with all theirs, of 3 images.
    assert_eq!(left, [12, 6, 6, 12, 4, 2]);
    for phase in &report.phases {
        let (pace, seconds) = (phase.seconds_per_iteration.expect("measured"), phase.seconds.expect("measured"));
        assert!(pace > 0. && (seconds / pace - phase.iterations as f64).abs() < 1e-6, "{phase:?}");
    }
}

#[test]
fn what_would_stop_a_run_is_found_before_it_starts() {
    let made = MadeDataset::new();
    let report = |settings: &[String]| {
        let recipe = Recipe::parse(&made.recipe(2), settings).expect("is one");
        check(&recipe, &made.path("run"), Device::Cpu, ["features", "xe"], None).expect("checks")
    };
    let set = |key: &str, value: &str| [format!("{key}={value}")];
    assert_eq!(findings(&report(&set("data.images", "/nowhere"))), [(Level::Error, "images")]);
    assert_eq!(findings(&report(&set("data.dataset", "/nowhere.json"))), [(Level::Error, "dataset")]);
    assert_eq!(findings(&report(&set("weights.backbone", "/nowhere.pth"))), [(Level::Error, "weights")]);
    assert_eq!(findings(&report(&set("model.swin_depths", "[1, 2]"))), [(Level::Error, "weights")]);
    let other = format!("checkpoint:{}", support::fixture("tiny_model").join(support::CHECKPOINT).display());
    assert_eq!(findings(&report(&set("xe.body", &other))), [(Level::Error, "weights")]);
    assert_eq!(findings(&report(&set("xe.batch_size", "100"))), [(Level::Error, "captions")]);
    let other_words = report(&set("model.vocab_size", "9"));
    assert_eq!(findings(&other_words), [(Level::Error, "dataset")]);
    let said = &other_words.findings[0].message;
    assert!(said.contains("is 9, and the training captions have 10 words"), "{said}");
    assert_eq!(findings(&report(&set("model.vocab_size", "10"))), [], "that is how many there are");

    std::fs::remove_file(made.path("images/red-disc.png")).expect("was there");
    let report = report(&[]);
    assert_eq!((findings(&report), report.images.missing), (vec![(Level::Warning, "images")], 2));
    assert!(!report.has_errors());
}

#[test]
fn a_missing_picture_is_left_out_and_counted_once() {
    let made = MadeDataset::new();
    std::fs::remove_file(made.path("images/red-disc.png")).expect("was there");
    let (run, _) = trained(&made, &[]);
    let warnings: Vec<String> = lines(&run)
        .into_iter()
        .filter_map(|line| match line.event {
            Event::Warning { message } if line.phase.as_deref() == Some("xe") => Some(message),
            _ => None,
        })
        .collect();
    let left_out = |kind: &str| format!("1 {kind} images are left out for want of their features, e.g. red-disc.png");
    assert_eq!(warnings, [left_out("training"), left_out("validation")]);
}

#[test]
fn features_go_on_after_the_last_image_that_was_stored() {
    let made = MadeDataset::new();
    let recipe = Recipe::parse(&made.recipe(1), &[]).expect("is one");
    let (folder, stop) = (made.path("run"), Arc::new(AtomicBool::new(false)));
    let first_progress = |events: &mut Events| {
        let stop = Arc::clone(&stop);
        events.listen(Box::new(move |line| {
            stop.fetch_or(matches!(line.event, Event::Progress { .. }), Ordering::Relaxed);
        }));
    };
    let begun = |stop_early: bool| {
        stop.store(false, Ordering::Relaxed);
        let run = Run::open(&recipe, &folder, Device::Cpu, &stop).expect("opens");
        let started = Rc::new(Cell::new((0, 0)));
        let (mut events, copy) = (Events::default(), Rc::clone(&started));
        events.listen(Box::new(move |line| {
            if let Event::Started { iteration, iterations, .. } = line.event {
                copy.set((iteration, iterations));
            }
        }));
        if stop_early {
            first_progress(&mut events);
        }
        (run.run(Some("features"), &mut events).expect("stores"), started.get())
    };
    // Six pictures in two splits, four in a batch.
    assert_eq!(begun(true), (Outcome::Stopped, (0, 12)));
    assert_eq!(begun(true), (Outcome::Stopped, (4, 12)));
    assert_eq!(begun(false), (Outcome::Completed, (8, 12)));
    let stored = FeatureReader::open(&folder.join("features/features.hdf5")).expect("opens");
    assert_eq!(stored.len(), 12);
}

#[test]
fn a_batch_of_damaged_pictures_alone_is_passed_over() {
    let made = MadeDataset::new();
    std::fs::write(made.path("images/red-disc.png"), b"no picture").expect("writable");
    let (run, recipe) =
        trained(&made, &["xe-end-to-end.batch_size=1", "xe-end-to-end.captions_per_image=1", "xe-end-to-end.epochs=1"]);
    let (stop, mut events) = (AtomicBool::new(false), Events::kept_in(&run.join("events.jsonl")).expect("opens"));
    let opened = Run::open(&recipe, &run, Device::Cpu, &stop).expect("opens");
    assert_eq!(opened.run(Some("xe-end-to-end"), &mut events).expect("trains"), Outcome::Completed);
    let left_out = |line: &Line| {
        line.phase.as_deref() == Some("xe-end-to-end")
            && matches!(&line.event, Event::Warning { message } if message.starts_with("left out: ") && message.contains("red-disc.png"))
    };
    assert_eq!(lines(&run).iter().filter(|line| left_out(line)).count(), 2); // once for each of its captions
}
