//! A job as programs and pages see it.

use super::state::{Action, actions};
use crate::store::{EndReason, JobKind, JobState, PhaseStatus, Progress, StoredJob};
use serde::Serialize;

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Job {
    /// UUID version 7.
    pub id: String,
    /// In an admin's words.
    pub name: String,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// The run's folder on the server.
    pub folder: String,
    /// `auto`, `cpu` or `cuda`.
    pub device: String,
    /// The shipped recipe that it began with; empty for an evaluation.
    pub recipe: String,
    /// The job whose recipe was changed for this one.
    pub cloned_from: Option<String>,
    /// Every phase of the recipe, in order.
    pub phases: Vec<PhaseStatus>,
    /// Of the phase at work.
    pub progress: Option<Progress>,
    /// CIDEr-D of the newest evaluation.
    pub newest_cider: Option<f64>,
    /// The best of all.
    pub best_cider: Option<f64>,
    /// From 1, while it waits.
    pub queue_position: Option<usize>,
    /// Why it ended.
    pub reason: Option<EndReason>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// When its process started last.
    pub started_at: Option<String>,
    /// When it ended last.
    pub ended_at: Option<String>,
    /// Of the newest event; -1: none.
    pub last_sequence: i64,
    /// What may be done with it now.
    pub actions: Vec<Action>,
}

impl Job {
    /// The view of a job, with its place among those that wait.
    pub fn of(job: StoredJob, waiting: &[StoredJob]) -> Job {
        let place = waiting.iter().position(|other| other.id == job.id);
        Job {
            kind: job.work.kind(),
            state: job.state,
            folder: job.folder,
            device: job.device,
            recipe: job.recipe,
            cloned_from: job.cloned_from,
            phases: job.status.phases,
            progress: job.status.progress,
            newest_cider: job.status.newest_cider,
            best_cider: job.status.best_cider,
            queue_position: place.filter(|_| job.state == JobState::Queued).map(|place| place + 1),
            reason: job.reason,
            created_at: job.created_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            last_sequence: job.last_sequence,
            actions: actions(job.state),
            id: job.id,
            name: job.name,
        }
    }
}
