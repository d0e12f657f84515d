//! What an evaluation tells programs: the events of a run's `events.jsonl`, of one phase.

use super::output::Outcome;
use anyhow::Context;
use std::path::Path;
use std::time::{Duration, Instant};
use trainer::captioner::ModelInfo;
use trainer::evaluation::Progress;
use trainer::training::{Ending, Event, Events};

/// The phase's name, and its step.
const PHASE: (&str, &str) = ("captions", "evaluation");

/// Between two events of progress.
const EVERY: Duration = Duration::from_secs(2);

/// Events in a file, where one is named. A fault is not told: it goes to standard error, and the process ends.
pub(super) struct EventLog {
    events: Events,
    told: Option<Instant>,
    images: u64,
}

impl EventLog {
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<EventLog> {
        let kept = |path: &Path| Events::kept_in(path).with_context(|| path.display().to_string());
        let mut events = path.map(kept).transpose()?.unwrap_or_default();
        events.enter(PHASE.0);
        Ok(EventLog { events, told: None, images: 0 })
    }

    /// Tells how far captioning is, now and then; the first time that it begins.
    pub(super) fn show(&mut self, progress: Progress, model: &ModelInfo) {
        let (iteration, iterations) = (progress.done as u64, progress.images as u64);
        match self.told {
            None => self.events.tell(Event::Started {
                step: PHASE.1.to_owned(),
                recipe: String::new(),
                device: model.device.clone(),
                parameters: model.parameters,
                iteration,
                iterations,
                per_epoch: iterations,
            }),
            Some(told) if told.elapsed() < EVERY && iteration < iterations => return,
            Some(_) => self.events.tell(Event::Progress {
                epoch: 0,
                iteration,
                iterations,
                per_second: progress.rate(),
                seconds_left: progress.left().unwrap_or_default().as_secs_f64(),
            }),
        }
        (self.told, self.images) = (Some(Instant::now()), iterations);
    }

    /// Tells the figures, and that the reports are written.
    pub(super) fn end(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let (images, metrics) = (outcome.report.images, outcome.report.figures());
            self.events.tell(Event::Evaluation { iteration: self.images, images, metrics });
        }
        let (reason, outcome) = ("completed".to_owned(), Ending::Completed);
        self.events.tell(Event::Finished { reason, outcome, kind: None });
    }
}
