//! A job as programs and pages see it.

use super::state::{Action, actions};
use crate::store::{CheckpointName, EndReason, JobKind, JobState, PhaseStatus, Progress, StoredJob, Work};
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
    /// What an evaluation judges; null for a training job.
    pub judged: Option<Judged>,
    /// Every phase of the recipe, in order.
    pub phases: Vec<PhaseStatus>,
    /// Of the phase at work.
    pub progress: Option<Progress>,
    /// CIDEr-D of the newest evaluation on photos.
    pub newest_cider: Option<f64>,
    /// The best of all on photos.
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
    /// Seconds that its processes have worked, all together.
    pub worked_seconds: f64,
    /// Of the newest event; -1: none.
    pub last_sequence: i64,
    /// What may be done with it now.
    pub actions: Vec<Action>,
}

/// What an evaluation judges, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Judged {
    /// Several are one ensemble.
    pub models: Vec<JudgedModel>,
    /// The dataset's file.
    pub dataset: String,
    /// Folder of its images.
    pub images: String,
    /// `val`, `test` or `both`.
    pub split: String,
    /// Beams of the searches.
    pub beam_sizes: Vec<usize>,
    /// The first images of each split only.
    pub limit: Option<usize>,
}

/// A model that is judged.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct JudgedModel {
    /// As admins call it.
    pub name: String,
    /// What it was made of; null for a model folder.
    pub checkpoint: Option<CheckpointName>,
}

impl Judged {
    fn by(work: Work) -> Option<Judged> {
        let Work::Evaluate { names, checkpoints, dataset, images, split, beam_sizes, limit, .. } = work else {
            return None;
        };
        let mut checkpoints = checkpoints.into_iter();
        let model = |name| JudgedModel { name, checkpoint: checkpoints.next().flatten() };
        let models = names.into_iter().map(model).collect();
        Some(Judged { models, dataset, images, split, beam_sizes, limit })
    }
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
            judged: Judged::by(job.work),
            phases: job.status.phases,
            progress: job.status.progress,
            newest_cider: job.status.newest_cider,
            best_cider: job.status.best_cider,
            queue_position: place.filter(|_| job.state == JobState::Queued).map(|place| place + 1),
            reason: job.reason,
            created_at: job.created_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            worked_seconds: job.status.worked_seconds,
            last_sequence: job.last_sequence,
            actions: actions(job.state),
            id: job.id,
            name: job.name,
        }
    }
}
