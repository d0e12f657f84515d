//! The start page: drop photos, read captions.

use super::card::CaptionCard;
use super::model::{PageModel, PageOptions};
use super::words::size_text;
use super::{Frame, page};
use crate::store::CaptionFilter;
use crate::web::answer::Answer;
use crate::web::captioning::caption_source;
use crate::web::problem::{Problem, wants_page};
use crate::web::upload::{PhotoSource, Upload};
use crate::web::{AppState, upload, upload_memory};
use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;

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
    // Where nothing came of any photo, the first one's problem is that of the request.
    let refusal = posted.failed.first().filter(|_| posted.made.is_empty()).map(|failed| failed.problem.clone());
    if let Some(problem) = &refusal
        && !as_page
    {
        // Programs are told what was wrong as everywhere.
        return Err(problem.clone());
    }
    for Failed { problem, .. } in &posted.failed {
        state.metrics.problem(problem.code);
    }
    let page = start_page(&state, frame, posted).await?;
    Ok(match refusal {
        Some(problem) => problem.on_page(page),
        None => page,
    })
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
