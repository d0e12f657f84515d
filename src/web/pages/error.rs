//! What a person sees when a page cannot be given.

use super::Frame;
use crate::web::problem::Problem;
use askama::Template;
use axum::response::{Html, IntoResponse, Response};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    request_id: &'a str,
}

/// A problem as a page.
pub(in crate::web) fn error_page(problem: &Problem, request_id: &str) -> Response {
    let page = ErrorPage { frame: Frame::bare(), title: problem.title, detail: &problem.detail, request_id };
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "the error page cannot be rendered");
            problem.detail.clone().into_response()
        }
    }
}
