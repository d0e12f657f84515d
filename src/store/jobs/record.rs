//! Taking in what a job told: its lines, the figures in them, its status and the place in the file, all in one
//! transaction, so that no event is lost or doubled whenever the server dies.

use super::events::EventLine;
use super::points::{Point, append, rewind};
use super::{JobStatus, StoredJob};
use crate::store::{Store, StoreError, json_list};

/// What was read of a job's file from `StoredJob::events_offset` on.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The events, in order.
    pub lines: Vec<EventLine>,
    /// Bytes read, lines that are no events included.
    pub bytes: u64,
}

/// What lines come to.
struct Folded<'a> {
    /// Sequence, kind and text of each.
    rows: Vec<(i64, &'a str, &'a str)>,
    /// Phases that go on from an iteration.
    rewinds: Vec<(&'a str, u64)>,
    points: Vec<Point>,
    status: JobStatus,
    sequence: i64,
}

impl Store {
    /// Takes lines in and brings `job` up to date. False where somebody else has recorded meanwhile, or the job is
    /// gone; nothing is changed then.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then, and the same lines can be taken in again.
    pub async fn record_job(&self, job: &mut StoredJob, recorded: &Recorded) -> Result<bool, StoreError> {
        let Folded { rows, rewinds, points, status, sequence } = fold(job, &recorded.lines);
        let offset = job.events_offset + recorded.bytes;
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let updated = sqlx::query(
            "UPDATE jobs SET events_offset = ?, last_sequence = ?, status = ? WHERE id = ? AND events_offset = ?",
        )
        .bind(to_integer(offset))
        .bind(sequence)
        .bind(json_list(&status))
        .bind(&job.id)
        .bind(to_integer(job.events_offset))
        .execute(&mut *transaction)
        .await?;
        if updated.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO job_events (job_id, sequence, kind, line) \
             SELECT ?1, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2)",
        )
        .bind(&job.id)
        .bind(json_list(rows))
        .execute(&mut *transaction)
        .await?;
        for (phase, iteration) in rewinds {
            rewind(&mut transaction, &job.id, phase, iteration).await?;
        }
        append(&mut transaction, &job.id, &points).await?;
        transaction.commit().await?;
        (job.status, job.last_sequence, job.events_offset) = (status, sequence, offset);
        Ok(true)
    }

    /// Takes up an earlier place in the file of `job`, which was shortened. False where somebody else has recorded
    /// meanwhile, or the job is gone; nothing is changed then.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub async fn take_up_job(&self, job: &mut StoredJob, place: u64) -> Result<bool, StoreError> {
        let updated = sqlx::query("UPDATE jobs SET events_offset = ? WHERE id = ? AND events_offset = ?")
            .bind(to_integer(place))
            .bind(&job.id)
            .bind(to_integer(job.events_offset))
            .execute(&self.writer)
            .await?;
        let moved = updated.rows_affected() > 0;
        if moved {
            job.events_offset = place;
        }
        Ok(moved)
    }
}

fn fold<'a>(job: &StoredJob, lines: &'a [EventLine]) -> Folded<'a> {
    let (status, sequence) = (job.status.clone(), job.last_sequence);
    let mut folded = Folded { rows: Vec::new(), rewinds: Vec::new(), points: Vec::new(), status, sequence };
    for line in lines {
        // Numbers that do not go on are of a file whose end a power cut took.
        let number = line.sequence.filter(|&number| number > folded.sequence);
        folded.sequence = number.unwrap_or(folded.sequence + 1);
        folded.rows.push((folded.sequence, &line.event, &line.text));
        folded.status.apply(line);
        if let ("started", Some(phase)) = (line.event.as_str(), &line.phase) {
            // What came after the checkpoint that the phase goes on from is done again.
            let from = line.iteration.unwrap_or(0);
            folded.points.retain(|point| point.phase != *phase || point.iteration <= from);
            folded.rewinds.push((phase, from));
        }
        folded.points.extend(figures(line, &folded.status));
    }
    folded
}

/// The figures in an event.
fn figures(line: &EventLine, status: &JobStatus) -> Vec<Point> {
    let phase = status.phase_of(line).unwrap_or_default();
    let point = |name: &str, value: Option<f64>| {
        let (iteration, time) = (line.iteration.unwrap_or(0), line.time);
        value.map(|value| Point { phase: phase.clone(), name: name.to_owned(), iteration, time, value })
    };
    match line.event.as_str() {
        "metric" => point(line.name.as_deref().unwrap_or_default(), line.value).into_iter().collect(),
        "progress" => point("per_second", line.per_second).into_iter().collect(),
        "evaluation" => line.metrics.iter().filter_map(|(name, value)| point(name, *value)).collect(),
        _ => Vec::new(),
    }
}

fn to_integer(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
