//! What a job told, line by line, as `events.jsonl` has it.

use crate::store::{Store, StoreError};
use serde::Deserialize;
use sqlx::FromRow;
use std::collections::BTreeMap;

/// One line of `events.jsonl`. Whatever a newer trainer adds is kept in the text.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs, reason = "the fields of trainer::training::Event")]
pub struct EventLine {
    /// Its number in the file. Where a power cut took the end of the file, numbers stand there that were told before.
    pub sequence: Option<i64>,
    /// Seconds since 1970.
    #[serde(default)]
    pub time: f64,
    /// The event's name.
    pub event: String,
    pub phase: Option<String>,
    pub step: Option<String>,
    pub epoch: Option<u64>,
    pub iteration: Option<u64>,
    pub iterations: Option<u64>,
    pub per_epoch: Option<u64>,
    pub per_second: Option<f64>,
    pub seconds_left: Option<f64>,
    pub name: Option<String>,
    pub value: Option<f64>,
    #[serde(default)]
    pub metrics: BTreeMap<String, Option<f64>>,
    pub reason: Option<String>,
    pub outcome: Option<String>,
    pub kind: Option<String>,
    /// The line itself.
    #[serde(skip)]
    pub text: String,
}

impl EventLine {
    /// Reads a line; `None` where it is no event.
    pub fn read(text: &str) -> Option<EventLine> {
        let text = text.trim();
        let line: EventLine = serde_json::from_str(text).ok()?;
        Some(EventLine { text: text.to_owned(), ..line })
    }
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct StoredEvent {
    /// Its place among the job's events.
    pub sequence: i64,
    /// Its name.
    pub kind: String,
    /// The line: a JSON object.
    pub line: String,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Those after this sequence; -1: from the first on.
    pub after: i64,
    /// Names of events; none: all.
    pub kinds: Vec<String>,
    /// Text that the line must hold.
    pub search: String,
    /// How many at most.
    pub limit: u32,
    /// The last ones instead of the first ones; in their order all the same.
    pub newest: bool,
}

impl Store {
    /// The first (or last) events of a job after a place.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_events(&self, id: &str, filter: &EventFilter) -> Result<Vec<StoredEvent>, StoreError> {
        const FIRST: &str = "SELECT sequence, kind, line FROM job_events WHERE job_id = ?1 AND sequence > ?2 \
             AND (?3 = '[]' OR kind IN (SELECT value FROM json_each(?3))) \
             AND (?4 = '' OR instr(lower(line), lower(?4)) > 0) ORDER BY sequence LIMIT ?5";
        const LAST: &str = "SELECT sequence, kind, line FROM job_events WHERE job_id = ?1 AND sequence > ?2 \
             AND (?3 = '[]' OR kind IN (SELECT value FROM json_each(?3))) \
             AND (?4 = '' OR instr(lower(line), lower(?4)) > 0) ORDER BY sequence DESC LIMIT ?5";
        let mut events: Vec<StoredEvent> = sqlx::query_as(if filter.newest { LAST } else { FIRST })
            .bind(id)
            .bind(filter.after)
            .bind(crate::store::json_list(&filter.kinds))
            .bind(&filter.search)
            .bind(filter.limit)
            .fetch_all(&self.database)
            .await?;
        if filter.newest {
            events.reverse();
        }
        Ok(events)
    }

    /// Every event of a kind that is rare: `sample`, `evaluation`, `checkpoint`, `warning`, …
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job_events_of_note(&self, id: &str, kind: &str) -> Result<Vec<StoredEvent>, StoreError> {
        let events = sqlx::query_as(
            "SELECT sequence, kind, line FROM job_events WHERE job_id = ? AND kind = ? \
             AND kind NOT IN ('metric', 'progress') ORDER BY sequence",
        );
        Ok(events.bind(id).bind(kind).fetch_all(&self.database).await?)
    }
}
