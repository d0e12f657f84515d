//! Captions: written once, found again by what was asked. `history.rs` is what people do with them later.

mod conditional;
mod history;
mod search;

pub use conditional::Conditional;
pub use history::CaptionFilter;
pub(super) use history::{bind_filter, matches_filter};

use super::images::{NewImage, StoredImage};
use super::{Store, StoreError, joined, new_id};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, SqliteConnection, SqliteExecutor};

/// One wording and how likely the model finds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    /// Sentence case, full stop.
    pub caption: String,
    /// Mean log-probability per token.
    pub score: f64,
}

/// Where the time went, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, FromRow, utoipa::ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Every beam, in the order of the search; at least one.
    pub candidates: Vec<Candidate>,
    /// Where the time went.
    pub timings: Timings,
}

/// A caption with what is known of its photo.
#[derive(Clone, Debug)]
pub struct StoredCaption {
    /// UUID version 7.
    pub id: String,
    /// The model's best wording.
    pub caption: String,
    /// What a person made of it.
    pub edited: Option<String>,
    /// When, as `created_at`.
    pub edited_at: Option<String>,
    /// Of `caption`: its mean log-probability per token.
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
    /// The newest name that the photo was uploaded under.
    pub file_name: Option<String>,
}

impl StoredCaption {
    /// What a new caption's row says, without reading it again.
    fn new(inserted: Inserted, new: &NewCaption, image: &ImageRow) -> Result<StoredCaption, StoreError> {
        let best = new.candidates.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok(StoredCaption {
            id: inserted.id,
            caption: best.caption.clone(),
            edited: None,
            edited_at: None,
            score: best.score,
            candidates: new.candidates.clone(),
            model_id: new.model_id.clone(),
            model_revision: new.key.model_revision.clone(),
            timings: new.timings,
            created_at: inserted.created_at,
            image_id: image.image.id.clone(),
            sha256: image.image.sha256.clone(),
            width: image.width,
            height: image.height,
            file_name: image.file_name.clone(),
        })
    }

    /// The wording to show: the person's where there is one, else the model's.
    pub fn shown(&self) -> &str {
        self.edited.as_deref().unwrap_or(&self.caption)
    }
}

/// A row, its candidates still as text.
#[derive(FromRow)]
struct CaptionRow {
    id: String,
    caption: String,
    edited: Option<String>,
    edited_at: Option<String>,
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
    file_name: Option<String>,
}

impl TryFrom<CaptionRow> for StoredCaption {
    type Error = StoreError;

    fn try_from(row: CaptionRow) -> Result<StoredCaption, StoreError> {
        let candidates = serde_json::from_str(&row.candidates);
        Ok(StoredCaption {
            candidates: candidates.map_err(|source| StoreError::Candidates { id: row.id.clone(), source })?,
            id: row.id,
            caption: row.caption,
            edited: row.edited,
            edited_at: row.edited_at,
            score: row.score,
            model_id: row.model_id,
            model_revision: row.model_revision,
            timings: row.timings,
            created_at: row.created_at,
            image_id: row.image_id,
            sha256: row.sha256,
            width: row.width,
            height: row.height,
            file_name: row.file_name,
        })
    }
}

/// Captions with their photos; each query says which and in what order.
macro_rules! select_captions {
    ($($rest:expr),+) => {
        concat!(
            "SELECT captions.id, caption, edited, edited_at, score, candidates, model_id, model_revision, \
             decode_ms, queue_ms, encode_ms, search_ms, captions.created_at, \
             image_id, sha256, width, height, file_name \
             FROM captions JOIN images ON images.id = captions.image_id ",
            $($rest),+
        )
    };
}
use select_captions;

impl Store {
    /// Stores a photo, if it is new, and its caption, in one transaction.
    ///
    /// When an equal request was faster, its caption is returned. A deleted one stays what it is, to be brought back
    /// when this one is gone. The photo goes by its newest name.
    ///
    /// # Errors
    /// When the database or a file cannot be written; then nothing is.
    pub async fn add_caption(&self, image: NewImage, caption: NewCaption) -> Result<StoredCaption, StoreError> {
        let store = self.clone();
        // A task of its own: it goes on when the client leaves, so that files and rows come together.
        joined(tokio::spawn(async move { store.add(image, &caption).await })).await
    }

    async fn add(&self, image: NewImage, caption: &NewCaption) -> Result<StoredCaption, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let kept = insert_image(&mut transaction, &image).await?;
        let stored = match insert_caption(&mut transaction, &kept.image.id, caption).await? {
            Some(inserted) => StoredCaption::new(inserted, caption, &kept)?,
            None => known(&mut transaction, &image.sha256, &caption.key).await?,
        };
        let written = async {
            self.place_files(&mut transaction, &kept.image, image.files).await?;
            Ok(transaction.commit().await?)
        };
        if let Err(error) = written.await {
            if let Err(error) = self.remove_orphans([image.sha256].into()).await {
                tracing::error!(%error, "files without a row cannot be cleared away");
            }
            return Err(error);
        }
        Ok(stored)
    }

    /// Stores another caption of a photo that is here; `None` if it no longer is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_caption_of(
        &self,
        image: &StoredImage,
        caption: &NewCaption,
    ) -> Result<Option<StoredCaption>, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let here = sqlx::query("SELECT 1 FROM images WHERE id = ?").bind(&image.id);
        if here.fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(None);
        }
        insert_caption(&mut transaction, &image.id, caption).await?;
        let stored = known(&mut transaction, &image.sha256, &caption.key).await?;
        transaction.commit().await?;
        Ok(Some(stored))
    }

    /// Finds what the same photo, model and search gave before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_caption(&self, sha256: &str, key: &SearchKey) -> Result<Option<StoredCaption>, StoreError> {
        let row = find(&self.database, sha256, key).await?;
        row.map(StoredCaption::try_from).transpose()
    }

    /// Finds a caption; a deleted one is not there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn caption(&self, id: &str) -> Result<Option<StoredCaption>, StoreError> {
        by_id(&self.database, id).await
    }

    /// Finds the caption that was made of the same photo, model and search after this one was deleted: its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn caption_in_place_of(&self, id: &str) -> Result<Option<String>, StoreError> {
        let shown = sqlx::query_scalar(
            "SELECT shown.id FROM captions AS gone JOIN captions AS shown ON shown.image_id = gone.image_id \
             AND shown.model_revision = gone.model_revision AND shown.precision = gone.precision \
             AND shown.beam_size = gone.beam_size AND shown.max_length = gone.max_length \
             WHERE gone.id = ? AND gone.deleted_at IS NOT NULL AND shown.deleted_at IS NULL",
        );
        Ok(shown.bind(id).fetch_optional(&self.database).await?)
    }
}

/// A photo's row.
#[derive(FromRow)]
struct ImageRow {
    #[sqlx(flatten)]
    image: StoredImage,
    width: u32,
    height: u32,
    file_name: Option<String>,
}

/// The photo's row, which may be there already.
async fn insert_image(connection: &mut SqliteConnection, image: &NewImage) -> Result<ImageRow, sqlx::Error> {
    // Nothing is returned where nothing changes; a name that stays need not be indexed again.
    let inserted = sqlx::query_as(
        "INSERT INTO images (id, sha256, file_name, media_type, width, height, bytes) \
         VALUES (?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (sha256) DO UPDATE SET file_name = excluded.file_name \
         WHERE excluded.file_name IS NOT NULL AND excluded.file_name IS NOT images.file_name \
         RETURNING id, sha256, media_type, width, height, file_name",
    )
    .bind(new_id())
    .bind(&image.sha256)
    .bind(&image.file_name)
    .bind(image.files.media_type)
    .bind(image.width)
    .bind(image.height)
    .bind(to_integer(image.files.bytes))
    .fetch_optional(&mut *connection)
    .await?;
    match inserted {
        Some(inserted) => Ok(inserted),
        None => {
            sqlx::query_as("SELECT id, sha256, media_type, width, height, file_name FROM images WHERE sha256 = ?")
                .bind(&image.sha256)
                .fetch_one(connection)
                .await
        }
    }
}

/// What the database gives a new caption.
#[derive(FromRow)]
struct Inserted {
    id: String,
    created_at: String,
}

/// Inserts a caption; `None` where one of the same key is there, which stays.
async fn insert_caption(
    connection: &mut SqliteConnection,
    image_id: &str,
    new: &NewCaption,
) -> Result<Option<Inserted>, StoreError> {
    let best = new.candidates.first().ok_or(sqlx::Error::RowNotFound)?;
    let candidates = serde_json::to_string(&new.candidates).map_err(|source| {
        let id = String::new();
        StoreError::Candidates { id, source }
    })?;
    let inserted = sqlx::query_as(
        "INSERT INTO captions (id, image_id, model_id, model_revision, precision, beam_size, max_length, \
         caption, score, candidates, decode_ms, queue_ms, encode_ms, search_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (image_id, model_revision, precision, beam_size, max_length) WHERE deleted_at IS NULL \
         DO NOTHING RETURNING id, created_at",
    )
    .bind(new_id())
    .bind(image_id)
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
    .fetch_optional(&mut *connection)
    .await?;
    Ok(inserted)
}

/// The caption with this id, unless it is deleted.
async fn by_id<'e>(database: impl SqliteExecutor<'e>, id: &str) -> Result<Option<StoredCaption>, StoreError> {
    let found = sqlx::query_as(select_captions!("WHERE captions.id = ? AND deleted_at IS NULL"));
    let row: Option<CaptionRow> = found.bind(id).fetch_optional(database).await?;
    row.map(StoredCaption::try_from).transpose()
}

/// The caption of this key, which is there.
async fn known(connection: &mut SqliteConnection, sha256: &str, key: &SearchKey) -> Result<StoredCaption, StoreError> {
    find(connection, sha256, key).await?.ok_or(sqlx::Error::RowNotFound)?.try_into()
}

async fn find<'e>(
    database: impl SqliteExecutor<'e>,
    sha256: &str,
    key: &SearchKey,
) -> Result<Option<CaptionRow>, sqlx::Error> {
    sqlx::query_as(select_captions!(
        "WHERE sha256 = ? AND model_revision = ? AND precision = ? AND beam_size = ? AND max_length = ? \
         AND deleted_at IS NULL"
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
pub(super) fn to_integer<N: TryInto<i64>>(number: N) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
