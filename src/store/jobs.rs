//! Jobs: what is to be done in which folder, how far it is, and who may change it next.
//!
//! Every change names the states that it may begin in, in the same statement: of two admins who act at the
//! same time, one is told that the other was first.

mod columns;
mod deletion;
mod events;
mod points;
mod record;
mod status;

pub use events::{EventFilter, EventLine, StoredEvent};
pub use points::{FigureRange, Point, Series, SeriesQuery};
pub use record::Recorded;
pub use status::{JobStatus, PhaseState, PhaseStatus, Progress};

use super::{Store, StoreError, json_list, new_id};
use columns::Row;
use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Its process is at work.
    Running,
    /// Its process was asked to save and stop.
    Stopping,
    /// Everything was done.
    Completed,
    /// Something went wrong that would go wrong again.
    Failed,
    /// An admin stopped it.
    Cancelled,
    /// Its process ended without being asked.
    Interrupted,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Phases of a recipe.
    Train,
    /// A model on a dataset.
    Evaluate,
}

/// What a child process is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// Run phases of the recipe that lies in the job's folder.
    Train {
        /// Those that were chosen, in the recipe's order.
        phases: Vec<String>,
    },
    /// Caption a dataset and judge the captions.
    Evaluate {
        /// Model folders; several are an ensemble.
        models: Vec<String>,
        /// What admins call them.
        names: Vec<String>,
        /// The checkpoint that each was made of for this evaluation; none for a model folder. Evaluations from before
        /// this was kept have no such list.
        #[serde(default)]
        checkpoints: Vec<Option<CheckpointName>>,
        /// The dataset's file.
        dataset: String,
        /// Folder of its images.
        images: String,
        /// `val`, `test` or `both`.
        split: String,
        /// Beams of the searches.
        beam_sizes: Vec<usize>,
        /// The first images of each split only.
        limit: Option<usize>,
    },
}

/// A checkpoint that somebody names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointName {
    /// The job's id.
    pub job: String,
    /// The phase.
    pub phase: String,
    /// `state-00004000` or `best-00003600`.
    pub name: String,
}

impl Work {
    /// Whether it trains or judges.
    pub fn kind(&self) -> JobKind {
        match self {
            Work::Train { .. } => JobKind::Train,
            Work::Evaluate { .. } => JobKind::Evaluate,
        }
    }
}

/// Why a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EndReason {
    /// `out_of_memory`, `disk_full`, `diverged`, `data`, `weights`, `locked`, `killed`, `server`, `start`, `other`.
    pub kind: String,
    /// What happened, and what to do.
    pub text: String,
}

/// A job as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredJob {
    /// UUID version 7.
    pub id: String,
    /// In an admin's words.
    pub name: String,
    /// Where it stands.
    pub state: JobState,
    /// The run's folder.
    pub folder: String,
    /// `auto`, `cpu` or `cuda`.
    pub device: String,
    /// The name of the shipped recipe that it began with; empty for an evaluation.
    pub recipe: String,
    /// The job whose recipe was changed for this one.
    pub cloned_from: Option<String>,
    /// What its process is to do.
    pub work: Work,
    /// What its events add up to.
    pub status: JobStatus,
    /// Why it ended.
    pub reason: Option<EndReason>,
    /// Its process, while there is one.
    pub process: Option<String>,
    /// An admin asked it to stop.
    pub stop_asked: bool,
    /// An admin wanted it ended at once.
    pub kill_asked: bool,
    /// Bytes of `events.jsonl` that are recorded.
    pub events_offset: u64,
    /// Of the newest event; -1: none.
    pub last_sequence: i64,
    /// RFC 3339, UTC, in seconds.
    pub created_at: String,
    /// When it was put into the queue last; in milliseconds.
    pub queued_at: Option<String>,
    /// When its process started last.
    pub started_at: Option<String>,
    /// When it ended last.
    pub ended_at: Option<String>,
}

/// A job to keep.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id, by [`new_job_id`].
    pub id: String,
    /// In an admin's words.
    pub name: String,
    /// The run's folder.
    pub folder: String,
    /// `auto`, `cpu` or `cuda`.
    pub device: String,
    /// The name of the shipped recipe that it began with; empty for an evaluation.
    pub recipe: String,
    /// The job whose recipe was changed for this one.
    pub cloned_from: Option<String>,
    /// What its process is to do.
    pub work: Work,
    /// Every phase, untouched.
    pub status: JobStatus,
    /// Whether it goes into the queue at once.
    pub start: bool,
}

/// An id for a job: its text sorts by age.
pub fn new_job_id() -> String {
    new_id()
}

/// What was changed with a job's state.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The process that now works.
    pub process: Option<String>,
    /// Why it ended.
    pub reason: Option<EndReason>,
    /// The status at the end.
    pub status: Option<JobStatus>,
}

impl Store {
    /// Keeps a new job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_job(&self, job: &NewJob) -> Result<StoredJob, StoreError> {
        let (state, reason) = match job.start {
            true => (JobState::Queued, None),
            false => (JobState::Cancelled, Some(EndReason { kind: "other".into(), text: "Not started yet.".into() })),
        };
        sqlx::query(
            "INSERT INTO jobs (id, name, kind, state, folder, device, recipe, cloned_from, work, status, reason, queued_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
        )
        .bind(&job.id)
        .bind(&job.name)
        .bind(job.work.kind().as_str())
        .bind(state.as_str())
        .bind(&job.folder)
        .bind(&job.device)
        .bind(&job.recipe)
        .bind(&job.cloned_from)
        .bind(json_list(&job.work))
        .bind(json_list(&job.status))
        .bind(reason.as_ref().map(json_list))
        .execute(&self.writer)
        .await?;
        self.job(&job.id).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// Finds a job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job(&self, id: &str) -> Result<Option<StoredJob>, StoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM jobs WHERE id = ? AND deleted = 0")
            .bind(id)
            .fetch_optional(&self.database)
            .await?;
        row.map(StoredJob::try_from).transpose()
    }

    /// Jobs, newest first: those in one of these states, or all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(&self, states: &[JobState]) -> Result<Vec<StoredJob>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT * FROM jobs WHERE (?1 = '[]' OR state IN (SELECT value FROM json_each(?1))) \
             AND deleted = 0 ORDER BY id DESC",
        )
        .bind(json_list(states))
        .fetch_all(&self.database)
        .await?;
        rows.into_iter().map(StoredJob::try_from).collect()
    }

    /// Jobs that wait, in the order of their turns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queued_jobs(&self) -> Result<Vec<StoredJob>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM jobs WHERE state = 'queued' ORDER BY queued_at, id")
            .fetch_all(&self.database)
            .await?;
        rows.into_iter().map(StoredJob::try_from).collect()
    }

    /// Puts a job that waits before all others. False when it does not wait.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_job_first(&self, id: &str) -> Result<bool, StoreError> {
        let moved = sqlx::query(
            "UPDATE jobs SET queued_at = (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', MIN(queued_at), '-0.001 seconds') \
             FROM jobs WHERE state = 'queued') WHERE id = ? AND state = 'queued'",
        );
        Ok(moved.bind(id).execute(&self.writer).await?.rows_affected() > 0)
    }

    /// Moves a job from one of these states to another. False when it was in none of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn move_job(
        &self,
        id: &str,
        from: &[JobState],
        to: JobState,
        change: &Change,
    ) -> Result<bool, StoreError> {
        let ended = !matches!(to, JobState::Queued | JobState::Running | JobState::Stopping);
        let moved = sqlx::query(
            "UPDATE jobs SET state = ?1, \
             process = CASE WHEN ?1 IN ('running', 'stopping') THEN COALESCE(?2, process) END, \
             reason = ?3, status = COALESCE(?4, status), \
             stop_asked = CASE ?1 WHEN 'stopping' THEN 1 WHEN 'running' THEN 0 ELSE stop_asked END, \
             kill_asked = CASE ?1 WHEN 'running' THEN 0 ELSE kill_asked END, \
             queued_at = CASE ?1 WHEN 'queued' THEN strftime('%Y-%m-%dT%H:%M:%fZ', 'now') ELSE queued_at END, \
             started_at = CASE ?1 WHEN 'running' THEN strftime('%Y-%m-%dT%H:%M:%SZ', 'now') ELSE started_at END, \
             ended_at = CASE WHEN ?5 THEN strftime('%Y-%m-%dT%H:%M:%SZ', 'now') \
                 WHEN ?1 IN ('queued', 'running') THEN NULL ELSE ended_at END \
             WHERE id = ?6 AND state IN (SELECT value FROM json_each(?7))",
        )
        .bind(to.as_str())
        .bind(&change.process)
        .bind(change.reason.as_ref().map(json_list))
        .bind(change.status.as_ref().map(json_list))
        .bind(ended)
        .bind(id)
        .bind(json_list(from))
        .execute(&self.writer)
        .await?;
        Ok(moved.rows_affected() > 0)
    }

    /// Notes which process works at a running job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_job_process(&self, id: &str, process: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET process = ? WHERE id = ?").bind(process).bind(id).execute(&self.writer).await?;
        Ok(())
    }

    /// Notes that a job's process is to be ended at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ask_job_kill(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE jobs SET kill_asked = 1 WHERE id = ?").bind(id).execute(&self.writer).await?;
        Ok(())
    }

    /// Gives a job another name. False when there is no such job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rename_job(&self, id: &str, name: &str) -> Result<bool, StoreError> {
        let renamed =
            sqlx::query("UPDATE jobs SET name = ? WHERE id = ?").bind(name).bind(id).execute(&self.writer).await?;
        Ok(renamed.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests;
