//! A run's checkpoints: listed, downloaded as model folders, put into service.

use super::find;
use crate::store::StoredJob;
use crate::training::checkpoints::{self, CheckpointFault, model_name};
use crate::web::AppState;
use crate::web::auth::Caller;
use crate::web::openapi::{Binary, ServedModel};
use crate::web::pieces;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::error::Error;
use std::io;
use trainer::captioner::ModelInfo;
use trainer::training::{FailureKind, TrainError};

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
    /// Whether a model can be made of it, to download, to judge or to put into service: a phase that learns of captions
    /// alone gives none.
    servable: bool,
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
    let looking = blocking(job, |job| Ok((checkpoints::of_run(job)?, checkpoints::without_photos(job))));
    let (job, (found, without_photos)) = looking.await?;
    let listed = found.into_iter().map(|(phase, checkpoint)| {
        let model = model_name(&job, &phase, &checkpoint.name);
        ListedCheckpoint {
            in_service: served.contains(&model),
            servable: !without_photos.contains(&phase),
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
    Ok((headers, pieces::body(file)).into_response())
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
    state.models.active().status().info().map(|info| info.members.clone()).unwrap_or_default()
}

async fn blocking<T: Send + 'static>(
    job: StoredJob,
    work: impl FnOnce(&StoredJob) -> Result<T, CheckpointFault> + Send + 'static,
) -> Result<(StoredJob, T), Problem> {
    let working = tokio::task::spawn_blocking(move || work(&job).map(|done| (job, done)));
    Ok(working.await.map_err(|died| Problem::internal(&died))??)
}

impl From<CheckpointFault> for Problem {
    fn from(fault: CheckpointFault) -> Problem {
        match fault {
            CheckpointFault::Unknown => Problem::not_found(&fault),
            CheckpointFault::Trainer(ref error) if error.kind() == FailureKind::DiskFull => {
                tracing::error!(%error, "the disk is full");
                Problem::storage_full()
            }
            CheckpointFault::Trainer(ref error) if is_of_no_use(error) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem::new(status, "model-unusable", "The model cannot be put into service", &fault)
            }
            CheckpointFault::Trainer(_) => Problem::internal(&fault),
            CheckpointFault::Io(source) => {
                Problem::from(crate::store::StoreError::File { path: "the archive".into(), source })
            }
        }
    }
}

/// Whether it is the checkpoint, or what belongs to it, that gives no model, and not the server that failed.
fn is_of_no_use(error: &TrainError) -> bool {
    let first: &(dyn Error + 'static) = error;
    let mut causes = std::iter::successors(Some(first), |&cause| cause.source());
    if causes.any(|cause| cause.is::<io::Error>()) {
        return false;
    }
    match error {
        TrainError::NoBackbone(_) | TrainError::OtherFeatures(_) => true,
        _ => matches!(error.kind(), FailureKind::Data | FailureKind::Weights),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_no_use_is_told_apart_from_a_server_that_fails() {
        let system =
            |number| TrainError::Io { path: "/secret/path".into(), source: io::Error::from_raw_os_error(number) };
        // 28: no space left on the device, 5: an error of the disk.
        for (error, status, code) in [
            (TrainError::NotTrained("xe".to_owned()), 422, "model-unusable"),
            (TrainError::NoBackbone("xe".to_owned()), 422, "model-unusable"),
            (system(28), 507, "storage-full"),
            (system(5), 500, "internal"),
            (TrainError::OutOfMemory("CUDA out of memory".to_owned()), 500, "internal"),
            (TrainError::Panicked("out of range".to_owned()), 500, "internal"),
        ] {
            let problem = Problem::from(CheckpointFault::Trainer(error));
            assert_eq!((problem.status.as_u16(), problem.code), (status, code), "{}", problem.detail);
            assert!(!problem.detail.contains("secret"), "{}", problem.detail);
        }
    }
}
