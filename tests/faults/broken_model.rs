//! A damaged model folder is to be put into service: the old model stays. A sound one follows without a gap.

use super::server::Server;
use super::{small_photo, start, storage};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const PASSWORD: &str = "correct horse battery staple";

/// Copies the bundled model.
fn copy_model(to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
    for file in ["model.safetensors", "config.json", "vocab.json"] {
        fs::copy(bundled.join(file), to.join(file))?;
    }
    Ok(())
}

/// Model folders `first`, `second`, and `damaged`, whose weights end early.
fn model_folders(folder: &Path) -> Result<()> {
    for name in ["first", "second", "damaged"] {
        copy_model(&folder.join(name))?;
    }
    let weights = fs::OpenOptions::new().write(true).open(folder.join("damaged/model.safetensors"))?;
    Ok(weights.set_len(weights.metadata()?.len() / 2)?)
}

async fn start_with(models: &Path, storage: &Path) -> Result<Server> {
    let folder = models.to_str().context("a path in UTF-8")?;
    let first = format!("{folder}/first");
    let settings = [("MODEL__PATH", &*first), ("MODEL__DIRECTORY", folder), ("ACCESS__ADMIN_PASSWORD", PASSWORD)];
    start(storage, &settings).await
}

/// The cookie of an admin's session.
async fn sign_in(server: &Server) -> Result<String> {
    // A redirect follows, whose cookie would be lost.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let form = client.post(format!("{}/sign-in", server.url())).form(&[("secret", PASSWORD)]);
    let response = form.send().await?;
    let cookie = response.headers().get("set-cookie").context("no cookie")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

async fn activate(server: &Server, cookie: &str, model: &str) -> Result<(u16, Value)> {
    let url = format!("{}/api/admin/models/activate", server.url());
    let request = server.client().post(url).header("cookie", cookie).json(&json!({ "models": [model] }));
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.json().await?))
}

/// Which model captions a photo.
async fn captioned_by(server: &Server, seed: u64) -> Result<String> {
    let (status, answer) = server.caption("photo.jpg", small_photo(seed)?).await?;
    ensure!(status == 200, "{status}: {answer}");
    Ok(answer["model"]["id"].as_str().context("no model")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_model_changes_nothing_and_a_sound_one_takes_over() -> Result<()> {
    let (models, storage) = (tempfile::tempdir()?, tempfile::tempdir()?);
    model_folders(models.path())?;
    let server = start_with(models.path(), storage.path()).await?;
    let cookie = sign_in(&server).await?;

    let (status, problem) = activate(&server, &cookie, "damaged").await?;
    ensure!(status == 422 && problem["code"] == "model-unusable", "{status}: {problem}");
    ensure!(!problem.to_string().contains(&*models.path().to_string_lossy()), "names a path: {problem}");
    ensure!(captioned_by(&server, 0).await? == "first");

    let mut server = Arc::new(server);
    let uploading = Arc::clone(&server);
    let uploads = tokio::spawn(async move {
        let mut by = Vec::new();
        // Other photos each time: none is answered from the store.
        for seed in 1.. {
            by.push(captioned_by(&uploading, seed).await?);
            if by.last().is_some_and(|model| model == "second") {
                break;
            }
        }
        anyhow::Ok(by)
    });
    let (status, answer) = activate(&server, &cookie, "second").await?;
    ensure!(status == 200, "{status}: {answer}");
    let by = uploads.await??;
    ensure!(by[..by.len() - 1].iter().all(|model| model == "first"), "{by:?}");

    Arc::get_mut(&mut server).context("the uploads are done")?.kill()?;
    let server = start_with(models.path(), storage.path()).await?;
    ensure!(captioned_by(&server, 1_000_000).await? == "second", "the choice was forgotten");
    storage::becomes_tidy(storage.path()).await
}
