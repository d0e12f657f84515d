//! `/api/admin/evaluations`: models judged on a dataset, each evaluation a job.

use super::{find, view};
use crate::training::evaluate::{self, EvaluationRequest};
use crate::training::view::Job;
use crate::web::AppState;
use crate::web::auth::Caller;
use crate::web::openapi::Binary;
use crate::web::pieces;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// `POST /api/admin/evaluations`: 201 with the job.
#[utoipa::path(
    post,
    path = "/api/admin/evaluations",
    tag = "training",
    summary = "Judge models on a dataset",
    description = "Checkpoints of runs, model folders, or several of them as one ensemble. It waits for its turn on \
        its device.",
    request_body = EvaluationRequest,
    responses((status = 201, description = "The job", body = Job)),
)]
pub(in crate::web) async fn create_evaluation(
    State(state): State<AppState>,
    caller: Caller,
    request: Result<Json<EvaluationRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    let Json(request) = request?;
    let unknown = |id: &String| Problem::invalid_option(format!("`models`: there is no model `{id}`"));
    let folders = request.models.iter().map(|id| state.models.folder(id).ok_or_else(|| unknown(id)));
    let folders = folders.collect::<Result<Vec<_>, _>>()?;
    let job = state.jobs.evaluate(&request, &folders).await?;
    tracing::info!(%caller, job = job.id, name = job.name, "evaluation created");
    Ok((StatusCode::CREATED, Json(view(&state, job).await?)))
}

/// `GET /api/admin/jobs/{id}/evaluation`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/evaluation",
    operation_id = "job_evaluation",
    tag = "training",
    summary = "The report of an evaluation",
    description = "`report.json` of `expansionnet evaluate`, with the paper's figures under `paper`, and the names of all \
        files of its reports under `files`.",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The report", body = Object)),
)]
pub(in crate::web) async fn evaluation(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let job = find(&state, &id).await?;
    let reading = tokio::task::spawn_blocking(move || evaluate::report(&job));
    let report = reading.await.map_err(|died| Problem::internal(&died))?;
    report.map(Json).ok_or_else(|| Problem::not_found("There is no report of this job yet."))
}

/// `GET /api/admin/jobs/{id}/evaluation/{file}`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/evaluation/{file}",
    operation_id = "download_evaluation",
    tag = "training",
    summary = "A file of an evaluation's reports",
    description = "`report.html` with the best and the worst captions, `predictions.json` with every caption and its \
        scores, or another one that the report names under `files`.",
    params(
        ("id" = String, Path, description = "The job's id"),
        ("file" = String, Path, description = "The file's name"),
    ),
    responses((status = 200, description = "The file, to be kept", content(
        (Binary = "application/json"), (Binary = "text/html"),
    ))),
)]
pub(in crate::web) async fn file(
    State(state): State<AppState>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let job = find(&state, &id).await?;
    let media_type = if name.ends_with(".html") { "text/html; charset=utf-8" } else { "application/json" };
    // It is one of the reports' names, or there is no file: nothing in it means anything to a header.
    let disposition = format!("attachment; filename=\"{name}\"");
    let opening = tokio::task::spawn_blocking(move || evaluate::report_file(&job, &name));
    let file = opening.await.map_err(|died| Problem::internal(&died))?;
    let file = file.ok_or_else(|| Problem::not_found("This job has no such report."))?;
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, pieces::body(file)).into_response())
}
