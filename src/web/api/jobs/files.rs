//! What lies in a run's folder for people: its recipe and its log.

use super::{find, valid};
use crate::store::Work;
use crate::training::logs;
use crate::training::recipes::{self, Difference};
use crate::web::AppState;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The most lines of a log that are given.
const MOST_LINES: usize = 5000;

/// A run's recipe.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct RunRecipe {
    /// The whole of it.
    toml: String,
    /// What differs from the recipe that it began with.
    differences: Vec<Difference>,
}

/// `GET /api/admin/jobs/{id}/recipe`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/recipe",
    operation_id = "job_recipe",
    tag = "training",
    summary = "A run's recipe",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "With what was changed in it", body = RunRecipe)),
)]
pub(in crate::web) async fn recipe(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<RunRecipe>, Problem> {
    let job = find(&state, &id).await?;
    let none = || Problem::not_found("This job has no recipe.");
    if !matches!(job.work, Work::Train { .. }) {
        return Err(none());
    }
    let before = match &job.cloned_from {
        Some(other) => state.store.job(other).await?.map(|other| PathBuf::from(other.folder).join(recipes::FILE)),
        None => None,
    };
    let reading = tokio::task::spawn_blocking(move || {
        let folder = PathBuf::from(&job.folder);
        let toml = std::fs::read_to_string(folder.join(recipes::FILE)).ok()?;
        let recipe = recipes::of_run(&folder).ok()?;
        // The run that this one was cloned from may be gone; what both began with is not.
        let before = before.and_then(|path| std::fs::read_to_string(path).ok());
        let before = before.or_else(|| recipes::shipped(&job.recipe).ok().map(str::to_owned)).unwrap_or_default();
        Some(RunRecipe { differences: recipes::differences(&recipe, &before), toml })
    });
    reading.await.map_err(|died| Problem::internal(&died))?.map(Json).ok_or_else(none)
}

/// Which lines.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct LogQuery {
    /// Text that a line must hold.
    #[serde(default)]
    search: String,
    /// The last so many, at most 5000 (200).
    lines: Option<usize>,
}

/// The end of a log.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct LogLines {
    lines: Vec<String>,
}

/// `GET /api/admin/jobs/{id}/log`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/log",
    operation_id = "job_log",
    tag = "training",
    summary = "The end of a job's log",
    description = "What its process wrote to standard error.",
    params(("id" = String, Path, description = "The job's id"), LogQuery),
    responses((status = 200, description = "The last lines", body = LogLines)),
)]
pub(in crate::web) async fn log(
    State(state): State<AppState>,
    Path(id): Path<String>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<LogLines>, Problem> {
    let LogQuery { search, lines } = valid(query)?;
    let lines = lines.unwrap_or(200).min(MOST_LINES);
    let job = find(&state, &id).await?;
    let reading = tokio::task::spawn_blocking(move || logs::tail(PathBuf::from(job.folder).as_path(), &search, lines));
    let lines = reading.await.map_err(|died| Problem::internal(&died))?;
    Ok(Json(LogLines { lines: lines.map_err(|error| Problem::internal(&error))? }))
}
