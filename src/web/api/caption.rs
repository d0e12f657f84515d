//! `POST /api/caption`: photos come in, captions go out.

use crate::web::AppState;
use crate::web::captioning::caption_source;
use crate::web::openapi::{Binary, CaptionAnswer, UploadForm};
use crate::web::options::RequestedOptions;
use crate::web::problem::Problem;
use crate::web::request_id::RequestId;
use crate::web::upload::{self, JsonUpload, Upload};
use crate::web::upload_memory;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::StreamExt;
use serde_json::{Value, json};

/// `POST /api/caption`: one photo gives its answer, several give `results` in their order.
#[utoipa::path(
    post,
    path = "/api/caption",
    tag = "captioning",
    summary = "Caption photos",
    description = "One photo gives its answer, several give `results` in their order. Options in the query hold \
        unless the body has its own. The same photo, model and options are answered from the store.",
    params(RequestedOptions, ("url" = Option<String>, Query, description = "Where the photo is, instead of a body")),
    request_body(content(
        (UploadForm = "multipart/form-data"),
        (JsonUpload = "application/json"),
        (Binary = "image/*"),
        (Binary = "application/octet-stream"),
    )),
    responses((status = 200, description = "The captions", body = inline(CaptionAnswer<'_>))),
)]
pub(in crate::web) async fn caption(
    State(state): State<AppState>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Problem> {
    let _memory = upload_memory::for_request(&state, request.headers())?;
    let Upload { mut photos, options } = upload::receive(request, &state.config.server).await?;
    let model = options.model(&state)?;
    if photos.len() == 1 {
        let answer = caption_source(&state, &model, photos.remove(0), &options).await?;
        return Ok(Json(answer).into_response());
    }
    let answers = photos.into_iter().map(|photo| caption_source(&state, &model, photo, &options));
    // As many at a time as the model takes at once: a request with many photos does not fill the queue.
    let answers = futures_util::stream::iter(answers);
    let answers = answers.buffered(state.config.captioning.max_batch_size);
    let results: Vec<Value> = answers
        .map(|answer| match answer {
            Ok(answer) => json!(answer),
            Err(problem) => {
                state.metrics.problem(problem.code);
                json!(problem.json(request_id.as_str()))
            }
        })
        .collect()
        .await;
    Ok(Json(json!({ "results": results })).into_response())
}
