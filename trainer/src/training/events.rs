//! What a run tells while it works: one JSON object a line, for people and programs.
//!
//! ```text
//! started -> (progress | metric | sample | evaluation | checkpoint | warning)* -> finished
//! ```
//!
//! once for each phase. The loop knows nothing of who listens.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A phase begins, or goes on.
    Started {
        /// Its name.
        phase: String,
        /// `features`, `cross-entropy` or `self-critical`.
        step: String,
        /// Hash of the recipe.
        recipe: String,
        /// `cpu` or `cuda:0`.
        device: String,
        /// Weights that are trained (or run through).
        parameters: u64,
        /// Iteration (or image) it begins at.
        iteration: u64,
        /// Of how many.
        iterations: u64,
        /// Of these a epoch.
        per_epoch: u64,
    },
    /// How far it is.
    Progress {
        /// Name of the phase.
        phase: String,
        /// Epoch, from 0.
        epoch: u64,
        /// Iterations (or images) done.
        iteration: u64,
        /// Of how many.
        iterations: u64,
        /// Images or captions a second since the last report.
        per_second: f64,
        /// At this pace.
        seconds_left: f64,
    },
    /// A figure of the training.
    Metric {
        /// Iterations done.
        iteration: u64,
        /// `loss`, `learning_rate`, `reward`, `gradient_norm`, …
        name: String,
        /// The mean since the last report.
        value: f64,
    },
    /// A caption of a validation image.
    Sample {
        /// Iterations done.
        iteration: u64,
        /// The image's number.
        image: i64,
        /// What the model says of it.
        caption: String,
    },
    /// How good the model is by now.
    Evaluation {
        /// Iterations done.
        iteration: u64,
        /// Validation images.
        images: usize,
        /// By name: `CIDEr-D`, `BLEU-4`, …
        metrics: BTreeMap<String, f64>,
    },
    /// The state is on disk.
    Checkpoint {
        /// Iterations done.
        iteration: u64,
        /// Its folder.
        path: String,
        /// Whether it is the best so far.
        best: bool,
    },
    /// Something is amiss, and the run goes on.
    Warning {
        /// What.
        message: String,
    },
    /// A phase ends.
    Finished {
        /// Its name.
        phase: String,
        /// `completed`, `stopped`, or what went wrong.
        reason: String,
    },
}

/// An event, when it happened, and its place among all of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// From 0.
    pub sequence: u64,
    /// Seconds since 1970.
    pub time: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Whoever wants to know.
pub type Listener = Box<dyn FnMut(&Line)>;

/// Tells every listener.
#[derive(Default)]
pub struct Events {
    listeners: Vec<Listener>,
    sequence: u64,
}

impl Events {
    /// Adds a listener.
    pub fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// Tells an event.
    pub fn tell(&mut self, event: Event) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let line = Line { sequence: self.sequence, time, event };
        self.sequence += 1;
        for listener in &mut self.listeners {
            listener(&line);
        }
    }

    /// Tells of something amiss.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.tell(Event::Warning { message: message.into() });
    }
}

/// Writes each event as a line of JSON. A reader that has gone away is no reason to stop a training.
pub fn json_lines(mut to: impl Write + 'static) -> Listener {
    Box::new(move |line| {
        if let Ok(mut text) = serde_json::to_vec(line) {
            text.push(b'\n');
            let _ = to.write_all(&text).and_then(|()| to.flush());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn events_are_numbered_lines_of_json() {
        let heard = Rc::new(RefCell::new(Vec::<String>::new()));
        let mut events = Events::default();
        let copy = Rc::clone(&heard);
        events.listen(Box::new(move |line| copy.borrow_mut().push(serde_json::to_string(line).expect("serialises"))));
        events.warn("an image is missing");
        events.tell(Event::Metric { iteration: 7, name: "loss".into(), value: 0.5 });
        let heard = heard.borrow();
        let last: serde_json::Value = serde_json::from_str(&heard[1]).expect("is JSON");
        assert_eq!((&last["sequence"], &last["event"], &last["value"]), (&1.into(), &"metric".into(), &0.5.into()));
        let line: Line = serde_json::from_str(&heard[0]).expect("comes back");
        assert_eq!(line.event, Event::Warning { message: "an image is missing".into() });
    }
}
