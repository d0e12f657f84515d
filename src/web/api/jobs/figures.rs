//! A job's figures for plots, and the captions of its sample photos over time.

use super::find;
use crate::store::{Series, SeriesQuery, StoredJob};
use crate::training::folders::confine;
use crate::training::recipes;
use crate::web::AppState;
use crate::web::openapi::Binary;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::path::{Path as FilePath, PathBuf};

/// Points of a series where the request does not say.
const POINTS: u32 = 600;
/// The most points of a series.
const MOST_POINTS: u32 = 5000;

/// Which figures.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct SeriesParameters {
    /// Their names, with commas between them; all by default.
    names: Option<String>,
    /// Points of each series at most, from 1 to 5000 (600).
    points: Option<u32>,
    /// Only points of later iterations.
    after_iteration: Option<i64>,
}

/// Figures over iterations.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct SeriesList {
    series: Vec<SeriesPoints>,
}

/// One figure in one phase.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct SeriesPoints {
    /// The phase.
    phase: String,
    /// The figure.
    name: String,
    /// `[iteration, seconds since 1970, mean, smallest, largest]` of each bucket.
    #[schema(value_type = Vec<Vec<f64>>)]
    points: Vec<(i64, f64, f64, f64, f64)>,
}

impl From<Series> for SeriesPoints {
    fn from(Series { phase, name, points }: Series) -> SeriesPoints {
        SeriesPoints { phase, name, points }
    }
}

/// `GET /api/admin/jobs/{id}/series`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/series",
    operation_id = "job_series",
    tag = "training",
    summary = "Figures for plots",
    description = "However many points there are, each series comes in so many buckets, each with its mean and its \
        extremes. Besides what the trainer tells: `per_second`, `cpu_percent`, `memory_bytes`, and with a GPU \
        `gpu_percent` and `gpu_memory_bytes`.",
    params(("id" = String, Path, description = "The job's id"), SeriesParameters),
    responses((status = 200, description = "By phase and name", body = SeriesList)),
)]
pub(in crate::web) async fn series(
    State(state): State<AppState>,
    Path(id): Path<String>,
    query: Result<Query<SeriesParameters>, QueryRejection>,
) -> Result<Json<SeriesList>, Problem> {
    let Query(SeriesParameters { names, points, after_iteration }) = query?;
    let points = points.unwrap_or(POINTS);
    if !(1..=MOST_POINTS).contains(&points) {
        return Err(Problem::invalid_option(format!("`points` must be from 1 to {MOST_POINTS}, not {points}")));
    }
    find(&state, &id).await?;
    let names = names.unwrap_or_default();
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let series = state.store.job_series(&id, &SeriesQuery { names, points, after_iteration }).await?;
    Ok(Json(SeriesList { series: series.into_iter().map(SeriesPoints::from).collect() }))
}

/// Sample photos.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct SampleList {
    samples: Vec<Sample>,
}

/// A validation photo, and what the model said of it.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct Sample {
    /// The photo's number in the dataset.
    image: i64,
    /// Its path below `data.images`.
    file: Option<String>,
    /// What people wrote.
    references: Vec<String>,
    /// From the first evaluation to the last.
    captions: Vec<SampleCaption>,
}

/// What the model said at one time.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct SampleCaption {
    phase: String,
    iteration: u64,
    caption: String,
}

/// A `sample` event.
#[derive(Deserialize)]
struct SampleLine {
    #[serde(default)]
    phase: String,
    iteration: u64,
    image: i64,
    file: Option<String>,
    caption: String,
    #[serde(default)]
    references: Vec<String>,
}

/// `GET /api/admin/jobs/{id}/samples`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/samples",
    operation_id = "job_samples",
    tag = "training",
    summary = "Captions of a few validation photos over time",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "By photo", body = SampleList)),
)]
pub(in crate::web) async fn samples(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<SampleList>, Problem> {
    find(&state, &id).await?;
    let mut samples: Vec<Sample> = Vec::new();
    for line in sample_lines(&state, &id).await? {
        let caption = SampleCaption { phase: line.phase, iteration: line.iteration, caption: line.caption };
        match samples.iter_mut().find(|sample| sample.image == line.image) {
            Some(sample) => sample.captions.push(caption),
            None => {
                let SampleLine { image, file, references, .. } = line;
                samples.push(Sample { image, file, references, captions: vec![caption] });
            }
        }
    }
    Ok(Json(SampleList { samples }))
}

async fn sample_lines(state: &AppState, id: &str) -> Result<Vec<SampleLine>, Problem> {
    let events = state.store.job_events_of_note(id, "sample").await?;
    Ok(events.iter().filter_map(|event| serde_json::from_str(&event.line).ok()).collect())
}

/// `GET /api/admin/jobs/{id}/samples/{image}/photo`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/samples/{image}/photo",
    operation_id = "job_sample_photo",
    tag = "training",
    summary = "A sample photo, small",
    params(
        ("id" = String, Path, description = "The job's id"),
        ("image" = i64, Path, description = "The photo's number in the dataset"),
    ),
    responses((status = 200, description = "The picture", content((Binary = "image/jpeg")))),
)]
pub(in crate::web) async fn sample_photo(
    State(state): State<AppState>,
    Path((id, image)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let none = || Problem::not_found("There is no such sample photo.");
    let job = find(&state, &id).await?;
    let lines = sample_lines(&state, &id).await?;
    let line = lines.into_iter().find(|line| line.image.to_string() == image).ok_or_else(none)?;
    let file = line.file.ok_or_else(none)?;
    let roots = state.jobs.roots().to_vec();
    let (limits, side) = (state.config.image_limits(), state.config.storage.thumbnail_side);
    let drawing = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(photo_path(&job, &file, &roots)?).ok()?;
        let decoded = trainer::image::decode(&bytes, &limits).ok()?;
        trainer::image::thumbnail_jpeg(&decoded.pixels, side).ok()
    });
    let photo = drawing.await.map_err(|died| Problem::internal(&died))?.ok_or_else(none)?;
    let caching = [(header::CACHE_CONTROL, "private, max-age=3600"), (header::CONTENT_TYPE, "image/jpeg")];
    Ok((caching, photo).into_response())
}

/// Below the run's images and below a root: what an event says of files is only believed so far.
fn photo_path(job: &StoredJob, file: &str, roots: &[PathBuf]) -> Option<PathBuf> {
    let images = recipes::of_run(FilePath::new(&job.folder)).ok()?.data.images;
    let path = confine(roots, &images.join(file))?;
    path.starts_with(images.canonicalize().ok()?).then_some(path)
}
