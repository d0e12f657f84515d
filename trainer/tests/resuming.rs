//! A run that is stopped and taken up again sees what an unbroken one sees.
//!
//! Alone in its file: libtorch's random numbers are the process's, and other tests would draw from them.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::made_dataset::MadeDataset;
use tch::Device;
use trainer::checkpoint::Checkpoints;
use trainer::checkpoint::resume::{Saved, State};
use trainer::training::{Event, Events, Outcome, Recipe, Run};

fn newest(run: &Path, phase: &str) -> State {
    Checkpoints::at(&run.join(phase), 2).newest().expect("reads").expect("there is one")
}

/// What is saved as the model, as the best one too, is the average and not the weights that are trained on.
fn check_averages(run: &Path, phase: &str) {
    let State { model, optimiser, .. } = newest(run, phase);
    let trained = |name: &String| optimiser.get(&format!("{name}.trained"));
    let differing = model.iter().filter(|(name, average)| trained(name).is_some_and(|trained| !trained.equal(average)));
    assert!(differing.count() > model.len() / 2, "{phase} saves what it trains on");
    let all = Checkpoints::at(&run.join(phase), 2).all().expect("reads");
    let best = all.iter().find(|saved| saved.best).expect("was judged");
    let same = |saved: &&Saved| !saved.best && saved.progress.iteration == best.progress.iteration;
    let state = all.iter().find(same).expect("all states are kept").model().expect("reads");
    assert!(best.model().expect("reads").iter().all(|(name, tensor)| tensor.equal(&state[name])), "another is judged");
}

/// The model folder of another run on the same captions.
fn teacher(made: &MadeDataset) -> PathBuf {
    let recipe = Recipe::parse(&made.recipe(1), &["seed=77".to_owned()]).expect("is one");
    let stop = AtomicBool::new(false);
    let run = Run::open(&recipe, &made.path("teacher"), Device::Cpu, &stop).expect("opens");
    run.run(["features", "xe", "xe-end-to-end"], &mut Events::default()).expect("trains");
    made.path("teacher/xe-end-to-end/model")
}

#[test]
fn a_run_stopped_and_resumed_has_the_weights_of_an_unbroken_one() {
    let made = MadeDataset::new();
    // A teacher is asked again after each stop, and an average goes on beside the weights that are trained.
    let settings =
        ["xe.save_every_minutes=1e-9", "xe.keep_checkpoints=99", "xe.ema_decay=0.8", "xe-end-to-end.teachers=TEACHER"];
    let teacher = format!("checkpoint:{}", teacher(&made).display());
    let settings = settings.map(|setting| setting.replace("TEACHER", &format!("\"{teacher} + {teacher}\"")));
    let recipe = Recipe::parse(&made.recipe(4), &settings).expect("is one");
    let train = |folder: &str, stops: &[u64]| {
        let folder = made.path(folder);
        let stop = Arc::new(AtomicBool::new(false));
        for &at in stops.iter().chain([&u64::MAX]) {
            stop.store(false, Ordering::Relaxed);
            let run = Run::open(&recipe, &folder, Device::Cpu, &stop).expect("opens");
            let mut events = Events::default();
            let flag = Arc::clone(&stop);
            events.listen(Box::new(move |line| {
                // Asked after the checkpoint of iteration `at`, so that one more is made.
                if matches!(line.event, Event::Checkpoint { iteration, .. } if iteration == at) {
                    flag.store(true, Ordering::Relaxed);
                }
            }));
            for phase in ["features", "xe", "xe-end-to-end"] {
                let outcome = run.run(Some(phase), &mut events).expect("trains");
                if outcome == Outcome::Stopped {
                    break;
                }
            }
        }
        folder
    };
    let unbroken = train("unbroken", &[]);
    let broken = train("broken", &[2, 7, 10]);
    for phase in ["xe", "xe-end-to-end"] {
        let (unbroken, broken) = (newest(&unbroken, phase).model, newest(&broken, phase).model);
        assert_eq!(unbroken.len(), broken.len());
        for (name, tensor) in &unbroken {
            assert!(tensor.equal(&broken[name]), "{phase}: {name} differs");
        }
    }
    check_averages(&broken, "xe");
}
