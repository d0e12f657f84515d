//! What lies in a run's folder for people: its recipe and its log.

use super::find;
use crate::store::{StoredJob, Work};
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
    /// The run that it began with; null where that was a shipped recipe, or the run is gone and what differs is told of
    /// the shipped recipe that both began with.
    former: Option<FormerRun>,
}

/// A run that another was cloned from.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct FormerRun {
    id: String,
    /// In an admin's words.
    name: String,
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
    let former = match &job.cloned_from {
        Some(other) => state.store.job(other).await?,
        None => None,
    };
    let reading = tokio::task::spawn_blocking(move || {
        let folder = PathBuf::from(&job.folder);
        let toml = std::fs::read_to_string(folder.join(recipes::FILE)).ok()?;
        let recipe = recipes::of_run(&folder).ok()?;
        let of_former = former.and_then(|StoredJob { id, name, folder, .. }| {
            let text = std::fs::read_to_string(PathBuf::from(folder).join(recipes::FILE)).ok()?;
            Some((text, FormerRun { id, name }))
        });
        let (before, former) = match of_former {
            Some((text, former)) => (text, Some(former)),
            None => (recipes::shipped(&job.recipe).unwrap_or_default().to_owned(), None),
        };
        Some(RunRecipe { differences: recipes::differences(&recipe, &before), toml, former })
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
    let Query(LogQuery { search, lines }) = query?;
    let lines = lines.unwrap_or(200).min(MOST_LINES);
    let job = find(&state, &id).await?;
    let reading = tokio::task::spawn_blocking(move || logs::tail(PathBuf::from(job.folder).as_path(), &search, lines));
    let lines = reading.await.map_err(|died| Problem::internal(&died))?;
    Ok(Json(LogLines { lines: lines.map_err(|error| Problem::internal(&error))? }))
}
