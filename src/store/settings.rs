//! The few settings that are made while the server runs.

use super::{Store, StoreError};

impl Store {
    /// Reads a setting.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let value = sqlx::query_scalar("SELECT value FROM settings WHERE name = ?");
        Ok(value.bind(name).fetch_optional(&self.database).await?)
    }

    /// Makes a setting.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        write_setting(&self.writer, name, value).await
    }
}

/// Makes a setting, also inside a transaction.
pub(super) async fn write_setting<'e>(
    database: impl sqlx::SqliteExecutor<'e>,
    name: &str,
    value: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE \
         SET value = excluded.value, changed_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now')",
    )
    .bind(name)
    .bind(value)
    .execute(database)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_value_holds() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        assert_eq!(store.setting("active_model").await.expect("reads"), None);
        for value in ["one", "other"] {
            store.set_setting("active_model", value).await.expect("writes");
            assert_eq!(store.setting("active_model").await.expect("reads").as_deref(), Some(value));
        }
    }
}
