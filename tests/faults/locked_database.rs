//! Another process holds the database's lock for five seconds.

use super::server::Server;
use super::{Answered, small_photo, start, storage};
use anyhow::{Result, ensure};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const HELD: Duration = Duration::from_secs(5);
const UPLOADS: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn uploads_wait_for_the_lock_and_none_is_lost() -> Result<()> {
    let storage = tempfile::tempdir()?;
    let server = Arc::new(start(storage.path(), &[]).await?);
    let before = Answered::of_upload(&server, UPLOADS).await?;

    // This test is the other process.
    let database = SqliteConnectOptions::new().filename(storage.path().join("expansionnet.sqlite3"));
    let mut other = database.connect().await?;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await?;
    let mut uploads = JoinSet::new();
    for seed in 0..UPLOADS {
        let (server, photo) = (Arc::clone(&server), small_photo(seed)?);
        uploads.spawn(async move { server.caption("photo.jpg", photo).await });
    }
    let early = tokio::time::timeout(HELD, uploads.join_next()).await;
    ensure!(early.is_err(), "answered before it could be kept: {early:?}");
    before.is_there(&server).await?;
    sqlx::query("ROLLBACK").execute(&mut other).await?;

    let mut answers = Vec::new();
    while let Some(upload) = uploads.join_next().await {
        let (status, answer) = upload??;
        ensure!(status == 200, "{status}: {answer}");
        answers.push(Answered::new(&answer)?);
    }
    ensure!(answers.len() == UPLOADS as usize);
    for answered in &answers {
        answered.is_there(&server).await?;
    }
    storage::is_tidy(storage.path()).await
}
