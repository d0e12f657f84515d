//! A job's row, and what its columns mean.

use super::{JobKind, JobState, StoredJob};
use crate::store::StoreError;
use serde::de::DeserializeOwned;
use sqlx::FromRow;

/// As the table has it.
#[derive(FromRow)]
pub(super) struct Row {
    id: String,
    name: String,
    state: String,
    folder: String,
    device: String,
    recipe: String,
    cloned_from: Option<String>,
    work: String,
    status: String,
    reason: Option<String>,
    process: Option<String>,
    kill_asked: bool,
    stop_asked: bool,
    events_offset: i64,
    last_sequence: i64,
    created_at: String,
    queued_at: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
}

impl TryFrom<Row> for StoredJob {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<StoredJob, StoreError> {
        let id = row.id;
        Ok(StoredJob {
            state: read(&id, &format!("\"{}\"", row.state))?,
            work: read(&id, &row.work)?,
            status: read(&id, &row.status)?,
            reason: row.reason.map(|reason| read(&id, &reason)).transpose()?,
            id,
            name: row.name,
            folder: row.folder,
            device: row.device,
            recipe: row.recipe,
            cloned_from: row.cloned_from,
            process: row.process,
            stop_asked: row.stop_asked,
            kill_asked: row.kill_asked,
            events_offset: row.events_offset.max(0).unsigned_abs(),
            last_sequence: row.last_sequence,
            created_at: row.created_at,
            queued_at: row.queued_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        })
    }
}

fn read<T: DeserializeOwned>(id: &str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|source| StoreError::Job { id: id.to_owned(), source })
}

impl JobState {
    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Stopping => "stopping",
            JobState::Completed => "completed",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::Interrupted => "interrupted",
        }
    }
}

impl JobKind {
    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Train => "train",
            JobKind::Evaluate => "evaluate",
        }
    }
}
