//! What a run tells while it works: one JSON object a line, for people and programs.
//!
//! ```text
//! started -> (progress | metric | sample | evaluation | checkpoint | warning | log)* -> finished
//! ```
//!
//! once for each phase. The loop knows nothing of who listens; [`event_log`] is the file that keeps it all.

pub mod event_log;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A phase begins, or goes on.
    Started {
        /// `features`, `cross-entropy` or `self-critical`; `evaluation` where a model is only judged.
        step: String,
        /// Hash of the recipe; empty for an evaluation.
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
        /// `loss`, `learning_rate`, `reward`, `baseline`, `gradient_norm`, `validation_loss`.
        name: String,
        /// The mean since the last report; over the validation images, where those are judged.
        value: f64,
    },
    /// A caption of a validation image.
    Sample {
        /// Iterations done.
        iteration: u64,
        /// The image's number.
        image: i64,
        /// Its file, relative to the folder of the images.
        file: String,
        /// What the model says of it.
        caption: String,
        /// What people wrote of it.
        references: Vec<String>,
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
    /// Something worth knowing.
    Log {
        /// What.
        message: String,
    },
    /// A phase ends.
    Finished {
        /// `completed`, `stopped`, or what went wrong, for people.
        reason: String,
        /// Which of the three.
        outcome: Ending,
        /// What kind of thing went wrong, where something did.
        kind: Option<FailureKind>,
    },
}

/// How a phase ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything is done.
    Completed,
    /// It was asked to stop, and its state is saved.
    Stopped,
    /// It can't go on.
    Failed,
}

/// What can go wrong, as far as something can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The device's memory, or the machine's.
    OutOfMemory,
    /// The disk.
    DiskFull,
    /// The loss is no number any more.
    Diverged,
    /// Images, captions, features, or the words made of them.
    Data,
    /// Weights to start from or to go on with.
    Weights,
    /// Another process trains there.
    Locked,
    /// Anything else.
    Other,
}

/// An event, when it happened, in which phase, and its place among all of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// From 0.
    pub sequence: u64,
    /// Seconds since 1970.
    pub time: f64,
    /// Name of the phase; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Line {
    /// The line of JSON, its end included.
    fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// Whoever wants to know.
pub type Listener = Box<dyn FnMut(&Line)>;

/// Tells every listener.
#[derive(Default)]
pub struct Events {
    listeners: Vec<Listener>,
    sequence: u64,
    phase: Option<String>,
    ended: bool,
}

impl Events {
    /// Events kept in a file, and numbered on from those that it has.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn kept_in(path: &Path) -> std::io::Result<Self> {
        let (listener, sequence) = event_log::open(path)?;
        Ok(Events { listeners: vec![listener], sequence, phase: None, ended: false })
    }

    /// Says which phase the following events are of.
    pub fn enter(&mut self, phase: &str) {
        (self.phase, self.ended) = (Some(phase.to_owned()), false);
    }

    /// Whether the end of the phase has been told.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Adds a listener.
    pub fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// Tells an event.
    pub fn tell(&mut self, event: Event) {
        self.ended |= matches!(event, Event::Finished { .. });
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let line = Line { sequence: self.sequence, time, phase: self.phase.clone(), event };
        self.sequence += 1;
        for listener in &mut self.listeners {
            listener(&line);
        }
    }

    /// Tells something worth knowing.
    pub fn log(&mut self, message: impl Into<String>) {
        self.tell(Event::Log { message: message.into() });
    }

    /// Tells of something amiss.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.tell(Event::Warning { message: message.into() });
    }
}

/// Writes each event as a line of JSON. A reader that has gone away is no reason to stop a training.
pub fn json_lines(mut to: impl Write + 'static) -> Listener {
    Box::new(move |line| {
        let _ = to.write_all(&line.to_json()).and_then(|()| to.flush());
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn heard() -> (Events, Rc<RefCell<Vec<serde_json::Value>>>) {
        let heard = Rc::new(RefCell::new(Vec::new()));
        let mut events = Events::default();
        let copy = Rc::clone(&heard);
        events.listen(Box::new(move |line| {
            copy.borrow_mut().push(serde_json::from_slice(&line.to_json()).expect("is JSON"));
        }));
        (events, heard)
    }

    #[test]
    fn events_are_numbered_lines_of_json_with_their_phase() {
        let (mut events, heard) = heard();
        events.warn("an image is missing");
        events.enter("xe");
        events.tell(Event::Metric { iteration: 7, name: "loss".into(), value: 0.5 });
        let heard = heard.borrow();
        assert!(heard[0].get("phase").is_none(), "{}", heard[0]);
        let metric = serde_json::json!({"sequence": 1, "time": heard[1]["time"], "phase": "xe", "event": "metric",
            "iteration": 7, "name": "loss", "value": 0.5});
        assert_eq!(heard[1], metric);
        let line: Line = serde_json::from_value(heard[0].clone()).expect("comes back");
        assert_eq!(line.event, Event::Warning { message: "an image is missing".into() });
    }

    #[test]
    fn how_a_phase_ended_is_told_to_programs_too() {
        let (mut events, heard) = heard();
        let ends = [
            (Ending::Completed, None),
            (Ending::Stopped, None),
            (Ending::Failed, Some(FailureKind::OutOfMemory)),
            (Ending::Failed, Some(FailureKind::DiskFull)),
        ];
        for (outcome, kind) in ends {
            events.tell(Event::Finished { reason: "for people".into(), outcome, kind });
        }
        let told: Vec<_> = heard.borrow().iter().map(|line| (line["outcome"].clone(), line["kind"].clone())).collect();
        let null = serde_json::Value::Null;
        assert_eq!(
            told,
            [
                ("completed".into(), null.clone()),
                ("stopped".into(), null),
                ("failed".into(), "out_of_memory".into()),
                ("failed".into(), "disk_full".into())
            ]
        );
    }
}
