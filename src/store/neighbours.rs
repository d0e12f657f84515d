//! A caption's place in the history: what stands beside it, and whether it was taken out.

use super::{Store, StoreError};
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
    /// Finds the captions beside this one, whether it is there or not; deleted ones are passed over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn neighbours(&self, id: &str) -> Result<Neighbours, StoreError> {
        let neighbours = "SELECT \
            (SELECT MIN(id) FROM captions WHERE id > ?1 AND deleted_at IS NULL) AS newer, \
            (SELECT MAX(id) FROM captions WHERE id < ?1 AND deleted_at IS NULL) AS older";
        Ok(sqlx::query_as(neighbours).bind(id).fetch_one(&self.database).await?)
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
