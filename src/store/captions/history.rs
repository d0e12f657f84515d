//! Past captions: listed, searched, edited by hand, deleted and brought back.

use super::{CaptionRow, StoredCaption, select_captions};
use crate::store::{Store, StoreError, json_list};
use sqlx::SqliteExecutor;

/// Which captions; every part that is `None` lets all of them through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptionFilter {
    /// Words of the caption or of the photo's name, as people type them.
    pub query: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The first day, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// The last day, `YYYY-MM-DD`.
    pub until: Option<String>,
    /// How far the clock that counts these days is ahead of UTC, in minutes.
    pub utc_offset_minutes: i32,
}

/// The filter as a condition on `captions`; its parameters 1 to 5 are bound by `bind_filter`.
macro_rules! matches_filter {
    () => {
        "deleted_at IS NULL \
         AND (?1 IS NULL OR number IN (SELECT rowid FROM captions_search WHERE captions_search MATCH ?1)) \
         AND (?2 IS NULL OR model_id = ?2) \
         AND (?3 IS NULL OR captions.created_at >= strftime('%Y-%m-%dT%H:%M:%SZ', ?3, ?5 || ' minutes')) \
         AND (?4 IS NULL OR captions.created_at < strftime('%Y-%m-%dT%H:%M:%SZ', ?4, '+1 day', ?5 || ' minutes')) "
    };
}

/// Binds the parameters of `matches_filter`; those of the query itself come after them.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {
        $query
            .bind($filter.expression())
            .bind(&$filter.model)
            .bind(&$filter.from)
            .bind(&$filter.until)
            // A day of a clock that is ahead begins earlier.
            .bind(-$filter.utc_offset_minutes)
    };
}

pub(in crate::store) use {bind_filter, matches_filter};

impl Store {
    /// Lists captions, newest first; with `before`, only those older than that id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn captions(
        &self,
        filter: &CaptionFilter,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<StoredCaption>, StoreError> {
        let captions = select_captions!(
            "WHERE ",
            matches_filter!(),
            "AND (?6 IS NULL OR captions.id < ?6) ORDER BY captions.id DESC LIMIT ?7"
        );
        let captions = bind_filter!(sqlx::query_as(captions), filter).bind(before).bind(limit);
        let rows: Vec<CaptionRow> = captions.fetch_all(&self.database).await?;
        rows.into_iter().map(StoredCaption::try_from).collect()
    }

    /// Counts captions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_captions(&self, filter: &CaptionFilter) -> Result<u64, StoreError> {
        let count = concat!("SELECT COUNT(*) FROM captions WHERE ", matches_filter!());
        let count: i64 = bind_filter!(sqlx::query_scalar(count), filter).fetch_one(&self.database).await?;
        Ok(count.unsigned_abs())
    }

    /// Lists the captions with these ids, newest first; unknown and deleted ones are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn captions_with_ids(&self, ids: &[String]) -> Result<Vec<StoredCaption>, StoreError> {
        let rows: Vec<CaptionRow> = sqlx::query_as(select_captions!(
            "WHERE deleted_at IS NULL AND captions.id IN (SELECT value FROM json_each(?)) ORDER BY captions.id DESC"
        ))
        .bind(json_list(ids))
        .fetch_all(&self.database)
        .await?;
        rows.into_iter().map(StoredCaption::try_from).collect()
    }

    /// The names of the models that wrote captions, in alphabetical order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn caption_models(&self) -> Result<Vec<String>, StoreError> {
        let names = "SELECT DISTINCT model_id FROM captions WHERE deleted_at IS NULL ORDER BY model_id";
        Ok(sqlx::query_scalar(names).fetch_all(&self.database).await?)
    }

    /// Puts a person's words over the model's; with `None`, or the model's own words, takes them off again.
    /// Gives the caption, or `None` when it is not there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn edit_caption(&self, id: &str, text: Option<&str>) -> Result<Option<StoredCaption>, StoreError> {
        edit(&self.writer, id, text).await?;
        self.caption(id).await
    }

    /// Deletes captions, so that they can still be brought back for a while; says how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_captions(&self, ids: &[String]) -> Result<u64, StoreError> {
        delete(&self.writer, ids).await
    }

    /// Brings deleted captions back, but those in whose place there is one now; says how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restore_captions(&self, ids: &[String]) -> Result<u64, StoreError> {
        let restored = sqlx::query(
            "UPDATE OR IGNORE captions SET deleted_at = NULL \
             WHERE id IN (SELECT value FROM json_each(?)) AND deleted_at IS NOT NULL",
        );
        Ok(restored.bind(json_list(ids)).execute(&self.writer).await?.rows_affected())
    }
}

/// Puts a person's words over the model's, also inside a transaction.
pub(super) async fn edit<'e>(
    database: impl SqliteExecutor<'e>,
    id: &str,
    text: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE captions SET edited = NULLIF(?2, caption), \
         edited_at = iif(NULLIF(?2, caption) IS NULL, NULL, strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) \
         WHERE id = ?1 AND deleted_at IS NULL",
    )
    .bind(id)
    .bind(text)
    .execute(database)
    .await?;
    Ok(())
}

/// Deletes captions, also inside a transaction; says how many there were.
pub(super) async fn delete<'e>(database: impl SqliteExecutor<'e>, ids: &[String]) -> Result<u64, StoreError> {
    let deleted = sqlx::query(
        "UPDATE captions SET deleted_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') \
         WHERE id IN (SELECT value FROM json_each(?)) AND deleted_at IS NULL",
    );
    Ok(deleted.bind(json_list(ids)).execute(database).await?.rows_affected())
}

impl CaptionFilter {
    /// What the search field says, for the full-text index.
    pub(in crate::store) fn expression(&self) -> Option<String> {
        self.query.as_deref().and_then(super::search::expression)
    }
}

#[cfg(test)]
mod tests;
