//! The start page: drop photos, read captions.

use super::card::CaptionCard;
use super::model::{PageModel, PageOptions};
use super::words::size_text;
use super::{Frame, page};
use crate::store::CaptionFilter;
use crate::web::captioning::caption_source;
use crate::web::problem::Problem;
use crate::web::{AppState, upload, upload_memory};
use askama::Template;
use axum::extract::{Request, State};
use axum::response::{Redirect, Response};

/// How many recent captions the start page shows.
const RECENT: u32 = 12;

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    frame: Frame,
    recent: Vec<CaptionCard>,
    model: PageModel,
    options: PageOptions,
    max_upload_text: String,
    max_upload_bytes: usize,
}

/// `GET /`
pub(in crate::web) async fn index(State(state): State<AppState>, frame: Frame) -> Result<Response, Problem> {
    let side = state.config.storage.thumbnail_side;
    let recent = match frame.show_history {
        true => state.store.captions(&CaptionFilter::default(), RECENT, None).await?,
        false => Vec::new(),
    };
    page(&Index {
        frame,
        recent: recent.into_iter().map(|stored| CaptionCard::new(stored, side)).collect(),
        model: PageModel::new(&state),
        options: PageOptions::new(&state),
        max_upload_text: size_text(state.config.server.max_upload_bytes),
        max_upload_bytes: state.config.server.max_upload_bytes,
    })
}

/// `POST /`: the form without scripts; the captions are on the page it leads to.
pub(in crate::web) async fn upload(State(state): State<AppState>, request: Request) -> Result<Redirect, Problem> {
    let _memory = upload_memory::for_request(&state, request.headers())?;
    let upload = upload::receive(request, &state.config.server).await?;
    let model = upload.options.model(&state)?;
    for photo in upload.photos {
        caption_source(&state, &model, photo, &upload.options).await?;
    }
    Ok(Redirect::to("/"))
}
