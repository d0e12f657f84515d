//! The JSON API.

use super::AppState;
use super::answer::Answer;
use super::assets::matches_tag;
use super::captioning::caption_photo;
use super::problem::Problem;
use super::request_id::RequestId;
use super::upload::{self, Upload};
use crate::captioning::Status;
use crate::store::FileKind;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// `POST /api/caption`: one photo gives its answer, several give `results` in their order.
pub(super) async fn caption(
    State(state): State<AppState>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Problem> {
    let _place = upload_place(&state)?;
    let Upload { mut photos, options } = upload::receive(request, &state.config.server).await?;
    if photos.len() == 1 {
        let answer = caption_photo(&state, photos.remove(0), options).await?;
        return Ok(Json(answer).into_response());
    }
    let answers = photos.into_iter().map(|photo| caption_photo(&state, photo, options));
    // As many at a time as the model takes at once: a request with many photos does not fill the queue.
    let answers = futures_util::stream::iter(answers);
    let answers = answers.buffered(state.config.captioning.max_batch_size);
    let results: Vec<Value> = answers
        .map(|answer| match answer {
            Ok(answer) => json!(answer),
            Err(problem) => json!(problem.json(request_id.as_str())),
        })
        .collect()
        .await;
    Ok(Json(json!({ "results": results })).into_response())
}

/// A place among the uploads in progress.
pub(super) fn upload_place(state: &AppState) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&state.uploads).try_acquire_owned().map_err(|_| {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let detail = "too many photos are being uploaded at the moment: try again in a moment";
        Problem::new(status, "too-many-uploads", "Too many uploads", detail).retry_after(Duration::from_secs(1))
    })
}

/// `?limit=20&before=<id>`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    limit: Option<u32>,
    before: Option<String>,
}

/// A page of captions.
#[derive(Serialize)]
pub(super) struct CaptionList {
    /// Newest first.
    captions: Vec<Answer>,
    /// For `before` of the next page; null on the last one.
    next: Option<String>,
}

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// `GET /api/captions`: newest first.
pub(super) async fn captions(
    State(state): State<AppState>,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<CaptionList>, Problem> {
    let Query(paging) = paging.map_err(|rejection| Problem::invalid_option(rejection.body_text()))?;
    let limit = paging.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("`limit` must be from 1 to {MAX_LIMIT}, not {limit}");
        return Err(Problem::invalid_option(detail));
    }
    // One more tells whether there is a next page.
    let mut captions = state.store.captions(limit + 1, paging.before.as_deref()).await?;
    let more = captions.len() > limit as usize;
    captions.truncate(limit as usize);
    let next = captions.last().filter(|_| more).map(|last| last.id.clone());
    let captions = captions.into_iter().map(|stored| Answer::new(stored, true)).collect();
    Ok(Json(CaptionList { captions, next }))
}

/// `GET /api/captions/{id}`: with every beam.
pub(super) async fn stored_caption(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Answer>, Problem> {
    let stored = state.store.caption(&id).await?;
    let stored = stored.ok_or_else(|| Problem::not_found("There is no caption with this id."))?;
    Ok(Json(Answer::new(stored, true)))
}

/// `?size=thumbnail`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageQuery {
    #[serde(default)]
    size: ImageSize,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ImageSize {
    #[default]
    Full,
    Thumbnail,
}

/// `GET /api/images/{id}`: the photo without its metadata, or its thumbnail.
pub(super) async fn image(
    State(state): State<AppState>,
    Path(id): Path<String>,
    query: Result<Query<ImageQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::invalid_option(rejection.body_text()))?;
    let missing = || Problem::not_found("There is no photo with this id.");
    let image = state.store.image(&id).await?.ok_or_else(missing)?;
    let (kind, media_type, tag) = match query.size {
        ImageSize::Full => (FileKind::Photo, image.media_type.clone(), format!("\"{}\"", image.sha256)),
        ImageSize::Thumbnail => {
            let tag = format!("\"{}-thumbnail\"", image.sha256);
            (FileKind::Thumbnail, "image/jpeg".to_owned(), tag)
        }
    };
    // The content of an id never changes; other people's browsers and proxies need not keep it.
    let caching =
        [(header::CACHE_CONTROL, "private, max-age=31536000, immutable".to_owned()), (header::ETAG, tag.clone())];
    if matches_tag(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let bytes = state.store.read_file(&image, kind).await?.ok_or_else(missing)?;
    Ok((caching, [(header::CONTENT_TYPE, media_type)], bytes).into_response())
}

/// `GET /api/models`: what is loaded; nothing while it loads.
pub(super) async fn models(State(state): State<AppState>) -> Json<Value> {
    let models = match state.captions.status() {
        Status::Ready(loaded) => vec![json!(loaded.info)],
        Status::Loading | Status::Failed(_) => Vec::new(),
    };
    Json(json!({ "models": models }))
}
