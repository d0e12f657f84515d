//! A caption's place in the history: what stands beside it, and whether it was taken out.

use super::captions::{bind_filter, matches_filter};
use super::{CaptionFilter, Store, StoreError};
use sqlx::FromRow;

/// The captions beside one, by their ids.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Neighbours {
    /// The next newer one.
    pub newer: Option<String>,
    /// The next older one.
    pub older: Option<String>,
}

impl Store {
    /// Finds the captions beside this one among those that the filter lets through, whether it is one of them or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn neighbours(&self, id: &str, filter: &CaptionFilter) -> Result<Neighbours, StoreError> {
        let neighbours = concat!(
            "SELECT (SELECT MIN(id) FROM captions WHERE id > ?6 AND ",
            matches_filter!(),
            ") AS newer, (SELECT MAX(id) FROM captions WHERE id < ?6 AND ",
            matches_filter!(),
            ") AS older"
        );
        Ok(bind_filter!(sqlx::query_as(neighbours), filter).bind(id).fetch_one(&self.database).await?)
    }

    /// True when the caption was deleted and can still be brought back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_deleted(&self, id: &str) -> Result<bool, StoreError> {
        let deleted = "SELECT EXISTS (SELECT 1 FROM captions WHERE id = ? AND deleted_at IS NOT NULL)";
        Ok(sqlx::query_scalar(deleted).bind(id).fetch_one(&self.database).await?)
    }
}
