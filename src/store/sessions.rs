//! Sessions: who signed in with which cookie, until when. Only a hash of the cookie is stored.

use super::{Store, StoreError, secrets};

/// As whom someone signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionRole {
    /// With the admin's password.
    Admin,
    /// With an API key.
    User {
        /// The key's id.
        key: String,
    },
}

impl Store {
    /// Starts a session; gives the cookie's value, which cannot be had again.
    ///
    /// # Errors
    /// When the database fails or the system has no random numbers.
    pub async fn start_session(&self, role: &SessionRole, hours: u32) -> Result<String, StoreError> {
        let secret = secrets::new_secret()?;
        let (role, key) = match role {
            SessionRole::Admin => ("admin", None),
            SessionRole::User { key } => ("user", Some(key)),
        };
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM sessions WHERE expires_at <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')")
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO sessions (hash, role, key_id, expires_at) \
             VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', ?))",
        )
        .bind(secrets::hash(&secret))
        .bind(role)
        .bind(key)
        .bind(format!("+{hours} hours"))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(secret)
    }

    /// Finds whose session this cookie is, if it is neither over nor ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session(&self, secret: &str) -> Result<Option<SessionRole>, StoreError> {
        let found: Option<(String, Option<String>)> = sqlx::query_as(
            "SELECT role, key_id FROM sessions \
             WHERE hash = ? AND expires_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now')",
        )
        .bind(secrets::hash(secret))
        .fetch_optional(&self.database)
        .await?;
        Ok(found.and_then(|(role, key)| match (role.as_str(), key) {
            ("admin", None) => Some(SessionRole::Admin),
            ("user", Some(key)) => Some(SessionRole::User { key }),
            _ => None,
        }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_session(&self, secret: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE hash = ?").bind(secrets::hash(secret)).execute(&self.writer).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_lasts_until_it_is_ended() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        let cookie = store.start_session(&SessionRole::Admin, 87_600).await.expect("starts");
        assert_eq!(store.session(&cookie).await.expect("reads"), Some(SessionRole::Admin));
        assert_eq!(store.session("another").await.expect("reads"), None);
        store.end_session(&cookie).await.expect("ends");
        assert_eq!(store.session(&cookie).await.expect("reads"), None);
    }

    #[tokio::test]
    async fn a_session_expires_and_is_cleared_away() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        let cookie = store.start_session(&SessionRole::Admin, 0).await.expect("starts");
        assert_eq!(store.session(&cookie).await.expect("reads"), None);
        store.start_session(&SessionRole::Admin, 1).await.expect("starts");
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM sessions").fetch_one(&store.database).await.expect("a number");
        assert_eq!(count, 1);
    }

    #[tokio::test]
    async fn a_revoked_key_ends_its_sessions_and_no_others() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        let mut cookies = Vec::new();
        let mut roles = Vec::new();
        for name in ["one", "other"] {
            let key = store.create_key(name).await.expect("made").key.id;
            let role = SessionRole::User { key };
            cookies.push(store.start_session(&role, 1).await.expect("starts"));
            roles.push(role);
        }
        let SessionRole::User { key } = &roles[0] else { panic!("a user") };
        store.revoke_key(key).await.expect("revokes");
        assert_eq!(store.session(&cookies[0]).await.expect("reads"), None);
        assert_eq!(store.session(&cookies[1]).await.expect("reads").as_ref(), Some(&roles[1]));
    }
}
