//! All six phases on a made dataset, to a model that knows its pictures; and what stops a run.

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use support::made_dataset::{MadeDataset, pictures};
use tch::Device;
use trainer::captioner::{Captioner, LoadOptions, SearchOptions};
use trainer::checkpoint::{Checkpoints, NamedTensors};
use trainer::data::FeatureReader;
use trainer::device::{DeviceChoice, PrecisionChoice};
use trainer::training::events::Line;
use trainer::training::{Ending, Event, Events, FailureKind, Outcome, Recipe, Run, TrainError};

type Heard = Rc<RefCell<Vec<Line>>>;

fn listening() -> (Events, Heard) {
    let heard = Heard::default();
    let mut events = Events::default();
    let copy = Rc::clone(&heard);
    events.listen(Box::new(move |line| copy.borrow_mut().push(line.clone())));
    (events, heard)
}

#[test]
fn six_phases_end_with_a_model_that_captions_its_pictures() {
    let made = MadeDataset::new();
    let recipe = Recipe::parse(&made.recipe(60), &[]).expect("is one");
    let (folder, stop) = (made.path("run"), AtomicBool::new(false));
    let (mut events, heard) = listening();
    let run = Run::open(&recipe, &folder, Device::Cpu, &stop).expect("opens");
    assert_eq!(run.run(None, &mut events).expect("trains"), Outcome::Completed);

    let completed: Vec<String> = heard
        .borrow()
        .iter()
        .filter(|line| matches!(line.event, Event::Finished { outcome: Ending::Completed, kind: None, .. }))
        .map(|line| line.phase.clone().expect("of a phase"))
        .collect();
    assert_eq!(completed, ["features", "xe", "xe-end-to-end", "tuned-features", "scst", "scst-end-to-end"]);
    for kind in ["loss", "learning_rate", "reward", "baseline", "gradient_norm", "validation_loss"] {
        let told =
            |line: &Line| matches!(&line.event, Event::Metric { name, value, .. } if name == kind && value.is_finite());
        assert!(heard.borrow().iter().any(told), "no {kind} was told");
    }

    let options =
        LoadOptions { device: DeviceChoice::Cpu, precision: PrecisionChoice::Float32, ..LoadOptions::default() };
    for phase in ["xe", "scst-end-to-end"] {
        let captioner = Captioner::load(&folder.join(phase).join("model"), &options).expect("loads");
        for (picture, pixels) in pictures() {
            let prepared = captioner.preprocessor().prepare(&pixels).expect("prepares");
            let encoded = captioner.encode(&[prepared]).expect("encodes");
            let search = SearchOptions::new(3, 8);
            let found = captioner.search(&encoded, &search).expect("searches");
            assert_eq!(found[0][0].caption, picture.caption, "{phase}");
        }
    }
    // A second start finds nothing left to do.
    let (mut events, heard) = listening();
    run.run(None, &mut events).expect("is complete");
    assert!(heard.borrow().iter().all(|line| matches!(line.event, Event::Finished { .. })));
}

#[test]
fn what_does_not_fit_a_run_is_refused() {
    let made = MadeDataset::new();
    let recipe = Recipe::parse(&made.recipe(1), &[]).expect("is one");
    let (folder, stop) = (made.path("run"), AtomicBool::new(false));
    let run = Run::open(&recipe, &folder, Device::Cpu, &stop).expect("opens");
    assert!(matches!(Run::open(&recipe, &folder, Device::Cpu, &stop), Err(TrainError::Locked(_))));
    let mut events = Events::default();
    assert!(matches!(run.run(Some("xee"), &mut events), Err(TrainError::NoPhase { .. })));
    assert!(run.run(Some("xe"), &mut events).is_err(), "its features are not there yet");
    run.run(Some("features"), &mut events).expect("stores features");
    run.run(Some("xe"), &mut events).expect("trains");
    drop(run);

    let other = Recipe::parse(&made.recipe(1), &["xe.learning_rate=9e-3".to_owned()]).expect("is one");
    let run = Run::open(&other, &folder, Device::Cpu, &stop).expect("opens");
    let error = run.run(Some("xe"), &mut events).expect_err("another recipe");
    assert!(matches!(error, TrainError::OtherRecipe { .. }), "{error}");
}

#[test]
fn a_diverging_loss_ends_the_run_and_is_not_saved() {
    let made = MadeDataset::new();
    let recipe = Recipe::parse(&made.recipe(4), &["xe.learning_rate=1e30".to_owned()]).expect("is one");
    let (folder, stop) = (made.path("run"), AtomicBool::new(false));
    let run = Run::open(&recipe, &folder, Device::Cpu, &stop).expect("opens");
    let (mut events, heard) = listening();
    run.run(Some("features"), &mut events).expect("stores features");
    let error = run.run(Some("xe"), &mut events).expect_err("diverges");
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    let heard = heard.borrow();
    let Some(Line { event: Event::Finished { reason, outcome, kind }, .. }) = heard.last() else {
        panic!("its end was not told")
    };
    assert!(reason.contains("learning rate"), "{reason}");
    assert_eq!((*outcome, *kind), (Ending::Failed, Some(FailureKind::Diverged)));
    let saved = Checkpoints::open(&folder.join("xe"), 2).expect("opens").newest().expect("reads");
    let finite = |state: NamedTensors| state.values().all(|tensor| tensor.isfinite().all().int64_value(&[]) == 1);
    assert!(saved.is_none_or(|state| finite(state.model)));
}

#[test]
fn a_damaged_picture_is_left_out_and_told() {
    let made = MadeDataset::new();
    std::fs::write(made.path("images/red-disc.png"), b"no picture").expect("writable");
    let recipe = Recipe::parse(&made.recipe(1), &[]).expect("is one");
    let (folder, stop) = (made.path("run"), AtomicBool::new(false));
    let run = Run::open(&recipe, &folder, Device::Cpu, &stop).expect("opens");
    let (mut events, heard) = listening();
    run.run(Some("features"), &mut events).expect("goes on without it");
    run.run(Some("xe"), &mut events).expect("goes on without it");
    let warned = |text: &str| {
        heard.borrow().iter().any(|line| matches!(&line.event, Event::Warning { message } if message.contains(text)))
    };
    assert!(
        warned("red-disc.png")
            && warned("1 training images are left out for want of their features, e.g. red-disc.png")
    );
}

#[test]
fn every_step_sees_varied_pictures_and_stored_views_are_taken_up_later() {
    let made = MadeDataset::new();
    let all = |settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        Recipe::parse(&made.recipe(2), &settings).expect("is one")
    };
    let (folder, stop) = (made.path("run"), AtomicBool::new(false));
    let stored = |recipe: &Recipe, phase: &str| {
        let run = Run::open(recipe, &folder, Device::Cpu, &stop).expect("opens");
        run.run(Some(phase), &mut Events::default()).expect("stores features");
        FeatureReader::open(&folder.join(phase).join("features.hdf5")).expect("opens")
    };
    let plain = stored(&all(&[]), "features");
    assert!(plain.has(0, 0) && !plain.has(0, 1));
    drop(plain);
    // As many pictures for validation, 100 and on, which are only seen as they are.
    let varied = all(&["features.views=3", "tuned-features.views=2"]
        .into_iter()
        .chain(["xe.augment=true", "xe-end-to-end.augment=true", "scst.augment=true", "scst-end-to-end.augment=true"])
        .collect::<Vec<_>>());
    let views = stored(&varied, "features");
    assert!(views.has(0, 2) && !views.has(0, 3) && views.has(100, 0) && !views.has(100, 1));
    let [first, second] = [0, 1].map(|view| views.read(0, view).expect("is there"));
    assert!(!first.equal(&second));
    drop(views);

    let run = Run::open(&varied, &folder, Device::Cpu, &stop).expect("opens");
    let (mut events, heard) = listening();
    assert_eq!(run.run(None, &mut events).expect("trains"), Outcome::Completed);
    assert!(!heard.borrow().iter().any(|line| matches!(line.event, Event::Warning { .. })), "nothing is left out");
    drop(run);
    assert!(stored(&varied, "tuned-features").has(5, 1));
    let otherwise = all(&["features.views=4", "features.smallest_crop=0.5"]);
    let run = Run::open(&otherwise, &folder, Device::Cpu, &stop).expect("opens");
    let error = run.run(Some("features"), &mut Events::default()).expect_err("the stored views are other ones");
    assert!(matches!(error, TrainError::OtherFeatures(_)), "{error}");
}
