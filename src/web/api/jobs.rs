//! `/api/admin/jobs`: training and evaluation jobs, for signed-in admins.

pub(in crate::web) mod checkpoints;
pub(in crate::web) mod compare;
pub(in crate::web) mod evaluations;
pub(in crate::web) mod events;
pub(in crate::web) mod figures;
pub(in crate::web) mod files;

use super::fields::OptionalJson;
use crate::store::{JobState, StoredJob};
use crate::training::checkpoints::CheckpointFault;
use crate::training::view::Job;
use crate::training::{Action, ActionError, CreateError, JobRequest, NAME, checked_name};
use crate::web::AppState;
use crate::web::auth::Caller;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Jobs, newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct JobList {
    jobs: Vec<Job>,
}

/// `?state=running`
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct JobsQuery {
    /// Only jobs in this state.
    #[param(inline)]
    state: Option<JobState>,
}

/// What a training job is to be, and how thoroughly it is checked.
#[derive(Deserialize, utoipa::ToSchema)]
pub(in crate::web) struct CheckRequest {
    #[serde(flatten)]
    job: JobRequest,
    /// Measure the device for some seconds, for an estimate of the time.
    #[serde(default)]
    measure: bool,
}

/// How to stop.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct StopRequest {
    /// End the process at once, without saving.
    #[serde(default)]
    force: bool,
}

/// A new name.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct JobEdit {
    name: String,
}

/// `?files=true`
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct DeleteQuery {
    /// Remove the run's folder, with its checkpoints, too.
    #[serde(default)]
    files: bool,
}

/// `GET /api/admin/jobs`
#[utoipa::path(
    get,
    path = "/api/admin/jobs",
    tag = "training",
    summary = "Every job",
    params(JobsQuery),
    responses((status = 200, description = "Newest first", body = JobList)),
)]
pub(in crate::web) async fn jobs(
    State(state): State<AppState>,
    query: Result<Query<JobsQuery>, QueryRejection>,
) -> Result<Json<JobList>, Problem> {
    let Query(query) = query?;
    let waiting = state.store.queued_jobs().await?;
    let jobs = state.store.jobs(query.state.as_slice()).await?;
    Ok(Json(JobList { jobs: jobs.into_iter().map(|job| Job::of(job, &waiting)).collect() }))
}

/// `GET /api/admin/jobs/{id}`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}",
    tag = "training",
    summary = "A job",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "As it is now", body = Job)),
)]
pub(in crate::web) async fn job(State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<Job>, Problem> {
    view(&state, find(&state, &id).await?).await.map(Json)
}

/// `POST /api/admin/jobs`: 201 with the job.
#[utoipa::path(
    post,
    path = "/api/admin/jobs",
    tag = "training",
    summary = "Make a training job",
    description = "From a shipped recipe or that of a former run, with some of its values changed. It waits for its \
        turn on its device.",
    request_body = JobRequest,
    responses((status = 201, description = "The job", body = Job)),
)]
pub(in crate::web) async fn create_job(
    State(state): State<AppState>,
    caller: Caller,
    request: Result<Json<JobRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    let Json(request) = request?;
    let job = state.jobs.create(&request).await?;
    tracing::info!(%caller, job = job.id, name = job.name, "job created");
    Ok((StatusCode::CREATED, Json(view(&state, job).await?)))
}

/// `POST /api/admin/jobs/check`: the trainer's own report; nothing is kept.
#[utoipa::path(
    post,
    path = "/api/admin/jobs/check",
    tag = "training",
    summary = "Check a training job before it is made",
    description = "Files found, captions and splits; disk and memory needed against what is there; the device; with \
        `measure`, the time that each phase will take. An error among the findings would end the job.",
    request_body = CheckRequest,
    responses((status = 200, description = "The report of `expansionnet train --check`", body = Object)),
)]
pub(in crate::web) async fn check_job(
    State(state): State<AppState>,
    request: Result<Json<CheckRequest>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(request) = request?;
    Ok(Json(state.jobs.check(&request.job, request.measure).await?))
}

/// `PATCH /api/admin/jobs/{id}`
#[utoipa::path(
    patch,
    path = "/api/admin/jobs/{id}",
    tag = "training",
    summary = "Rename a job",
    params(("id" = String, Path, description = "The job's id")),
    request_body = JobEdit,
    responses((status = 200, description = "As it is now", body = Job)),
)]
pub(in crate::web) async fn edit_job(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Result<Json<JobEdit>, JsonRejection>,
) -> Result<Json<Job>, Problem> {
    let Json(edit) = request?;
    let name = checked_name(&edit.name).ok_or_else(|| Problem::invalid_option(NAME))?;
    view(&state, state.jobs.rename(&id, &name).await?).await.map(Json)
}

/// `DELETE /api/admin/jobs/{id}`: with its events; its folder stays unless it is named too.
#[utoipa::path(
    delete,
    path = "/api/admin/jobs/{id}",
    tag = "training",
    summary = "Delete a job",
    description = "With everything that was recorded of it. The run's folder stays, unless `files` is true.",
    params(("id" = String, Path, description = "The job's id"), DeleteQuery),
    responses((status = 204, description = "It is gone")),
)]
pub(in crate::web) async fn delete_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<DeleteQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(DeleteQuery { files }) = query?;
    state.jobs.delete(&id, files).await?;
    tracing::info!(%caller, job = id, files, "job deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/admin/jobs/{id}/stop`: answers at once; the process saves first.
#[utoipa::path(
    post,
    path = "/api/admin/jobs/{id}/stop",
    tag = "training",
    summary = "Save and stop",
    description = "Answers at once: the job is `stopping` until its process has saved. With `force`, the process is \
        ended without saving, and what was done since the last checkpoint is done again when the job is resumed.",
    params(("id" = String, Path, description = "The job's id")),
    request_body = Option<StopRequest>,
    responses((status = 200, description = "As it is now", body = Job)),
)]
pub(in crate::web) async fn stop_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalJson(request): OptionalJson<StopRequest>,
) -> Result<Json<Job>, Problem> {
    let force = request.is_some_and(|request| request.force);
    act(&state, &caller, &id, if force { Action::ForceStop } else { Action::Stop }).await
}

/// `POST /api/admin/jobs/{id}/resume`
#[utoipa::path(
    post,
    path = "/api/admin/jobs/{id}/resume",
    tag = "training",
    summary = "Go on from the last checkpoint",
    description = "For a job that was cancelled or interrupted. It waits for its turn on its device.",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "As it is now", body = Job)),
)]
pub(in crate::web) async fn resume_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    act(&state, &caller, &id, Action::Resume).await
}

/// `POST /api/admin/jobs/{id}/retry`
#[utoipa::path(
    post,
    path = "/api/admin/jobs/{id}/retry",
    tag = "training",
    summary = "Try again what failed",
    description = "From the last checkpoint. It waits for its turn on its device.",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "As it is now", body = Job)),
)]
pub(in crate::web) async fn retry_job(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    act(&state, &caller, &id, Action::Retry).await
}

/// `POST /api/admin/jobs/{id}/next`
#[utoipa::path(
    post,
    path = "/api/admin/jobs/{id}/next",
    tag = "training",
    summary = "Put first in the queue",
    description = "Of the jobs that wait, it is the next on its device; what is at work goes on.",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "As it is now", body = Job)),
)]
pub(in crate::web) async fn run_job_next(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let job = state.jobs.run_next(&id).await?;
    tracing::info!(%caller, job = id, "job put first in the queue");
    view(&state, job).await.map(Json)
}

async fn act(state: &AppState, caller: &Caller, id: &str, action: Action) -> Result<Json<Job>, Problem> {
    let job = state.jobs.act(id, action).await?;
    tracing::info!(%caller, job = id, ?action, "job changed");
    view(state, job).await.map(Json)
}

/// The job, or a 404.
pub(super) async fn find(state: &AppState, id: &str) -> Result<StoredJob, Problem> {
    state.store.job(id).await?.ok_or_else(no_such_job)
}

pub(super) async fn view(state: &AppState, job: StoredJob) -> Result<Job, Problem> {
    let waiting = match job.state {
        JobState::Queued => state.store.queued_jobs().await?,
        _ => Vec::new(),
    };
    Ok(Job::of(job, &waiting))
}

pub(super) fn no_such_job() -> Problem {
    Problem::not_found("There is no job with this id.")
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Problem {
        match error {
            ActionError::Unknown => no_such_job(),
            ActionError::State { .. } => {
                Problem::new(StatusCode::CONFLICT, "job-state", "The job's state does not allow this", &error)
            }
            ActionError::Files(_) => Problem::internal(&error),
            ActionError::Store(error) => Problem::from(error),
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Problem {
        match error {
            // A key begins small.
            CreateError::Recipe(fault) => Problem::invalid_option(format!("the recipe cannot be used: {fault}")),
            CreateError::Invalid(_) => Problem::invalid_option(&error),
            // Named in the body, not in the address.
            CreateError::Checkpoint(CheckpointFault::Unknown) => Problem::invalid_option(&error),
            CreateError::Checkpoint(fault) => Problem::from(fault),
            CreateError::Folder { path, source } => Problem::from(crate::store::StoreError::File { path, source }),
            CreateError::Died(_) => Problem::internal(&error),
            CreateError::Store(error) => Problem::from(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[tokio::test]
    async fn what_cannot_be_made_is_told_apart_from_a_server_that_fails() {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        let died = task.await.expect_err("it was ended");
        let full = CheckpointFault::Io(Error::from(ErrorKind::StorageFull));
        for (error, status, code) in [
            (CreateError::Invalid("`split` must be val, test or both".to_owned()), 422, "invalid-option"),
            (CreateError::Checkpoint(CheckpointFault::Unknown), 422, "invalid-option"),
            (CreateError::Checkpoint(full), 507, "storage-full"),
            (CreateError::Died(died), 500, "internal"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.code), (status, code), "{}", problem.detail);
        }
    }
}
