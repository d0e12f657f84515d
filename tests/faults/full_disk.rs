//! The storage on a small disk of its own, filled to the brim.

use super::server::Server;
use super::small_disk::{NEEDS, on_a_small_disk, seen_from_outside};
use super::{Answered, PATIENT, small_photo, storage};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes a file until nothing more goes onto its disk.
pub fn fill_up(filler: &Path) -> Result<File> {
    let mut filler = File::create(filler)?;
    let full = loop {
        if let Err(error) = filler.write_all(&[0; 4096]) {
            break error;
        }
    };
    ensure!(full.kind() == ErrorKind::StorageFull, "{full}");
    Ok(filler)
}

/// A server whose storage is a disk of 24 MiB.
struct Cramped {
    server: Server,
    /// The disk, as seen from here.
    disk: PathBuf,
}

impl Cramped {
    async fn start(mount_point: &Path, min_free_bytes: &str) -> Result<Cramped> {
        let mut command = on_a_small_disk("24m", mount_point)?;
        command.arg(env!("CARGO_BIN_EXE_expansionnet"));
        let settings = [&PATIENT[..], &[("STORAGE__MIN_FREE_BYTES", min_free_bytes)]].concat();
        let server = Server::start_as(command, mount_point, &settings).await.context(NEEDS)?;
        let disk = seen_from_outside(server.process_id(), mount_point);
        Ok(Cramped { server, disk })
    }

    /// Leaves so many bytes free, about.
    fn fill(&self, leave: u64) -> Result<()> {
        let filler = fill_up(&self.disk.join("filler"))?;
        Ok(filler.set_len(filler.metadata()?.len().saturating_sub(leave))?)
    }

    fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.disk.join("filler"))?)
    }

    /// An upload gives 507 `storage-full`; the server lives, says so, and shows what it has.
    async fn refuses(&self, seed: u64, before: &Answered) -> Result<()> {
        let (status, problem) = self.server.caption("photo.jpg", small_photo(seed)?).await?;
        ensure!(status == 507 && problem["code"] == "storage-full", "{status}: {problem}");
        ensure!(self.server.get("/livez").await?.0 == 200, "not alive");
        let (status, problem) = self.server.get("/readyz").await?;
        let problem: Value = serde_json::from_slice(&problem)?;
        ensure!(status == 503 && problem["code"] == "not-ready", "{status}: {problem}");
        let (status, page) = self.server.get("/api/captions").await?;
        let page: Value = serde_json::from_slice(&page)?;
        ensure!(status == 200 && page["captions"].as_array().is_some_and(|list| list.len() == 1), "{status}: {page}");
        before.is_there(&self.server).await
    }

    /// There is room again: uploads work, and nothing of the refused ones is left.
    async fn recovers(&self, seed: u64) -> Result<()> {
        ensure!(self.server.get("/readyz").await?.0 == 200, "not ready");
        Answered::of_upload(&self.server, seed).await?.is_there(&self.server).await?;
        storage::is_tidy(&self.disk).await
    }
}

/// The settings ask for no reserve, so that it is the system that refuses to write.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_photos_and_nothing_else() -> Result<()> {
    let mount_point = tempfile::tempdir()?;
    let cramped = Cramped::start(mount_point.path(), "1").await?;
    let before = Answered::of_upload(&cramped.server, 1).await?;
    cramped.fill(0)?;
    for seed in 2..6 {
        cramped.refuses(seed, &before).await?;
    }
    storage::is_tidy(&cramped.disk).await.context("half a photo is left")?;
    cramped.make_room()?;
    cramped.recovers(2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_are_refused_while_there_is_room_for_everything_else() -> Result<()> {
    let mount_point = tempfile::tempdir()?;
    let cramped = Cramped::start(mount_point.path(), "8000000").await?;
    let before = Answered::of_upload(&cramped.server, 1).await?;
    cramped.fill(4_000_000)?;
    cramped.refuses(2, &before).await?;
    cramped.make_room()?;
    cramped.recovers(2).await
}
