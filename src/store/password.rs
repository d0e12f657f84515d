//! The admin's password: hashed with Argon2id, kept among the settings.

use super::settings::write_setting;
use super::{Store, StoreError};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash};
use tokio::sync::Semaphore;

/// The fewest characters of a password.
pub const SHORTEST_PASSWORD: usize = 10;

const SETTING: &str = "admin_password";

/// Each hash takes 19 MiB for some hundredths of a second: a flood of sign-ins waits, and takes no more.
static HASHING: Semaphore = Semaphore::const_new(2);

impl Store {
    /// True when a password was set.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_admin_password(&self) -> Result<bool, StoreError> {
        Ok(self.setting(SETTING).await?.is_some())
    }

    /// Sets the password and ends every admin's session.
    ///
    /// # Errors
    /// When the password is too short or the database fails.
    pub async fn set_admin_password(&self, password: &str) -> Result<(), StoreError> {
        let hash = hashed(password).await?;
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        write_setting(&mut *transaction, SETTING, &hash).await?;
        sqlx::query("DELETE FROM sessions WHERE role = 'admin'").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Sets the password where there was none; false when there was one, which stays.
    ///
    /// # Errors
    /// When the password is too short or the database fails.
    pub async fn set_first_admin_password(&self, password: &str) -> Result<bool, StoreError> {
        if self.has_admin_password().await? {
            return Ok(false);
        }
        let set = sqlx::query("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
            .bind(SETTING)
            .bind(hashed(password).await?)
            .execute(&self.writer)
            .await?;
        Ok(set.rows_affected() > 0)
    }

    /// True when this is the password.
    ///
    /// # Errors
    /// When the database fails or holds no password hash.
    pub async fn is_admin_password(&self, password: &str) -> Result<bool, StoreError> {
        let Some(hash) = self.setting(SETTING).await? else {
            return Ok(false);
        };
        let password = password.to_owned();
        off_the_async_threads(move || {
            let hash = PasswordHash::new(&hash).map_err(password_hash::Error::from)?;
            match Argon2::default().verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }
}

async fn hashed(password: &str) -> Result<String, StoreError> {
    if password.chars().count() < SHORTEST_PASSWORD {
        return Err(StoreError::ShortPassword);
    }
    let password = password.to_owned();
    off_the_async_threads(move || Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())).await
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, password_hash::Error> + Send + 'static,
) -> Result<T, StoreError> {
    let permit = HASHING.acquire().await.map_err(|closed| StoreError::Died(closed.to_string()))?;
    let working = tokio::task::spawn_blocking(move || {
        // Held by the thread, which goes on also where the request that asked is given up.
        let _permit = permit;
        work()
    });
    let done = working.await.map_err(|died| StoreError::Died(died.to_string()))?;
    done.map_err(StoreError::Password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SessionRole;

    async fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(directory.path()).await.expect("a store");
        (directory, store)
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let (_directory, store) = store().await;
        assert!(!store.is_admin_password("").await.expect("reads"), "none is set");
        store.set_admin_password("correct horse").await.expect("set");
        for (password, right) in
            [("correct horse", true), ("correct horse ", false), ("Correct horse", false), ("", false)]
        {
            assert_eq!(store.is_admin_password(password).await.expect("reads"), right, "{password:?}");
        }
        let kept = store.setting(SETTING).await.expect("reads").expect("set");
        assert!(kept.starts_with("$argon2id$"), "{kept}");
    }

    #[tokio::test]
    async fn short_passwords_are_refused_by_characters_not_bytes() {
        let (_directory, store) = store().await;
        let refused = store.set_admin_password("ééééééééé").await.expect_err("nine characters");
        assert!(matches!(refused, StoreError::ShortPassword), "{refused}");
        assert!(!store.has_admin_password().await.expect("reads"));
        store.set_admin_password("éééééééééé").await.expect("ten characters");
    }

    #[tokio::test]
    async fn a_first_password_gives_way_to_one_that_is_there() {
        let (_directory, store) = store().await;
        assert!(store.set_first_admin_password("from the environment").await.expect("set"));
        assert!(!store.set_first_admin_password("another one").await.expect("reads"));
        assert!(store.is_admin_password("from the environment").await.expect("reads"));
    }

    #[tokio::test]
    async fn a_new_password_ends_the_admins_sessions_and_no_others() {
        let (_directory, store) = store().await;
        let key = store.create_key("the app").await.expect("made").key.id;
        let user = SessionRole::User { key };
        let admins = store.start_session(&SessionRole::Admin, 1).await.expect("starts");
        let users = store.start_session(&user, 1).await.expect("starts");
        store.set_admin_password("correct horse").await.expect("set");
        assert_eq!(store.session(&admins).await.expect("reads"), None);
        assert_eq!(store.session(&users).await.expect("reads"), Some(user));
    }
}
