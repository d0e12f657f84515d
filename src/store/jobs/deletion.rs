//! Deleting a job: its row is out of reach at once; what it told, up to a million rows, goes in pieces.
//!
//! A deleted job is found by nobody, and as a completed one moved on by nobody.

use super::JobState;
use crate::store::{Store, StoreError, json_list};

/// Rows in one transaction, so that nobody waits long for a turn to write.
const AT_ONCE: u32 = 2000;

const SOME_EVENTS: &str = "DELETE FROM job_events WHERE job_id = ?1 AND sequence IN \
    (SELECT sequence FROM job_events WHERE job_id = ?1 LIMIT ?2)";

const SOME_POINTS: &str = "DELETE FROM job_points WHERE job_id = ?1 AND (phase, name, place) IN \
    (SELECT phase, name, place FROM job_points WHERE job_id = ?1 LIMIT ?2)";

impl Store {
    /// Forgets a job in one of these states; housekeeping removes what it told. False when it was in none of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_job(&self, id: &str, from: &[JobState]) -> Result<bool, StoreError> {
        let deleted = sqlx::query(
            "UPDATE jobs SET state = 'completed', deleted = 1 \
             WHERE id = ? AND deleted = 0 AND state IN (SELECT value FROM json_each(?))",
        )
        .bind(id)
        .bind(json_list(from))
        .execute(&self.writer)
        .await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Removes deleted jobs with everything they told; others write in between.
    ///
    /// # Errors
    /// When the database fails; the next call goes on from there.
    pub(in crate::store) async fn remove_deleted_jobs(&self) -> Result<(), StoreError> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM jobs WHERE deleted = 1").fetch_all(&self.database).await?;
        for id in ids {
            self.remove_told(SOME_EVENTS, &id).await?;
            self.remove_told(SOME_POINTS, &id).await?;
            sqlx::query("DELETE FROM jobs WHERE id = ?").bind(&id).execute(&self.writer).await?;
        }
        Ok(())
    }

    /// Repeats a deletion of some rows until there are none.
    async fn remove_told(&self, query: &'static str, id: &str) -> Result<(), StoreError> {
        loop {
            let removed = sqlx::query(query).bind(id).bind(AT_ONCE).execute(&self.writer).await?.rows_affected();
            if removed < u64::from(AT_ONCE) {
                return Ok(());
            }
        }
    }
}
