//! Past captions: listed, searched, edited by hand, deleted and brought back.

use super::{CaptionRow, StoredCaption, select_captions};
use crate::store::{Store, StoreError, json_list};

/// Which captions; every part that is `None` lets all of them through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptionFilter {
    /// Words of the caption or of the photo's name, as people type them.
    pub query: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The first day, `YYYY-MM-DD`, UTC.
    pub from: Option<String>,
    /// The last day, `YYYY-MM-DD`, UTC.
    pub until: Option<String>,
}

/// The filter as a condition on `captions`: parameters 1 to 4 are the expression, model, first and last day.
macro_rules! matches_filter {
    () => {
        "deleted_at IS NULL \
         AND (?1 IS NULL OR number IN (SELECT rowid FROM captions_search WHERE captions_search MATCH ?1)) \
         AND (?2 IS NULL OR model_id = ?2) \
         AND (?3 IS NULL OR captions.created_at >= ?3) \
         AND (?4 IS NULL OR captions.created_at < date(?4, '+1 day')) "
    };
}

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
        let rows: Vec<CaptionRow> = sqlx::query_as(select_captions!(
            "WHERE ",
            matches_filter!(),
            "AND (?5 IS NULL OR captions.id < ?5) ORDER BY captions.id DESC LIMIT ?6"
        ))
        .bind(filter.expression())
        .bind(&filter.model)
        .bind(&filter.from)
        .bind(&filter.until)
        .bind(before)
        .bind(limit)
        .fetch_all(&self.database)
        .await?;
        rows.into_iter().map(StoredCaption::try_from).collect()
    }

    /// Counts captions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_captions(&self, filter: &CaptionFilter) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(concat!("SELECT COUNT(*) FROM captions WHERE ", matches_filter!()))
            .bind(filter.expression())
            .bind(&filter.model)
            .bind(&filter.from)
            .bind(&filter.until)
            .fetch_one(&self.database)
            .await?;
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
        sqlx::query(
            "UPDATE captions SET edited = NULLIF(?2, caption), \
             edited_at = iif(NULLIF(?2, caption) IS NULL, NULL, strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) \
             WHERE id = ?1 AND deleted_at IS NULL",
        )
        .bind(id)
        .bind(text)
        .execute(&self.writer)
        .await?;
        self.caption(id).await
    }

    /// Deletes captions, so that they can still be brought back for a while; says how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_captions(&self, ids: &[String]) -> Result<u64, StoreError> {
        let deleted = sqlx::query(
            "UPDATE captions SET deleted_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') \
             WHERE id IN (SELECT value FROM json_each(?)) AND deleted_at IS NULL",
        );
        Ok(deleted.bind(json_list(ids)).execute(&self.writer).await?.rows_affected())
    }

    /// Brings deleted captions back; says how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restore_captions(&self, ids: &[String]) -> Result<u64, StoreError> {
        let restored = sqlx::query(
            "UPDATE captions SET deleted_at = NULL \
             WHERE id IN (SELECT value FROM json_each(?)) AND deleted_at IS NOT NULL",
        );
        Ok(restored.bind(json_list(ids)).execute(&self.writer).await?.rows_affected())
    }
}

impl CaptionFilter {
    fn expression(&self) -> Option<String> {
        self.query.as_deref().and_then(super::search::expression)
    }
}

#[cfg(test)]
mod tests;
