//! Photos: their files and their rows.

use super::{CleanCopy, FileKind, Store, StoreError};
use std::path::PathBuf;

/// A photo about to be stored.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// Of the bytes as uploaded, hexadecimal.
    pub sha256: String,
    /// The name it was uploaded under.
    pub file_name: Option<String>,
    /// Media type of the stored copy.
    pub media_type: &'static str,
    /// In pixels, upright.
    pub width: u32,
    /// In pixels, upright.
    pub height: u32,
    /// Size of the stored copy.
    pub bytes: u64,
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
    /// Writes a photo's files. They are durable when this returns; the row comes with the first caption.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub async fn keep_files(&self, sha256: &str, copy: CleanCopy) -> Result<(), StoreError> {
        let files = self.files.clone();
        let photo = files.path(FileKind::Photo, sha256, copy.extension);
        let thumbnail = files.path(FileKind::Thumbnail, sha256, THUMBNAIL_EXTENSION);
        let writing = tokio::task::spawn_blocking(move || {
            files.write(&photo, &copy.bytes)?;
            files.write(&thumbnail, &copy.thumbnail)
        });
        writing.await.unwrap_or_else(|died| Err(StoreError::Died(died.to_string())))
    }

    /// True when the photo with this hash is stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_image(&self, sha256: &str) -> Result<bool, StoreError> {
        let found: i64 = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM images WHERE sha256 = ?)")
            .bind(sha256)
            .fetch_one(&self.database)
            .await?;
        Ok(found != 0)
    }

    /// Finds a photo.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn image(&self, id: &str) -> Result<Option<StoredImage>, StoreError> {
        let found = sqlx::query_as("SELECT id, sha256, media_type FROM images WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.database)
            .await?;
        Ok(found)
    }

    /// Reads one of a photo's files; `None` when someone removed it.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub async fn read_file(&self, image: &StoredImage, kind: FileKind) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.file_path(image, kind);
        match tokio::fs::read(&path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::File { path, source }),
        }
    }

    fn file_path(&self, image: &StoredImage, kind: FileKind) -> PathBuf {
        let extension = match (kind, image.media_type.as_str()) {
            (FileKind::Thumbnail, _) => THUMBNAIL_EXTENSION,
            (FileKind::Photo, "image/png") => "png",
            (FileKind::Photo, "image/webp") => "webp",
            (FileKind::Photo, _) => "jpg",
        };
        self.files.path(kind, &image.sha256, extension)
    }
}

const THUMBNAIL_EXTENSION: &str = "jpg";
