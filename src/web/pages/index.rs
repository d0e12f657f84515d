//! The start page: drop photos, read captions.

use super::card::CaptionCard;
use super::model::{PageModel, PageOptions};
use super::words::size_text;
use super::{Frame, page};
use crate::store::CaptionFilter;
use crate::web::answer::Answer;
use crate::web::captioning::caption_source;
use crate::web::problem::Problem;
use crate::web::{AppState, upload, upload_memory};
use askama::Template;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};

/// How many recent captions the start page shows.
const RECENT: u32 = 12;

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    frame: Frame,
    made: Vec<Answer>,
    recent: Vec<CaptionCard>,
    model: PageModel,
    options: PageOptions,
    max_upload_text: String,
    max_upload_bytes: usize,
}

/// `GET /`
pub(in crate::web) async fn index(State(state): State<AppState>, frame: Frame) -> Result<Response, Problem> {
    start_page(&state, frame, Vec::new()).await
}

/// The page, with captions that the request made.
async fn start_page(state: &AppState, frame: Frame, made: Vec<Answer>) -> Result<Response, Problem> {
    let side = state.config.storage.thumbnail_side;
    let recent = match frame.show_history {
        true => state.store.captions(&CaptionFilter::default(), RECENT, None).await?,
        false => Vec::new(),
    };
    page(&Index {
        frame,
        made,
        recent: recent.into_iter().map(|stored| CaptionCard::new(stored, side)).collect(),
        model: PageModel::new(state),
        options: PageOptions::new(state),
        max_upload_text: size_text(state.config.server.max_upload_bytes),
        max_upload_bytes: state.config.server.max_upload_bytes,
    })
}

/// `POST /`: the form without scripts. The captions are on the page it leads to; on the one it answers with, where past
/// captions are not for this visitor.
pub(in crate::web) async fn upload(
    State(state): State<AppState>,
    frame: Frame,
    request: Request,
) -> Result<Response, Problem> {
    let _memory = upload_memory::for_request(&state, request.headers())?;
    let upload = upload::receive(request, &state.config.server).await?;
    let model = upload.options.model(&state)?;
    let mut made = Vec::new();
    for photo in upload.photos {
        made.push(caption_source(&state, &model, photo, &upload.options).await?);
    }
    if frame.show_history {
        return Ok(Redirect::to("/").into_response());
    }
    start_page(&state, frame, made).await
}
