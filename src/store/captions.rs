//! Captions: written once, found again by what was asked, listed newest first.

use super::{NewImage, Store, StoreError, new_id};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

/// One wording and how likely the model finds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Sentence case, full stop.
    pub caption: String,
    /// Mean log-probability per token.
    pub score: f64,
}

/// Where the time went, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, FromRow)]
pub struct Timings {
    /// Decoding and preparing the photo.
    #[sqlx(rename = "decode_ms")]
    pub decode: f64,
    /// Waiting for the model.
    #[sqlx(rename = "queue_ms")]
    pub queue: f64,
    /// Backbone and encoder.
    #[sqlx(rename = "encode_ms")]
    pub encode: f64,
    /// Beam search.
    #[sqlx(rename = "search_ms")]
    pub search: f64,
}

/// What decides the captions of a photo: the same key gives the same captions.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchKey {
    /// Hash of the model's files.
    pub model_revision: String,
    /// The model's number format.
    pub precision: String,
    /// Beams of the search.
    pub beam_size: usize,
    /// Longest caption, in tokens.
    pub max_length: usize,
}

/// A caption about to be stored.
#[derive(Clone, Debug)]
pub struct NewCaption {
    /// The model's name.
    pub model_id: String,
    /// What was asked.
    pub key: SearchKey,
    /// Every beam, best first; at least one.
    pub candidates: Vec<Candidate>,
    /// Where the time went.
    pub timings: Timings,
}

/// A caption with what is known of its photo.
#[derive(Clone, Debug)]
pub struct StoredCaption {
    /// UUID version 7.
    pub id: String,
    /// The best wording.
    pub caption: String,
    /// Its mean log-probability per token.
    pub score: f64,
    /// Every beam, best first.
    pub candidates: Vec<Candidate>,
    /// The model's name.
    pub model_id: String,
    /// Hash of the model's files.
    pub model_revision: String,
    /// Where the time went.
    pub timings: Timings,
    /// RFC 3339, UTC, in seconds.
    pub created_at: String,
    /// The photo's id.
    pub image_id: String,
    /// The photo's hash, of the bytes as uploaded.
    pub sha256: String,
    /// In pixels, upright.
    pub width: u32,
    /// In pixels, upright.
    pub height: u32,
}

/// A row, its candidates still as text.
#[derive(FromRow)]
struct CaptionRow {
    id: String,
    caption: String,
    score: f64,
    candidates: String,
    model_id: String,
    model_revision: String,
    #[sqlx(flatten)]
    timings: Timings,
    created_at: String,
    image_id: String,
    sha256: String,
    width: u32,
    height: u32,
}

impl TryFrom<CaptionRow> for StoredCaption {
    type Error = StoreError;

    fn try_from(row: CaptionRow) -> Result<StoredCaption, StoreError> {
        let candidates = serde_json::from_str(&row.candidates);
        Ok(StoredCaption {
            candidates: candidates.map_err(|source| StoreError::Candidates { id: row.id.clone(), source })?,
            id: row.id,
            caption: row.caption,
            score: row.score,
            model_id: row.model_id,
            model_revision: row.model_revision,
            timings: row.timings,
            created_at: row.created_at,
            image_id: row.image_id,
            sha256: row.sha256,
            width: row.width,
            height: row.height,
        })
    }
}

/// Captions with their photos; each query says which and in what order.
macro_rules! select_captions {
    ($rest:literal) => {
        concat!(
            "SELECT captions.id, caption, score, candidates, model_id, model_revision, \
             decode_ms, queue_ms, encode_ms, search_ms, captions.created_at, \
             image_id, sha256, width, height \
             FROM captions JOIN images ON images.id = captions.image_id ",
            $rest
        )
    };
}

impl Store {
    /// Stores a photo, if it is new, and its caption, in one transaction.
    ///
    /// When an equal request was faster, its caption is returned and nothing is written.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_caption(&self, image: &NewImage, caption: &NewCaption) -> Result<StoredCaption, StoreError> {
        let mut transaction = self.database.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "INSERT INTO images (id, sha256, file_name, media_type, width, height, bytes) \
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(new_id())
        .bind(&image.sha256)
        .bind(&image.file_name)
        .bind(image.media_type)
        .bind(image.width)
        .bind(image.height)
        .bind(to_integer(image.bytes))
        .execute(&mut *transaction)
        .await?;
        insert_caption(&mut transaction, &image.sha256, caption).await?;
        let row = find(&mut *transaction, &image.sha256, &caption.key).await?;
        transaction.commit().await?;
        row.ok_or(sqlx::Error::RowNotFound)?.try_into()
    }

    /// Finds what the same photo, model and search gave before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_caption(&self, sha256: &str, key: &SearchKey) -> Result<Option<StoredCaption>, StoreError> {
        let row = find(&self.database, sha256, key).await?;
        row.map(StoredCaption::try_from).transpose()
    }

    /// Finds a caption.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn caption(&self, id: &str) -> Result<Option<StoredCaption>, StoreError> {
        let row: Option<CaptionRow> =
            sqlx::query_as(select_captions!("WHERE captions.id = ?")).bind(id).fetch_optional(&self.database).await?;
        row.map(StoredCaption::try_from).transpose()
    }

    /// Lists captions, newest first; with `before`, only those older than that id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn captions(&self, limit: u32, before: Option<&str>) -> Result<Vec<StoredCaption>, StoreError> {
        let rows: Vec<CaptionRow> =
            sqlx::query_as(select_captions!("WHERE ?1 IS NULL OR captions.id < ?1 ORDER BY captions.id DESC LIMIT ?2"))
                .bind(before)
                .bind(limit)
                .fetch_all(&self.database)
                .await?;
        rows.into_iter().map(StoredCaption::try_from).collect()
    }
}

async fn insert_caption(
    connection: &mut sqlx::SqliteConnection,
    sha256: &str,
    new: &NewCaption,
) -> Result<(), StoreError> {
    let best = new.candidates.first().ok_or(sqlx::Error::RowNotFound)?;
    let candidates = serde_json::to_string(&new.candidates).map_err(|source| {
        let id = String::new();
        StoreError::Candidates { id, source }
    })?;
    sqlx::query(
        "INSERT INTO captions (id, image_id, model_id, model_revision, precision, beam_size, max_length, \
         caption, score, candidates, decode_ms, queue_ms, encode_ms, search_ms) \
         SELECT ?, id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM images WHERE sha256 = ? \
         ON CONFLICT (image_id, model_revision, precision, beam_size, max_length) DO NOTHING",
    )
    .bind(new_id())
    .bind(&new.model_id)
    .bind(&new.key.model_revision)
    .bind(&new.key.precision)
    .bind(to_integer(new.key.beam_size))
    .bind(to_integer(new.key.max_length))
    .bind(&best.caption)
    .bind(best.score)
    .bind(candidates)
    .bind(new.timings.decode)
    .bind(new.timings.queue)
    .bind(new.timings.encode)
    .bind(new.timings.search)
    .bind(sha256)
    .execute(connection)
    .await?;
    Ok(())
}

async fn find<'e>(
    database: impl sqlx::SqliteExecutor<'e>,
    sha256: &str,
    key: &SearchKey,
) -> Result<Option<CaptionRow>, sqlx::Error> {
    sqlx::query_as(select_captions!(
        "WHERE sha256 = ? AND model_revision = ? AND precision = ? AND beam_size = ? AND max_length = ?"
    ))
    .bind(sha256)
    .bind(&key.model_revision)
    .bind(&key.precision)
    .bind(to_integer(key.beam_size))
    .bind(to_integer(key.max_length))
    .fetch_optional(database)
    .await
}

/// SQLite's integers are signed; sizes and counts beyond them do not occur.
fn to_integer<N: TryInto<i64>>(number: N) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
