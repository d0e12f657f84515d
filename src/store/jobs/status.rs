//! What a job's events add up to: its phases, how far it is, how good its model is.
//!
//! Nothing here reads a clock or a file, so that the same lines always give the same status.

use super::JobState;
use super::events::EventLine;
use serde::{Deserialize, Serialize};

/// What a job's events add up to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Every phase of the recipe, in order.
    pub phases: Vec<PhaseStatus>,
    /// The phase at work, or the last one that was.
    pub current: Option<String>,
    /// Of the phase at work.
    pub progress: Option<Progress>,
    /// CIDEr-D of the newest evaluation on photos.
    pub newest_cider: Option<f64>,
    /// The best of all on photos.
    pub best_cider: Option<f64>,
    /// What went wrong in the phase that ended last, and its kind.
    pub failure: Option<(String, String)>,
    /// Seconds that its processes have worked, all together.
    #[serde(default)]
    pub worked_seconds: f64,
    /// Up to when that counts; seconds since 1970.
    #[serde(default)]
    pub told_at: Option<f64>,
}

/// A phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PhaseStatus {
    /// Its name in the recipe.
    pub name: String,
    /// `features`, `cross-entropy` or `self-critical`; `evaluation` in a job that judges models.
    pub step: String,
    /// Whether it was chosen.
    pub selected: bool,
    /// Whether it learns of captions alone: its figures are not those of photos.
    #[serde(default)]
    pub sees_captions: bool,
    /// About how long it takes, evaluations left out, where that was measured before the start.
    #[serde(default)]
    pub expected_seconds: Option<f64>,
    /// How it stands.
    pub state: PhaseState,
    /// Iterations (or images) done.
    pub iteration: u64,
    /// Of how many; 0 until it has begun.
    pub iterations: u64,
    /// The epoch at work, from 0.
    pub epoch: u64,
    /// Of how many; 0 until it has begun.
    pub epochs: u64,
    /// Seconds since 1970.
    pub started_at: Option<f64>,
    /// Seconds since 1970.
    pub ended_at: Option<f64>,
    /// How it ended, in words.
    pub reason: Option<String>,
    /// Iterations an epoch.
    #[serde(default)]
    #[schema(ignore)]
    per_epoch: u64,
}

/// How a phase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PhaseState {
    /// Not begun.
    Waiting,
    /// At work.
    Running,
    /// Done.
    Completed,
    /// Asked to stop; its state is saved.
    Stopped,
    /// Something went wrong.
    Failed,
    /// Its process ended without a word.
    Interrupted,
}

/// How far the phase at work is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Progress {
    /// The phase.
    pub phase: String,
    /// From 0.
    pub epoch: u64,
    /// Iterations (or images) done.
    pub iteration: u64,
    /// Of how many.
    pub iterations: u64,
    /// Images or captions a second.
    pub per_second: f64,
    /// At this pace, for this phase.
    pub seconds_left: f64,
    /// Seconds since 1970.
    pub time: f64,
}

impl PhaseStatus {
    /// A phase that has not begun.
    pub fn waiting(name: &str, step: &str, selected: bool) -> PhaseStatus {
        PhaseStatus {
            name: name.to_owned(),
            step: step.to_owned(),
            selected,
            sees_captions: false,
            expected_seconds: None,
            state: PhaseState::Waiting,
            iteration: 0,
            iterations: 0,
            epoch: 0,
            epochs: 0,
            started_at: None,
            ended_at: None,
            reason: None,
            per_epoch: 0,
        }
    }
}

impl JobStatus {
    /// Takes one event in.
    pub fn apply(&mut self, line: &EventLine) {
        self.work_until(line.time);
        match line.event.as_str() {
            "started" => self.started(line),
            "progress" => self.progressed(line),
            "evaluation" => self.evaluated(line),
            "finished" => self.finished(line),
            _ => (),
        }
    }

    /// A process begins to work, at this time: what an earlier one ended with is over, and the pause was no work.
    pub fn process_begins(&mut self, time: f64) {
        (self.failure, self.progress, self.told_at) = (None, None, Some(time));
    }

    /// Events without a time are those of nobody's clock.
    fn work_until(&mut self, time: f64) {
        if time > 0. {
            self.worked_seconds += self.told_at.map_or(0., |before| (time - before).max(0.));
            self.told_at = Some(time);
        }
    }

    /// The process has ended, and with it the job in this state: a phase that was at work without saying how it ended
    /// has failed with the job, or was interrupted.
    pub fn process_ended(&mut self, job: JobState) {
        for phase in self.phases.iter_mut().filter(|phase| phase.state == PhaseState::Running) {
            phase.state = if job == JobState::Failed { PhaseState::Failed } else { PhaseState::Interrupted };
        }
    }

    /// The phase an event belongs to: one that does not say so is of the current one.
    pub fn phase_of(&self, line: &EventLine) -> Option<String> {
        line.phase.clone().or_else(|| self.current.clone())
    }

    /// The newest iteration of the current phase.
    pub fn iteration(&self) -> u64 {
        let current = self.current.as_deref();
        self.phases.iter().find(|phase| Some(phase.name.as_str()) == current).map_or(0, |phase| phase.iteration)
    }

    fn find(&mut self, name: &str) -> Option<&mut PhaseStatus> {
        self.phases.iter_mut().find(|phase| phase.name == name)
    }

    fn started(&mut self, line: &EventLine) {
        let Some(name) = line.phase.clone() else { return };
        self.failure = None;
        self.progress = None;
        if let Some(phase) = self.find(&name) {
            phase.state = PhaseState::Running;
            phase.iteration = line.iteration.unwrap_or(0);
            phase.iterations = line.iterations.unwrap_or(0);
            phase.per_epoch = line.per_epoch.unwrap_or(0);
            phase.epoch = phase.iteration.checked_div(phase.per_epoch).unwrap_or(0);
            phase.epochs = phase.iterations.checked_div(phase.per_epoch).unwrap_or(0);
            phase.started_at = phase.started_at.or(Some(line.time));
            (phase.ended_at, phase.reason) = (None, None);
        }
        self.current = Some(name);
    }

    fn progressed(&mut self, line: &EventLine) {
        let Some(name) = self.phase_of(line) else { return };
        let progress = Progress {
            phase: name.clone(),
            epoch: line.epoch.unwrap_or(0),
            iteration: line.iteration.unwrap_or(0),
            iterations: line.iterations.unwrap_or(0),
            per_second: line.per_second.unwrap_or(0.),
            seconds_left: line.seconds_left.unwrap_or(0.),
            time: line.time,
        };
        if let Some(phase) = self.find(&name) {
            (phase.iteration, phase.epoch) = (progress.iteration, progress.epoch);
            phase.iterations = progress.iterations;
        }
        self.progress = Some(progress);
    }

    fn evaluated(&mut self, line: &EventLine) {
        let Some(cider) = line.metrics.get("CIDEr-D").copied().flatten() else { return };
        let phase = self.phase_of(line);
        // How well captions are told in other words says nothing of how well photos are.
        if self.phases.iter().any(|one| one.sees_captions && Some(&one.name) == phase.as_ref()) {
            return;
        }
        self.newest_cider = Some(cider);
        self.best_cider = Some(self.best_cider.map_or(cider, |best| best.max(cider)));
    }

    fn finished(&mut self, line: &EventLine) {
        let Some(name) = self.phase_of(line) else { return };
        let reason = line.reason.clone().unwrap_or_default();
        // Old trainers only have the reason.
        let state = match line.outcome.as_deref().unwrap_or(&reason) {
            "completed" => PhaseState::Completed,
            "stopped" => PhaseState::Stopped,
            _ => PhaseState::Failed,
        };
        let failed = state == PhaseState::Failed;
        self.failure = failed.then(|| (line.kind.clone().unwrap_or_else(|| "other".to_owned()), reason.clone()));
        self.progress = None;
        self.current = Some(name.clone());
        if let Some(phase) = self.find(&name) {
            phase.state = state;
            phase.ended_at = Some(line.time);
            phase.started_at = phase.started_at.or(Some(line.time));
            phase.reason = failed.then_some(reason);
            if state == PhaseState::Completed {
                phase.iteration = phase.iteration.max(phase.iterations);
            }
        }
    }

    /// Whether every chosen phase is done.
    pub fn completed(&self) -> bool {
        self.phases.iter().filter(|phase| phase.selected).all(|phase| phase.state == PhaseState::Completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> JobStatus {
        let phases =
            vec![PhaseStatus::waiting("features", "features", true), PhaseStatus::waiting("xe", "cross-entropy", true)];
        let mut status = JobStatus { phases, ..JobStatus::default() };
        for line in lines {
            status.apply(&EventLine::read(line).expect("an event"));
        }
        status
    }

    const XE: &str = r#"{"sequence":0,"time":10,"event":"started","phase":"xe","step":"cross-entropy","iteration":0,"iterations":20,"per_epoch":5}"#;

    #[test]
    fn a_phase_begins_goes_on_and_ends() {
        let status = told(&[
            XE,
            r#"{"sequence":1,"time":12.5,"event":"progress","phase":"xe","epoch":1,"iteration":7,"iterations":20,"per_second":3.5,"seconds_left":4}"#,
            r#"{"sequence":2,"time":13,"event":"evaluation","phase":"xe","iteration":10,"images":4,"metrics":{"CIDEr-D":0.5,"BLEU-4":null}}"#,
            r#"{"sequence":3,"time":14,"event":"evaluation","phase":"xe","iteration":15,"images":4,"metrics":{"CIDEr-D":0.25}}"#,
        ]);
        let xe = &status.phases[1];
        assert_eq!((xe.state, xe.iteration, xe.iterations, xe.epoch, xe.epochs), (PhaseState::Running, 7, 20, 1, 4));
        assert_eq!((status.newest_cider, status.best_cider), (Some(0.25), Some(0.5)));
        assert_eq!(status.progress.as_ref().map(|progress| progress.seconds_left), Some(4.));
        assert!(!status.completed());
        assert_eq!(status.iteration(), 7);
    }

    #[test]
    fn captions_told_in_other_words_are_no_captions_of_photos() {
        let judged = |phase: &str, cider: f64| {
            format!(
                r#"{{"sequence":1,"time":9,"event":"evaluation","phase":"{phase}","iteration":1,"metrics":{{"CIDEr-D":{cider}}}}}"#
            )
        };
        let mut language = PhaseStatus::waiting("language", "cross-entropy", true);
        language.sees_captions = true;
        let phases = vec![language, PhaseStatus::waiting("xe", "cross-entropy", true)];
        let mut status = JobStatus { phases, ..JobStatus::default() };
        for line in [judged("language", 1.5), judged("xe", 0.5), judged("xe", 0.25), judged("language", 1.25)] {
            status.apply(&EventLine::read(&line).expect("an event"));
        }
        assert_eq!((status.newest_cider, status.best_cider), (Some(0.25), Some(0.5)));
    }

    #[test]
    fn the_time_of_all_processes_counts_and_the_pauses_between_them_do_not() {
        let mut status = told(&[]);
        let tell = |status: &mut JobStatus, time: f64| {
            let line = format!(r#"{{"sequence":1,"time":{time},"event":"warning","message":"m"}}"#);
            status.apply(&EventLine::read(&line).expect("an event"));
        };
        status.process_begins(100.);
        tell(&mut status, 160.);
        tell(&mut status, 150.);
        status.apply(&EventLine::read(r#"{"event":"warning"}"#).expect("an event"));
        status.process_begins(1000.);
        tell(&mut status, 1030.5);
        assert_eq!(status.worked_seconds, 90.5);
    }

    #[test]
    fn how_a_phase_ends_is_read_in_the_new_form_and_the_old() {
        let ended = |finished: &str| told(&[XE, finished]);
        let of = |status: &JobStatus| (status.phases[1].state, status.failure.clone());
        let failed = ended(
            r#"{"sequence":1,"time":20,"event":"finished","phase":"xe","reason":"no room","outcome":"failed","kind":"disk_full"}"#,
        );
        assert_eq!(of(&failed), (PhaseState::Failed, Some(("disk_full".into(), "no room".into()))));
        let old = ended(r#"{"sequence":1,"time":20,"event":"finished","phase":"xe","reason":"stopped"}"#);
        assert_eq!(of(&old), (PhaseState::Stopped, None));
        let old = ended(r#"{"sequence":1,"time":20,"event":"finished","phase":"xe","reason":"broken"}"#);
        assert_eq!(of(&old), (PhaseState::Failed, Some(("other".into(), "broken".into()))));
        let done = ended(
            r#"{"sequence":1,"time":20,"event":"finished","phase":"xe","reason":"completed","outcome":"completed","kind":null}"#,
        );
        assert_eq!((of(&done), done.phases[1].iteration), ((PhaseState::Completed, None), 20));
    }

    #[test]
    fn a_process_that_ends_without_a_word_was_interrupted_or_has_failed() {
        for (job, phase) in [
            (JobState::Interrupted, PhaseState::Interrupted),
            (JobState::Cancelled, PhaseState::Interrupted),
            (JobState::Failed, PhaseState::Failed),
        ] {
            let mut status = told(&[XE]);
            status.process_ended(job);
            assert_eq!((status.phases[1].state, status.phases[0].state), (phase, PhaseState::Waiting));
        }
    }
}
