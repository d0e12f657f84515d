//! A run's checkpoints: listed, downloaded as model folders, put into service.

use super::find;
use crate::captioning::Status;
use crate::store::StoredJob;
use crate::training::checkpoints::{self, CheckpointFault, model_name};
use crate::web::AppState;
use crate::web::auth::Caller;
use crate::web::openapi::{Binary, ServedModel};
use crate::web::problem::Problem;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use trainer::captioner::ModelInfo;

/// A run's checkpoints.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct CheckpointList {
    /// By phase in the recipe's order, oldest first.
    checkpoints: Vec<ListedCheckpoint>,
}

/// A checkpoint on disk.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct ListedCheckpoint {
    phase: String,
    /// `state-00004000` or `best-00003600`.
    name: String,
    /// Iterations done by then.
    iteration: u64,
    /// Whether it is the best by CIDEr-D on validation images.
    best: bool,
    /// Its CIDEr-D, where it was judged.
    cider: Option<f64>,
    bytes: u64,
    /// Seconds since 1970.
    saved_at: f64,
    /// The model folder that is made of it.
    model: String,
    /// Whether it captions photos now.
    in_service: bool,
}

/// What is in service now, and how to take it back.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct CheckpointActivated {
    #[schema(value_type = ServedModel)]
    active: ModelInfo,
    /// What was before: `models` of `POST /api/admin/models/activate`, to take it back.
    previous: Vec<String>,
}

/// `GET /api/admin/jobs/{id}/checkpoints`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/checkpoints",
    operation_id = "job_checkpoints",
    tag = "training",
    summary = "A run's checkpoints",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "Those on disk", body = CheckpointList)),
)]
pub(in crate::web) async fn list(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<CheckpointList>, Problem> {
    let (job, served) = (find(&state, &id).await?, in_service(&state));
    let (job, found) = blocking(job, checkpoints::of_run).await?;
    let listed = found.into_iter().map(|(phase, checkpoint)| {
        let model = model_name(&job, &phase, &checkpoint.name);
        ListedCheckpoint {
            in_service: served.contains(&model),
            model,
            phase,
            name: checkpoint.name,
            iteration: checkpoint.iteration,
            best: checkpoint.best,
            cider: checkpoint.cider,
            bytes: checkpoint.bytes,
            saved_at: checkpoint.saved_at,
        }
    });
    Ok(Json(CheckpointList { checkpoints: listed.collect() }))
}

/// `GET /api/admin/jobs/{id}/checkpoints/{phase}/{name}/download`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/checkpoints/{phase}/{name}/download",
    operation_id = "download_checkpoint",
    tag = "training",
    summary = "A checkpoint as a model folder",
    description = "A tar file: unpacked, it is a folder for `expansionnet caption`, `evaluate` and `serve`.",
    params(
        ("id" = String, Path, description = "The job's id"),
        ("phase" = String, Path, description = "The phase"),
        ("name" = String, Path, description = "The checkpoint"),
    ),
    responses((status = 200, description = "The archive", content((Binary = "application/x-tar")))),
)]
pub(in crate::web) async fn download(
    State(state): State<AppState>,
    Path((id, phase, name)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let job = find(&state, &id).await?;
    let file_name = format!("{}.tar", model_name(&job, &phase, &name));
    let (_, file) = blocking(job, move |job| checkpoints::archive(job, &phase, &name)).await?;
    let length = file.metadata().map_err(|error| Problem::internal(&error))?.len();
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces(file))).into_response())
}

/// `POST /api/admin/jobs/{id}/checkpoints/{phase}/{name}/activate`
#[utoipa::path(
    post,
    path = "/api/admin/jobs/{id}/checkpoints/{phase}/{name}/activate",
    operation_id = "activate_checkpoint",
    tag = "training",
    summary = "Put a checkpoint into service",
    description = "Makes a model folder of it in `model.directory` and loads it beside the model in service, which \
        it then takes the place of; no request is dropped. Answers once it is in service, or cannot be.",
    params(
        ("id" = String, Path, description = "The job's id"),
        ("phase" = String, Path, description = "The phase"),
        ("name" = String, Path, description = "The checkpoint"),
    ),
    responses((status = 200, description = "It is in service", body = CheckpointActivated)),
)]
pub(in crate::web) async fn activate(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, phase, name)): Path<(String, String, String)>,
) -> Result<Json<CheckpointActivated>, Problem> {
    let job = find(&state, &id).await?;
    let model = model_name(&job, &phase, &name);
    tracing::info!(%caller, model, "a checkpoint is wanted in service");
    let directory = state.config.model.directory.clone();
    blocking(job, move |job| checkpoints::package(job, &phase, &name, &directory)).await?;
    let previous = in_service(&state);
    let loaded = state.models.activate(&[model]).await?;
    Ok(Json(CheckpointActivated { active: loaded.info.clone(), previous }))
}

/// The models that caption photos now.
fn in_service(state: &AppState) -> Vec<String> {
    match state.models.active().status() {
        Status::Ready(loaded) => loaded.info.members.clone(),
        Status::Loading | Status::Failed(_) => Vec::new(),
    }
}

async fn blocking<T: Send + 'static>(
    job: StoredJob,
    work: impl FnOnce(&StoredJob) -> Result<T, CheckpointFault> + Send + 'static,
) -> Result<(StoredJob, T), Problem> {
    let working = tokio::task::spawn_blocking(move || work(&job).map(|done| (job, done)));
    Ok(working.await.map_err(|died| Problem::internal(&died))??)
}

/// A file, a piece at a time.
fn pieces(file: File) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    const PIECE: u64 = 256 * 1024;
    let pieces = stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::new();
            (&mut file).take(PIECE).read_to_end(&mut piece).map(|_| (piece, file))
        });
        match reading.await.map_err(std::io::Error::other).flatten() {
            Ok((piece, _)) if piece.is_empty() => None,
            Ok((piece, file)) => Some((Ok(Bytes::from(piece)), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    });
    // What compresses the answer asks once more after the end.
    pieces.fuse()
}

impl From<CheckpointFault> for Problem {
    fn from(fault: CheckpointFault) -> Problem {
        match fault {
            CheckpointFault::Unknown => Problem::not_found(&fault),
            CheckpointFault::Trainer(_) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem::new(status, "model-unusable", "The model cannot be put into service", &fault)
            }
            CheckpointFault::Io(source) => {
                Problem::from(crate::store::StoreError::File { path: "the archive".into(), source })
            }
        }
    }
}
