//! The real server, and what happens to servers: killed, stopped, the disk full, the database locked, a model
//! folder damaged.

#[path = "../../trainer/tests/support/made_dataset.rs"]
mod made_dataset;
#[path = "../support/photos.rs"]
mod photos;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/small_disk.rs"]
mod small_disk;

mod broken_model;
mod full_disk;
mod killed;
mod locked_database;
mod stopped;
mod storage;
mod training;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use server::Server;
use std::path::Path;

/// The settings of every server here: several run at the same time, maybe on a busy machine, and how long a
/// model takes there is no fault.
const PATIENT: [(&str, &str); 3] = [
    ("MODEL__THREADS", "1"),
    ("CAPTIONING__REQUEST_TIMEOUT_SECONDS", "300"),
    ("SERVER__SHUTDOWN_TIMEOUT_SECONDS", "300"),
];

/// Starts the server; further settings come after those of all.
async fn start(storage: &Path, further: &[(&str, &str)]) -> Result<Server> {
    Server::start_with(storage, &[&PATIENT, further].concat()).await
}

/// A small photo: these tests need many of them, not large ones.
fn small_photo(seed: u64) -> Result<Vec<u8>> {
    Ok(photos::photo(seed, 96, 64)?)
}

/// What was answered, for asking again later.
struct Answered {
    caption_id: String,
    image_id: String,
    caption: String,
}

impl Answered {
    fn new(answer: &Value) -> Result<Answered> {
        let text =
            |value: &Value| value.as_str().map(str::to_owned).with_context(|| format!("not an answer: {answer}"));
        Ok(Answered {
            caption_id: text(&answer["id"])?,
            image_id: text(&answer["image"]["id"])?,
            caption: text(&answer["caption"])?,
        })
    }

    /// Uploads a photo, which must be captioned.
    async fn of_upload(server: &Server, seed: u64) -> Result<Answered> {
        let (status, answer) = server.caption("photo.jpg", small_photo(seed)?).await?;
        ensure!(status == 200, "photo {seed}: {status} {answer}");
        Answered::new(&answer)
    }

    /// The server still has the caption, the photo and its thumbnail.
    async fn is_there(&self, server: &Server) -> Result<()> {
        let (status, body) = server.get(&format!("/api/captions/{}", self.caption_id)).await?;
        ensure!(status == 200, "caption {}: {status}", self.caption_id);
        let found: Value = serde_json::from_slice(&body)?;
        ensure!(found["caption"] == self.caption, "{} became {found}", self.caption);
        for size in ["full", "thumbnail"] {
            let (status, body) = server.get(&format!("/api/images/{}?size={size}", self.image_id)).await?;
            ensure!(status == 200, "{size} of photo {}: {status}", self.image_id);
            image::load_from_memory(&body).with_context(|| format!("{size} of photo {}", self.image_id))?;
        }
        Ok(())
    }
}
