//! What has to go, goes: deletions that can no longer be undone, captions and photos beyond what the
//! settings keep, sessions that are over, deleted jobs, and files that a killed process left without a row.

use super::backup;
use super::captions::to_integer;
use super::files::Files;
use super::{FileKind, Store, StoreError, joined, json_list};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// How long a deletion can be undone.
    pub undo: Duration,
    /// How old captions get.
    pub age: Option<Duration>,
    /// Bytes that photos and thumbnails may take.
    pub bytes: Option<u64>,
}

/// How much a round removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Captions, those of removed photos included.
    pub captions: u64,
    /// Photos with their files.
    pub photos: u64,
}

/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(60);
/// Rows in one transaction, so that nobody waits long for a turn to write.
const AT_ONCE: u32 = 200;

/// Keeps house for as long as it is polled: clears away what a killed process left, then makes a round every
/// minute. What goes wrong is logged and tried again in the next round.
pub async fn run(store: Store, retention: Retention) {
    if let Err(error) = store.sweep().await {
        tracing::error!(%error, "files without a row cannot be cleared away");
    }
    let mut rounds = tokio::time::interval(PERIOD);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        match store.keep_house(&retention).await {
            Ok(Removed { captions: 0, photos: 0 }) => (),
            Ok(Removed { captions, photos }) => tracing::info!(captions, photos, "removed for good"),
            Err(error) => tracing::error!(%error, "housekeeping failed"),
        }
    }
}

impl Store {
    /// One round: removes for good what need not be kept.
    ///
    /// # Errors
    /// When the database fails or a file cannot be removed; the next round goes on from there.
    pub async fn keep_house(&self, retention: &Retention) -> Result<Removed, StoreError> {
        let mut captions = self.remove_captions(DELETED_BEFORE, to_integer(retention.undo.as_secs())).await?;
        if let Some(age) = retention.age {
            captions += self.remove_captions(OLDER_THAN, to_integer(age.as_secs())).await?;
        }
        if let Some(bytes) = retention.bytes {
            captions += self.remove_captions(BEYOND_THE_NEWEST, to_integer(bytes)).await?;
        }
        let photos = self.remove_photos_without_captions().await?;
        sqlx::query("DELETE FROM sessions WHERE expires_at <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now')")
            .execute(&self.writer)
            .await?;
        self.remove_deleted_jobs().await?;
        Ok(Removed { captions, photos })
    }

    /// Removes the captions that a query finds, some at a time.
    async fn remove_captions(&self, query: &'static str, bound: i64) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let some = sqlx::query(query).bind(bound).bind(AT_ONCE).execute(&self.writer).await?.rows_affected();
            removed += some;
            if some < u64::from(AT_ONCE) {
                return Ok(removed);
            }
        }
    }

    /// Removes photos without captions, which nobody sees any more, some at a time.
    ///
    /// The files go inside the transaction, so that an upload of the same photo comes before or after it. A
    /// kill in between leaves the row, which the next round finds.
    async fn remove_photos_without_captions(&self) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let hashes: Vec<String> = sqlx::query_scalar(
                "DELETE FROM images WHERE id IN (SELECT id FROM images \
                 WHERE NOT EXISTS (SELECT 1 FROM captions WHERE image_id = images.id) LIMIT ?) RETURNING sha256",
            )
            .bind(AT_ONCE)
            .fetch_all(&mut *transaction)
            .await?;
            let some = hashes.len();
            self.remove_files(hashes).await?;
            transaction.commit().await?;
            removed += some as u64;
            if some < AT_ONCE as usize {
                return Ok(removed);
            }
        }
    }

    /// Removes the files of those photos that have no row.
    pub(super) async fn remove_orphans(&self, mut hashes: BTreeSet<String>) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        for known in known_hashes(&mut *transaction, &hashes).await? {
            hashes.remove(&known);
        }
        self.remove_files(hashes).await?;
        Ok(transaction.commit().await?)
    }

    async fn remove_files(&self, hashes: impl IntoIterator<Item = String> + Send + 'static) -> Result<(), StoreError> {
        let files = self.files.clone();
        joined(tokio::task::spawn_blocking(move || hashes.into_iter().try_for_each(|sha256| files.remove(&sha256))))
            .await
    }

    /// Clears away what a process that was killed left: half a restored backup, files on the way to their place that
    /// are not this store's own, and files in their place whose row did not come. For whoever has the folder alone.
    ///
    /// # Errors
    /// When a folder cannot be read, a file cannot be removed, or the database fails.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let directory = self.files.directory().to_owned();
        joined(tokio::task::spawn_blocking(move || {
            backup::remove_abandoned(&directory);
            Ok(())
        }))
        .await?;
        for folder in FileKind::ALL.map(|kind| self.files.folder(kind)) {
            for shelf in Files::list(&folder)? {
                self.sweep_shelf(folder.join(shelf)).await?;
            }
        }
        Ok(())
    }

    async fn sweep_shelf(&self, shelf: PathBuf) -> Result<(), StoreError> {
        let files = self.files.clone();
        let mut hashes: BTreeSet<String> = joined(tokio::task::spawn_blocking(move || {
            let names = Files::list(&shelf)?;
            let mut left = names.iter().filter(|name| files.is_left_behind(name));
            left.try_for_each(|name| Files::remove_file(&shelf.join(name)))?;
            Ok(names.iter().filter_map(|name| hash_of(name)).collect())
        }))
        .await?;
        for known in known_hashes(&self.database, &hashes).await? {
            hashes.remove(&known);
        }
        // They are looked up once more, where nobody can add the row meanwhile.
        if hashes.is_empty() { Ok(()) } else { self.remove_orphans(hashes).await }
    }
}

/// Deleted longer ago than so many seconds.
const DELETED_BEFORE: &str = "DELETE FROM captions WHERE number IN (SELECT number FROM captions \
    WHERE deleted_at <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now', -?1 || ' seconds') LIMIT ?2)";

/// Made longer ago than so many seconds.
const OLDER_THAN: &str = "DELETE FROM captions WHERE number IN (SELECT number FROM captions \
    WHERE created_at <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now', -?1 || ' seconds') LIMIT ?2)";

/// Of photos other than the newest ones that take no more than so many bytes together.
const BEYOND_THE_NEWEST: &str = "DELETE FROM captions WHERE number IN (SELECT number FROM captions \
    JOIN (SELECT id, SUM(bytes) OVER (ORDER BY id DESC) AS together FROM images \
          WHERE EXISTS (SELECT 1 FROM captions WHERE image_id = images.id)) AS newest ON newest.id = image_id \
    WHERE together > ?1 LIMIT ?2)";

/// Those of the hashes that have a row.
async fn known_hashes<'e>(
    database: impl sqlx::SqliteExecutor<'e>,
    hashes: &BTreeSet<String>,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT sha256 FROM images WHERE sha256 IN (SELECT value FROM json_each(?))")
        .bind(json_list(hashes))
        .fetch_all(database)
        .await
}

/// The photo's hash, of the name of a file in its place.
fn hash_of(name: &str) -> Option<String> {
    let (hash, _) = name.split_once('.')?;
    (!hash.is_empty() && hash.chars().all(|c| c.is_ascii_hexdigit())).then(|| hash.to_owned())
}

#[cfg(test)]
mod tests;
