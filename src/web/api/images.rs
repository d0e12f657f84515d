//! Stored photos: they and their thumbnails, and captioning them again.

use super::fields::Fields;
use crate::store::FileKind;
use crate::web::AppState;
use crate::web::answer::Answer;
use crate::web::captioning::caption_again;
use crate::web::openapi::Binary;
use crate::web::options::RequestedOptions;
use crate::web::pieces;
use crate::web::problem::Problem;
use crate::web::tags::matches_tag;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// `?size=thumbnail`
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct ImageQuery {
    #[serde(default)]
    #[param(inline)]
    size: ImageSize,
}

#[derive(Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum ImageSize {
    #[default]
    Full,
    Thumbnail,
}

/// `GET /api/images/{id}`: the photo without its metadata, or its thumbnail.
#[utoipa::path(
    get,
    path = "/api/images/{id}",
    tag = "history",
    summary = "A photo or its thumbnail",
    description = "The photo is as uploaded, without its metadata.",
    params(("id" = String, Path, description = "The photo's id"), ImageQuery),
    responses(
        (status = 200, description = "The picture", content(
            (Binary = "image/jpeg"), (Binary = "image/png"), (Binary = "image/webp"),
        )),
        (status = 304, description = "`If-None-Match` names it"),
    ),
)]
pub(in crate::web) async fn image(
    State(state): State<AppState>,
    Path(id): Path<String>,
    query: Result<Query<ImageQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let image = state.store.image(&id).await?.ok_or_else(no_such_photo)?;
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
    let file = state.store.open_file(&image, kind).await?.ok_or_else(no_such_photo)?;
    let length = file.metadata().map_err(|error| Problem::internal(&error))?.len();
    let described = [(header::CONTENT_TYPE, media_type), (header::CONTENT_LENGTH, length.to_string())];
    Ok((caching, described, pieces::body(file)).into_response())
}

/// `POST /api/images/{id}/caption`: captions a stored photo with other options, or by the model that is in
/// service now. Options come in the query, or in a body of JSON or a form, whose options go before those of the query.
#[utoipa::path(
    post,
    path = "/api/images/{id}/caption",
    operation_id = "caption_again",
    tag = "captioning",
    summary = "Caption a stored photo again",
    description = "With other options, or by the model in service where another one captioned the photo before; \
                   only the model in service captions. Options in the body go before those in the query.",
    params(("id" = String, Path, description = "The photo's id"), RequestedOptions),
    request_body(content(
        (Option<RequestedOptions> = "application/json"),
        (Option<RequestedOptions> = "application/x-www-form-urlencoded"),
    )),
    responses((status = 200, description = "The caption", body = Answer)),
)]
pub(in crate::web) async fn again(
    State(state): State<AppState>,
    Path(id): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    body: Fields<RequestedOptions>,
) -> Result<Json<Answer>, Problem> {
    let Query(query) = query?;
    let mut options = RequestedOptions::default();
    for (name, value) in query {
        options.set(&name, &value)?;
    }
    match body {
        Fields::None => (),
        Fields::Json(json) => options = json.or(options),
        Fields::Form(form) => {
            for (name, value) in form {
                options.set(&name, &value)?;
            }
        }
    }
    let image = state.store.image(&id).await?.ok_or_else(no_such_photo)?;
    Ok(Json(caption_again(&state, &image, options).await?))
}

fn no_such_photo() -> Problem {
    Problem::not_found("There is no photo with this id.")
}
