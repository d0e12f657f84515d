//! Pages for people.

use super::api::upload_place;
use super::assets::VERSION;
use super::captioning::caption_photo;
use super::problem::Problem;
use super::{AppState, upload};
use crate::captioning::Status;
use crate::store::StoredCaption;
use askama::Template;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Redirect, Response};

/// How many recent captions the start page shows.
const RECENT: u32 = 12;

#[derive(Template)]
#[template(path = "index.html")]
struct Index<'a> {
    version: &'a str,
    recent: Vec<RecentCaption>,
    model: PageModel,
    options: PageOptions,
    max_upload_text: String,
    max_upload_bytes: usize,
}

/// A caption in the list of recent ones.
struct RecentCaption {
    id: String,
    image_id: String,
    caption: String,
    score_text: String,
    created_at: String,
    created_text: String,
    width: u32,
    height: u32,
}

/// The model, for the footer.
struct PageModel {
    id: String,
    revision_short: String,
    ready: bool,
}

/// Defaults and bounds of the form.
struct PageOptions {
    default_beam_size: usize,
    max_beam_size: usize,
    default_candidates: usize,
    default_max_length: usize,
    max_max_length: usize,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    version: &'a str,
    title: &'a str,
    detail: &'a str,
    request_id: &'a str,
}

/// `GET /`
pub(super) async fn index(State(state): State<AppState>) -> Result<Response, Problem> {
    let side = state.config.storage.thumbnail_side;
    let recent = state.store.captions(RECENT, None).await?;
    let (model, longest) = page_model(&state);
    let captioning = &state.config.captioning;
    let page = Index {
        version: &VERSION,
        recent: recent.into_iter().map(|stored| RecentCaption::new(stored, side)).collect(),
        model,
        options: PageOptions {
            default_beam_size: captioning.beam_size,
            max_beam_size: captioning.max_beam_size,
            default_candidates: captioning.candidates,
            default_max_length: longest,
            max_max_length: longest,
        },
        max_upload_text: size_text(state.config.server.max_upload_bytes),
        max_upload_bytes: state.config.server.max_upload_bytes,
    };
    let html = page.render().map_err(|error| Problem::internal(&error))?;
    // The list of recent captions changes with every photo.
    Ok(([(header::CACHE_CONTROL, "no-cache")], Html(html)).into_response())
}

/// `POST /`: the form without scripts; the captions are on the page it leads to.
pub(super) async fn upload(State(state): State<AppState>, request: Request) -> Result<Redirect, Problem> {
    let _place = upload_place(&state)?;
    let upload = upload::receive(request, &state.config.server).await?;
    for photo in upload.photos {
        caption_photo(&state, photo, upload.options).await?;
    }
    Ok(Redirect::to("/"))
}

/// A problem as a page.
pub(super) fn error_page(problem: &Problem, request_id: &str) -> Response {
    let page = ErrorPage { version: &VERSION, title: problem.title, detail: &problem.detail, request_id };
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "the error page cannot be rendered");
            problem.detail.clone().into_response()
        }
    }
}

impl RecentCaption {
    fn new(stored: StoredCaption, thumbnail_side: u32) -> RecentCaption {
        let (width, height) = thumbnail_size(stored.width, stored.height, thumbnail_side);
        RecentCaption {
            score_text: score_text(stored.score),
            created_text: minute_text(&stored.created_at),
            id: stored.id,
            image_id: stored.image_id,
            caption: stored.caption,
            created_at: stored.created_at,
            width,
            height,
        }
    }
}

/// The model for the footer, and its longest caption.
fn page_model(state: &AppState) -> (PageModel, usize) {
    /// Offered while the model loads; models write longer captions than that.
    const WHILE_LOADING: usize = 20;
    match state.captions.status() {
        Status::Ready(loaded) => {
            let model = PageModel {
                id: loaded.info.id.clone(),
                revision_short: loaded.info.revision.chars().take(8).collect(),
                ready: true,
            };
            (model, loaded.info.max_length)
        }
        Status::Loading | Status::Failed(_) => {
            let folder = state.config.model.path.file_name().unwrap_or_default();
            let model =
                PageModel { id: folder.to_string_lossy().into_owned(), revision_short: String::new(), ready: false };
            (model, WHILE_LOADING)
        }
    }
}

/// The box of a thumbnail: its aspect kept, never enlarged.
fn thumbnail_size(width: u32, height: u32, side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= side {
        return (width, height);
    }
    let scale = f64::from(side) / f64::from(longer);
    let scaled = |length: u32| (f64::from(length) * scale).round().max(1.0) as u32;
    (scaled(width), scaled(height))
}

/// Two decimals and a real minus sign.
fn score_text(score: f64) -> String {
    format!("{score:.2}").replace('-', "\u{2212}")
}

/// `2026-01-01T12:00:00Z` as `2026-01-01 12:00`.
fn minute_text(created_at: &str) -> String {
    created_at.get(..16).unwrap_or(created_at).replace('T', " ")
}

/// `20 MB`, `1.5 MB`, `64 kB`, `7 bytes`.
fn size_text(bytes: usize) -> String {
    let in_units = |unit: usize, name| {
        let tenths = bytes * 10 / unit;
        if tenths.is_multiple_of(10) {
            format!("{} {name}", tenths / 10)
        } else {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    };
    match bytes {
        1_000_000.. => in_units(1_000_000, "MB"),
        1_000.. => in_units(1_000, "kB"),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_keep_their_aspect_and_are_never_enlarged() {
        assert_eq!(thumbnail_size(4000, 3000, 480), (480, 360));
        assert_eq!(thumbnail_size(3000, 4000, 480), (360, 480));
        assert_eq!(thumbnail_size(100, 50, 480), (100, 50));
        assert_eq!(thumbnail_size(100_000, 1, 480), (480, 1));
    }

    #[test]
    fn numbers_and_times_are_written_for_people() {
        assert_eq!(score_text(-0.608), "\u{2212}0.61");
        assert_eq!(minute_text("2026-01-01T12:00:00Z"), "2026-01-01 12:00");
        assert_eq!(size_text(20_000_000), "20 MB");
        assert_eq!(size_text(1_500_000), "1.5 MB");
        assert_eq!(size_text(64_000), "64 kB");
        assert_eq!(size_text(7), "7 bytes");
    }
}
