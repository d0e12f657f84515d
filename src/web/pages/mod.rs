//! Pages for people, one file a page.

mod caption;
mod card;
mod error;
mod filter;
mod frame;
mod history;
mod index;
mod markup;
mod model;
mod words;

pub(super) use caption::{again, caption, edit_caption};
pub(super) use error::error_page;
pub(super) use frame::Frame;
pub(super) use history::{delete, history, restore};
pub(super) use index::{index, upload};
pub(super) use words::{minute_text, size_text};

use super::problem::Problem;
use askama::Template;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// A page that may be different the next time.
pub(super) fn page(template: &impl Template) -> Result<Response, Problem> {
    let html = template.render().map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CACHE_CONTROL, "no-cache")], Html(html)).into_response())
}
