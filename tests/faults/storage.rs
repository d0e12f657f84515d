//! The storage folder seen from outside: every row has its files, every file its row.

use anyhow::{Context, Result, bail, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

const DATABASE: &str = "expansionnet.sqlite3";

/// Checks until all is well, for a time that clearing up may take.
pub async fn becomes_tidy(directory: &Path) -> Result<()> {
    const LIMIT: Duration = Duration::from_secs(30);
    let mut poll = tokio::time::interval(Duration::from_millis(50));
    let tidy = async {
        loop {
            poll.tick().await;
            match is_tidy(directory).await {
                Err(_) => continue,
                Ok(()) => return,
            }
        }
    };
    match tokio::time::timeout(LIMIT, tidy).await {
        Ok(()) => Ok(()),
        Err(_) => is_tidy(directory).await.context("still"),
    }
}

/// Checks the database, and the folder against it, while nobody writes.
pub async fn is_tidy(directory: &Path) -> Result<()> {
    // A copy: the folder may lie where SQLite's locks do not reach, and the server's own files stay untouched.
    let copy = tempfile::tempdir()?;
    for file in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
        let from = directory.join(&file);
        if from.exists() {
            fs::copy(from, copy.path().join(file))?;
        }
    }
    let mut database = SqliteConnectOptions::new().filename(copy.path().join(DATABASE)).connect().await?;
    is_sound(&mut database).await?;

    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT sha256, media_type FROM images").fetch_all(&mut database).await?;
    let (mut photos, mut thumbnails) = (BTreeSet::new(), BTreeSet::new());
    for (sha256, media_type) in rows {
        let extension = match media_type.as_str() {
            "image/jpeg" => "jpg",
            "image/png" => "png",
            "image/webp" => "webp",
            other => bail!("photo {sha256} is of type {other}"),
        };
        photos.insert(format!("{}/{sha256}.{extension}", &sha256[..2]));
        thumbnails.insert(format!("{}/{sha256}.jpg", &sha256[..2]));
    }
    same("images", &photos, &files_of(&directory.join("images"))?)?;
    same("thumbnails", &thumbnails, &files_of(&directory.join("thumbnails"))?)
}

async fn is_sound(database: &mut SqliteConnection) -> Result<()> {
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut *database).await?;
    ensure!(verdict == "ok", "the database is damaged: {verdict}");
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *database).await?;
    ensure!(dangling.is_empty(), "{} rows point nowhere", dangling.len());
    let photos = "SELECT COUNT(*) FROM images WHERE NOT EXISTS (SELECT 1 FROM captions WHERE image_id = images.id)";
    let orphans: i64 = sqlx::query_scalar(photos).fetch_one(database).await?;
    ensure!(orphans == 0, "{orphans} photos have no caption");
    Ok(())
}

/// Files two folders down, as `ab/ab12….jpg`; none where the folder is not there yet.
fn files_of(folder: &Path) -> Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    if !folder.exists() {
        return Ok(files);
    }
    for shelf in fs::read_dir(folder)? {
        let shelf = shelf?;
        for file in fs::read_dir(shelf.path())? {
            let (shelf, file) = (shelf.file_name(), file?.file_name());
            files.insert(format!("{}/{}", shelf.display(), file.display()));
        }
    }
    Ok(files)
}

fn same(folder: &str, rows: &BTreeSet<String>, files: &BTreeSet<String>) -> Result<()> {
    let missing: Vec<_> = rows.difference(files).collect();
    let orphans: Vec<_> = files.difference(rows).collect();
    ensure!(missing.is_empty() && orphans.is_empty(), "{folder}: missing {missing:?}, without a row {orphans:?}");
    Ok(())
}
