//! A run that is stopped and taken up again sees what an unbroken one sees.
//!
//! Alone in its file: libtorch's random numbers are the process's, and other tests would draw from them.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::made_dataset::MadeDataset;
use tch::Device;
use trainer::checkpoint::{Checkpoints, NamedTensors};
use trainer::training::{Event, Events, Outcome, Recipe, Run};

fn newest(run: &Path, phase: &str) -> NamedTensors {
    let checkpoints = Checkpoints::open(&run.join(phase), 2).expect("opens");
    checkpoints.newest().expect("reads").expect("there is one").model
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
    let settings = ["xe.save_every_minutes=1e-9", "xe.ema_decay=0.8", "xe-end-to-end.teachers=TEACHER"];
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
        let (unbroken, broken) = (newest(&unbroken, phase), newest(&broken, phase));
        assert_eq!(unbroken.len(), broken.len());
        for (name, tensor) in &unbroken {
            assert!(tensor.equal(&broken[name]), "{phase}: {name} differs");
        }
    }
}
