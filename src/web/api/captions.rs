//! History: past captions, listed and one by one; edited, deleted and brought back.

use crate::store::{Conditional, StoredCaption};
use crate::web::AppState;
use crate::web::answer::Answer;
use crate::web::history::{MAX_CHANGED, RequestedFilter, check_ids, check_words};
use crate::web::problem::Problem;
use crate::web::tags::{matches_tag, means_tag};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// `?query=dog&model=default&from=2026-01-01&until=2026-01-31&limit=20&before=<id>`
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct ListQuery {
    /// Words of the caption or of the photo's name.
    #[param(max_length = 200)]
    query: Option<String>,
    /// The id of the model that wrote the caption.
    model: Option<String>,
    /// The first day, such as 2026-01-01.
    from: Option<String>,
    /// The last day, such as 2026-01-31.
    until: Option<String>,
    /// How many minutes the clock that counts these days is ahead of UTC, from -1440 to 1440. 0 if nothing is said.
    #[param(minimum = -1440, maximum = 1440)]
    utc_offset_minutes: Option<i32>,
    /// Captions on the page; 20 if nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Only captions older than the one with this id: `next` of the page before.
    before: Option<String>,
}

/// A page of captions.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct CaptionList {
    /// Newest first.
    captions: Vec<Answer>,
    /// For `before` of the next page; null on the last one.
    next: Option<String>,
    /// How many there are on all pages; on the first page only.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// `GET /api/captions`: newest first.
#[utoipa::path(
    get,
    path = "/api/captions",
    tag = "history",
    summary = "List past captions",
    description = "Newest first. `next` is for `before` of the next page.",
    params(ListQuery),
    responses((status = 200, description = "A page", body = CaptionList)),
)]
pub(in crate::web) async fn captions(
    State(state): State<AppState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(ListQuery { query, model, from, until, utc_offset_minutes, limit, before }) = query?;
    let filter = RequestedFilter { query, model, from, until, utc_offset_minutes }.check()?;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("`limit` must be from 1 to {MAX_LIMIT}, not {limit}");
        return Err(Problem::invalid_option(detail));
    }
    let before = before.map_or(Ok(None), |before| check_before(&before))?;
    // One more tells whether there is a next page.
    let mut captions = state.store.captions(&filter, limit + 1, before.as_deref()).await?;
    let more = captions.len() > limit as usize;
    captions.truncate(limit as usize);
    let next = captions.last().filter(|_| more).map(|last| last.id.clone());
    let total = match before {
        None => Some(state.store.count_captions(&filter).await?),
        Some(_) => None,
    };
    let captions = captions.into_iter().map(Answer::kept).collect();
    Ok((CHANGING, Json(CaptionList { captions, next, total })).into_response())
}

/// An id, as a page gives it; an empty field, which forms send too, is none.
fn check_before(before: &str) -> Result<Option<String>, Problem> {
    if before.is_empty() {
        return Ok(None);
    }
    match Uuid::try_parse(before) {
        Ok(id) => Ok(Some(id.to_string())),
        Err(_) => Err(Problem::invalid_option("`before` must be the id of a caption: `next` of the page before")),
    }
}

/// What changes under the same address: for the client alone, and to be asked for again.
const CHANGING: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "private, no-cache")];

/// `GET /api/captions/{id}`: with every beam.
#[utoipa::path(
    get,
    path = "/api/captions/{id}",
    tag = "history",
    summary = "One past caption",
    params(("id" = String, Path, description = "The caption's id")),
    responses(
        (status = 200, description = "The caption with every beam", body = Answer),
        (status = 304, description = "`If-None-Match` names what it still is"),
    ),
)]
pub(in crate::web) async fn stored_caption(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stored = state.store.caption(&id).await?.ok_or_else(no_such_caption)?;
    answer(stored, &headers)
}

/// A `PATCH`: a person's words, or null for the model's.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Edit {
    /// One line of at most 1000 characters; null for the model's words.
    // A function of its own makes serde ask for the field; null is a value here.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, max_length = 1000)]
    caption: Option<String>,
}

/// `PATCH /api/captions/{id}`: other words; the model's are kept.
#[utoipa::path(
    patch,
    path = "/api/captions/{id}",
    tag = "history",
    summary = "Change the words of a caption",
    description = "The model's words are kept as `generated_caption`; null goes back to them.",
    params(
        ("id" = String, Path, description = "The caption's id"),
        ("If-Match" = Option<String>, Header, description = "Its `ETag`, for a change only if it still is what it was"),
    ),
    request_body = Edit,
    responses((status = 200, description = "The caption as it is now", body = Answer)),
)]
pub(in crate::web) async fn edit_caption(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    edit: Result<Json<Edit>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(Edit { caption }) = edit?;
    let words = caption.as_deref().map(check_words).transpose()?;
    let edited = state.store.edit_caption_if(&id, words, |stored| is_meant(stored, &headers)).await?;
    answer(done(edited)?, &HeaderMap::new())
}

/// `DELETE /api/captions/{id}`
#[utoipa::path(
    delete,
    path = "/api/captions/{id}",
    tag = "history",
    summary = "Delete a caption",
    description = "It can be restored for `storage.undo_minutes`.",
    params(
        ("id" = String, Path, description = "The caption's id"),
        ("If-Match" = Option<String>, Header, description = "Its `ETag`, to delete it only if it still is what it was"),
    ),
    responses((status = 204, description = "It is deleted")),
)]
pub(in crate::web) async fn delete_caption(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    done(state.store.delete_caption_if(&id, |stored| is_meant(stored, &headers)).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/captions/{id}/restore`: gives the caption, also when it was not deleted.
#[utoipa::path(
    post,
    path = "/api/captions/{id}/restore",
    tag = "history",
    summary = "Bring a deleted caption back",
    description = "Unless the same photo, model and options were captioned anew meanwhile: delete that caption first.",
    params(("id" = String, Path, description = "The caption's id")),
    responses((status = 200, description = "The caption", body = Answer)),
)]
pub(in crate::web) async fn restore_caption(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    state.store.restore_captions(std::slice::from_ref(&id)).await?;
    if let Some(restored) = state.store.caption(&id).await? {
        return answer(restored, &HeaderMap::new());
    }
    let other = state.store.caption_in_place_of(&id).await?;
    Err(other.map_or_else(no_such_caption, |other| captioned_anew(&other)))
}

/// `{"ids": ["…", "…"]}`
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CaptionIds)]
pub(in crate::web) struct Named {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<String>,
}

/// How many captions were deleted.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct Deleted {
    deleted: u64,
}

/// How many captions were brought back.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct Restored {
    restored: u64,
}

/// `POST /api/captions/delete`: ids that are not there are passed over.
#[utoipa::path(
    post,
    path = "/api/captions/delete",
    tag = "history",
    summary = "Delete several captions",
    description = "Ids that are not there are passed over.",
    request_body = Named,
    responses((status = 200, description = "How many were deleted", body = Deleted)),
)]
pub(in crate::web) async fn delete_captions(
    State(state): State<AppState>,
    named: Result<Json<Named>, JsonRejection>,
) -> Result<Json<Deleted>, Problem> {
    let Json(Named { ids }) = named?;
    check_ids(&ids, MAX_CHANGED)?;
    Ok(Json(Deleted { deleted: state.store.delete_captions(&ids).await? }))
}

/// `POST /api/captions/restore`: ids that are not there are passed over.
#[utoipa::path(
    post,
    path = "/api/captions/restore",
    tag = "history",
    summary = "Bring several deleted captions back",
    description = "Ids that are not there are passed over, and those in whose place there is another caption now.",
    request_body = Named,
    responses((status = 200, description = "How many were brought back", body = Restored)),
)]
pub(in crate::web) async fn restore_captions(
    State(state): State<AppState>,
    named: Result<Json<Named>, JsonRejection>,
) -> Result<Json<Restored>, Problem> {
    let Json(Named { ids }) = named?;
    check_ids(&ids, MAX_CHANGED)?;
    Ok(Json(Restored { restored: state.store.restore_captions(&ids).await? }))
}

/// A caption with a mark of its content; 304 for a client that has it already.
fn answer(stored: StoredCaption, headers: &HeaderMap) -> Result<Response, Problem> {
    let (body, tag) = written(stored)?;
    let caching = (CHANGING, [(header::ETAG, tag.clone())]);
    if matches_tag(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    Ok((caching, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// A caption as JSON, and a mark of it.
fn written(stored: StoredCaption) -> Result<(Vec<u8>, String), Problem> {
    let body = serde_json::to_vec(&Answer::kept(stored)).map_err(|error| Problem::internal(&error))?;
    // Half of the digits tell any two apart.
    let tag = format!("\"{:.32x}\"", Sha256::digest(&body));
    Ok((body, tag))
}

/// Whether a caption is the one that the client means to change, as the client knows it.
fn is_meant(stored: &StoredCaption, headers: &HeaderMap) -> bool {
    written(stored.clone()).is_ok_and(|(_, tag)| means_tag(headers, &tag))
}

/// What was changed, or why nothing was.
fn done<T>(change: Conditional<T>) -> Result<T, Problem> {
    match change {
        Conditional::Done(done) => Ok(done),
        Conditional::Gone => Err(no_such_caption()),
        Conditional::Otherwise => {
            let detail = "the caption is no longer what `If-Match` says: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Err(Problem::new(status, "changed-meanwhile", "The caption was changed meanwhile", detail))
        }
    }
}

/// Of equal requests only one caption is shown.
pub(in crate::web) fn captioned_anew(other: &str) -> Problem {
    let detail = format!("the photo was captioned anew meanwhile: delete the caption {other} to bring this one back");
    Problem::new(StatusCode::CONFLICT, "captioned-anew", "The photo was captioned anew", detail)
}

fn no_such_caption() -> Problem {
    Problem::not_found("There is no caption with this id.")
}
