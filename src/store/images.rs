//! Photos: their files and their rows.

use super::captions::to_integer;
use super::files::Files;
use super::{CleanCopy, FileKind, Store, StoreError, StoredCaption, joined};
use sqlx::{SqliteConnection, SqliteExecutor};
use std::fs::File;
use std::io::ErrorKind;
use tempfile::TempPath;

/// A photo about to be stored.
#[derive(Debug)]
pub struct NewImage {
    /// Of the bytes as uploaded, hexadecimal.
    pub sha256: String,
    /// The name it was uploaded under.
    pub file_name: Option<String>,
    /// In pixels, upright.
    pub width: u32,
    /// In pixels, upright.
    pub height: u32,
    /// What is kept of it.
    pub files: StagedFiles,
}

/// A photo's files, durable and near their place. Dropped before they are placed, they are gone.
#[derive(Debug)]
pub struct StagedFiles {
    photo: TempPath,
    thumbnail: TempPath,
    /// Media type of the photo.
    pub(super) media_type: &'static str,
    /// Both together.
    pub(super) bytes: u64,
}

/// A stored photo.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct StoredImage {
    /// UUID version 7.
    pub id: String,
    /// Of the bytes as uploaded, hexadecimal.
    pub sha256: String,
    /// Media type of the stored copy.
    pub media_type: String,
}

impl Store {
    /// Writes a photo's files; [`Store::add_caption`] puts them in their place together with their rows.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub async fn stage_files(&self, sha256: &str, copy: CleanCopy) -> Result<StagedFiles, StoreError> {
        let files = self.files.clone();
        let photo = files.path(FileKind::Photo, sha256, copy.media_type);
        let thumbnail = files.path(FileKind::Thumbnail, sha256, copy.media_type);
        joined(tokio::task::spawn_blocking(move || {
            Ok(StagedFiles {
                photo: files.stage(&photo, &copy.bytes)?,
                thumbnail: files.stage(&thumbnail, &copy.thumbnail)?,
                media_type: copy.media_type,
                bytes: (copy.bytes.len() + copy.thumbnail.len()) as u64,
            })
        }))
        .await
    }

    /// Puts a photo's files in their place, unless they are there already. The transaction that wrote its
    /// row keeps housekeeping, which removes files in one too, from crossing this.
    pub(super) async fn place_files(
        &self,
        transaction: &mut SqliteConnection,
        image: &StoredImage,
        staged: StagedFiles,
    ) -> Result<(), StoreError> {
        let (media_type, bytes) = (staged.media_type, staged.bytes);
        let (files, image_id, kept) = (self.files.clone(), image.id.clone(), image.clone());
        let placed = joined(tokio::task::spawn_blocking(move || {
            let there = are_there(&files, &kept);
            if !there {
                files.place(staged.photo, &files.path(FileKind::Photo, &kept.sha256, media_type))?;
                files.place(staged.thumbnail, &files.path(FileKind::Thumbnail, &kept.sha256, media_type))?;
            }
            Ok(!there)
        }));
        if placed.await? {
            // A row whose files were lost may be of a copy of another type.
            let update = sqlx::query("UPDATE images SET media_type = ?, bytes = ? WHERE id = ?");
            update.bind(media_type).bind(to_integer(bytes)).bind(image_id).execute(transaction).await?;
        }
        Ok(())
    }

    /// Whether a photo's files are in their place, as far as the photo is there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_files(&self, image_id: &str) -> Result<bool, StoreError> {
        let Some(image) = by_id(&self.database, image_id).await? else {
            return Ok(true);
        };
        let files = self.files.clone();
        joined(tokio::task::spawn_blocking(move || Ok(are_there(&files, &image)))).await
    }

    /// Puts files of a photo in their place that were lost.
    ///
    /// # Errors
    /// When the database or a file cannot be written.
    pub async fn bring_files_back(&self, image_id: &str, staged: StagedFiles) -> Result<(), StoreError> {
        let (store, image_id) = (self.clone(), image_id.to_owned());
        // A task of its own, as for a new photo: files and row come together, whoever waits.
        joined(tokio::spawn(async move { store.put_back(&image_id, staged).await })).await
    }

    async fn put_back(&self, image_id: &str, staged: StagedFiles) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        // Housekeeping may have removed the photo meanwhile.
        if let Some(image) = by_id(&mut *transaction, image_id).await? {
            self.place_files(&mut transaction, &image, staged).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Calls a photo by the name it came under this time, where it came under one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn name_photo(
        &self,
        mut caption: StoredCaption,
        file_name: Option<String>,
    ) -> Result<StoredCaption, StoreError> {
        if file_name.is_some() && file_name != caption.file_name {
            let update = sqlx::query("UPDATE images SET file_name = ? WHERE id = ?");
            update.bind(&file_name).bind(&caption.image_id).execute(&self.writer).await?;
            caption.file_name = file_name;
        }
        Ok(caption)
    }

    /// Finds a photo; one whose captions are all deleted is not there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn image(&self, id: &str) -> Result<Option<StoredImage>, StoreError> {
        let found = sqlx::query_as(
            "SELECT id, sha256, media_type FROM images WHERE id = ? \
             AND EXISTS (SELECT 1 FROM captions WHERE image_id = images.id AND deleted_at IS NULL)",
        );
        Ok(found.bind(id).fetch_optional(&self.database).await?)
    }

    /// Opens one of a photo's files; `None` when someone removed it.
    ///
    /// # Errors
    /// When the file is there but cannot be opened.
    pub async fn open_file(&self, image: &StoredImage, kind: FileKind) -> Result<Option<File>, StoreError> {
        let path = self.files.path(kind, &image.sha256, &image.media_type);
        joined(tokio::task::spawn_blocking(move || match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::File { path, source }),
        }))
        .await
    }

    /// Reads one of a photo's files; `None` when someone removed it.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub async fn read_file(&self, image: &StoredImage, kind: FileKind) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.files.path(kind, &image.sha256, &image.media_type);
        match tokio::fs::read(&path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::File { path, source }),
        }
    }
}

/// A photo's row, also where its captions are deleted.
async fn by_id<'e>(database: impl SqliteExecutor<'e>, id: &str) -> Result<Option<StoredImage>, sqlx::Error> {
    let found = sqlx::query_as("SELECT id, sha256, media_type FROM images WHERE id = ?");
    found.bind(id).fetch_optional(database).await
}

fn are_there(files: &Files, image: &StoredImage) -> bool {
    FileKind::ALL.iter().all(|kind| files.path(*kind, &image.sha256, &image.media_type).is_file())
}
