//! API keys: made once, shown once, known by their hash.

use super::{Store, StoreError, new_id, secrets};
use serde::Serialize;
use sqlx::FromRow;

/// What an API key begins with.
const KEY_START: &str = "en_";
/// Characters of a key that are kept, to recognise it by.
const PREFIX_LENGTH: usize = 10;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Serialize, FromRow, utoipa::ToSchema)]
pub struct ApiKey {
    /// UUID version 7.
    pub id: String,
    /// Whose it is, in an admin's words.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// RFC 3339, UTC, in seconds.
    pub created_at: String,
    /// The same, right to about a minute; `None`: never.
    pub last_used_at: Option<String>,
    /// Since when it no longer holds.
    pub revoked_at: Option<String>,
    /// Whether programs that send it may do what admins do.
    pub admin: bool,
}

/// A key that was just made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What will be known of it.
    pub key: ApiKey,
    /// The key itself, which cannot be had again.
    pub secret: String,
}

/// A key that holds, found by its secret.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct ValidKey {
    /// The key's id.
    pub id: String,
    /// Whether programs that send it may do what admins do.
    pub admin: bool,
    /// True when its last use was noted more than a minute ago, or never.
    pub use_unnoted: bool,
}

/// What an admin calls a key: without spaces around it; `None` where nobody could read it.
pub fn key_name(text: &str) -> Option<&str> {
    let name = text.trim();
    let length = name.chars().count();
    ((1..=100).contains(&length) && !name.chars().any(char::is_control)).then_some(name)
}

impl Store {
    /// Makes a key.
    ///
    /// # Errors
    /// When the database fails or the system has no random numbers.
    pub async fn create_key(&self, name: &str) -> Result<NewKey, StoreError> {
        self.make_key(name, false).await
    }

    /// Makes a key for a program that does what admins do.
    ///
    /// # Errors
    /// As [`Store::create_key`].
    pub async fn create_admin_key(&self, name: &str) -> Result<NewKey, StoreError> {
        self.make_key(name, true).await
    }

    async fn make_key(&self, name: &str, admin: bool) -> Result<NewKey, StoreError> {
        let secret = format!("{KEY_START}{}", secrets::new_secret()?);
        let key = sqlx::query_as(
            "INSERT INTO api_keys (id, name, prefix, hash, admin) VALUES (?, ?, ?, ?, ?) \
             RETURNING id, name, prefix, created_at, last_used_at, revoked_at, admin",
        )
        .bind(new_id())
        .bind(name)
        .bind(&secret[..PREFIX_LENGTH])
        .bind(secrets::hash(&secret))
        .bind(admin)
        .fetch_one(&self.writer)
        .await?;
        Ok(NewKey { key, secret })
    }

    /// Lists all keys, newest first, revoked ones too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let keys = sqlx::query_as(
            "SELECT id, name, prefix, created_at, last_used_at, revoked_at, admin FROM api_keys ORDER BY id DESC",
        );
        Ok(keys.fetch_all(&self.database).await?)
    }

    /// Finds the key with this secret, if it holds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn valid_key(&self, secret: &str) -> Result<Option<ValidKey>, StoreError> {
        let found = sqlx::query_as(
            "SELECT id, admin, last_used_at IS NULL OR last_used_at < strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-1 minute') \
             AS use_unnoted FROM api_keys WHERE hash = ? AND revoked_at IS NULL",
        );
        Ok(found.bind(secrets::hash(secret)).fetch_optional(&self.database).await?)
    }

    /// Notes that a key was used now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_key_use(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE api_keys SET last_used_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = ?")
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Ends a key for good, with the sessions of whoever signed in with it. False when no such key held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_key(&self, id: &str) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let revoked = sqlx::query(
            "UPDATE api_keys SET revoked_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') \
             WHERE id = ? AND revoked_at IS NULL",
        )
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM sessions WHERE key_id = ?").bind(id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(revoked.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_known_by_its_secret_until_it_is_revoked() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        let NewKey { key, secret } = store.create_key("the app").await.expect("made");
        assert_eq!((key.name.as_str(), key.prefix.as_str()), ("the app", &secret[..10]));
        assert!(secret.starts_with("en_") && secret.len() == 46, "{secret}");

        let found = store.valid_key(&secret).await.expect("reads").expect("holds");
        assert_eq!(found, ValidKey { id: key.id.clone(), admin: false, use_unnoted: true });
        assert_eq!(store.valid_key(&key.prefix).await.expect("reads"), None);

        assert!(store.revoke_key(&key.id).await.expect("revokes"));
        assert_eq!(store.valid_key(&secret).await.expect("reads"), None);
        assert!(!store.revoke_key(&key.id).await.expect("reads"), "it was revoked before");
        assert!(!store.revoke_key("nothing").await.expect("reads"));
        let kept = store.keys().await.expect("lists");
        assert_eq!((kept.len(), kept[0].id.as_str()), (1, key.id.as_str()));
        assert!(kept[0].revoked_at.is_some());
    }

    #[tokio::test]
    async fn the_use_of_a_key_is_noted_once_a_minute() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        let NewKey { key, secret } = store.create_key("the app").await.expect("made");
        let unnoted = async || store.valid_key(&secret).await.expect("reads").expect("holds").use_unnoted;
        assert_eq!(key.last_used_at, None);

        store.note_key_use(&key.id).await.expect("notes");
        assert!(!unnoted().await, "just noted");
        assert!(store.keys().await.expect("lists")[0].last_used_at.is_some());

        let earlier = "UPDATE api_keys SET last_used_at = '2026-01-01T00:00:00Z'";
        sqlx::query(earlier).execute(&store.database).await.expect("writes");
        assert!(unnoted().await, "long ago");
    }

    #[test]
    fn names_are_one_readable_line() {
        assert_eq!(key_name("  the app "), Some("the app"));
        for name in ["", "   ", "two\nlines", &"x".repeat(101)] {
            assert_eq!(key_name(name), None, "{name:?}");
        }
    }

    #[tokio::test]
    async fn the_database_holds_no_secret() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        let NewKey { secret, .. } = store.create_key("the app").await.expect("made");
        let text: String = sqlx::query_scalar("SELECT id || name || prefix || hash FROM api_keys")
            .fetch_one(&store.database)
            .await
            .expect("one row");
        assert!(!text.contains(&secret[PREFIX_LENGTH..]), "{text}");
    }
}
