//! The start page: drop photos, read captions.

use super::card::CaptionCard;
use super::model::{PageModel, PageOptions};
use super::words::size_text;
use super::{Frame, page};
use crate::store::CaptionFilter;
use crate::web::answer::Answer;
use crate::web::captioning::caption_source;
use crate::web::problem::{OwnPage, Problem, wants_page};
use crate::web::upload::{PhotoSource, Upload};
use crate::web::{AppState, upload, upload_memory};
use askama::Template;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// How many recent captions the start page shows.
const RECENT: u32 = 12;

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    frame: Frame,
    posted: Posted,
    recent: Vec<CaptionCard>,
    model: PageModel,
    options: PageOptions,
    max_upload_text: String,
    max_upload_bytes: usize,
    max_photos: usize,
}

/// What the photos of a form came to.
#[derive(Default)]
struct Posted {
    made: Vec<Answer>,
    failed: Vec<Failed>,
}

/// A photo without a caption, and why.
struct Failed {
    name: String,
    problem: Problem,
}

/// `GET /`
pub(in crate::web) async fn index(State(state): State<AppState>, frame: Frame) -> Result<Response, Problem> {
    start_page(&state, frame, Posted::default()).await
}

/// The page, with what the request's photos came to.
async fn start_page(state: &AppState, frame: Frame, posted: Posted) -> Result<Response, Problem> {
    let side = state.config.storage.thumbnail_side;
    let recent = match frame.show_history {
        true => state.store.captions(&CaptionFilter::default(), RECENT, None).await?,
        false => Vec::new(),
    };
    page(&Index {
        frame,
        posted,
        recent: recent.into_iter().map(|stored| CaptionCard::new(stored, side)).collect(),
        model: PageModel::new(state),
        options: PageOptions::new(state),
        max_upload_text: size_text(state.config.server.max_upload_bytes),
        max_upload_bytes: state.config.server.max_upload_bytes,
        max_photos: state.config.server.max_images_per_request,
    })
}

/// `POST /`: the form without scripts. The page it answers with tells of every photo, whatever came of the others.
pub(in crate::web) async fn upload(
    State(state): State<AppState>,
    frame: Frame,
    request: Request,
) -> Result<Response, Problem> {
    let as_page = wants_page(&request);
    let _memory = upload_memory::for_request(&state, request.headers())?;
    let upload = upload::receive(request, &state.config.server).await?;
    let posted = caption_all(&state, upload).await?;
    let status = match posted.failed.first() {
        // Programs are told what was wrong as everywhere.
        Some(Failed { problem, .. }) if posted.made.is_empty() && !as_page => return Err(problem.clone()),
        Some(Failed { problem, .. }) if posted.made.is_empty() => problem.status,
        _ => StatusCode::OK,
    };
    for Failed { problem, .. } in &posted.failed {
        state.metrics.problem(problem.code);
    }
    Ok((status, Extension(OwnPage), start_page(&state, frame, posted).await?).into_response())
}

async fn caption_all(state: &AppState, upload: Upload) -> Result<Posted, Problem> {
    let model = upload.options.model(state)?;
    let mut posted = Posted::default();
    for photo in upload.photos {
        let name = name_of(&photo);
        match caption_source(state, &model, photo, &upload.options).await {
            Ok(answer) => posted.made.push(answer),
            Err(problem) => posted.failed.push(Failed { name, problem }),
        }
    }
    Ok(posted)
}

/// What the visitor knows a photo by.
fn name_of(photo: &PhotoSource) -> String {
    match photo {
        PhotoSource::Sent(photo) => photo.file_name.clone().unwrap_or_else(|| "A photo without a name".to_owned()),
        PhotoSource::At(url) => url.clone(),
    }
}

impl Posted {
    fn is_empty(&self) -> bool {
        self.made.is_empty() && self.failed.is_empty()
    }
}
