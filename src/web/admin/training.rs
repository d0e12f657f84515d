//! The pages of training: shells that scripts fill through the API, which has the same for programs.

use crate::web::AppState;
use crate::web::pages::{self, Frame};
use crate::web::problem::Problem;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

#[derive(Template)]
#[template(path = "admin/new_run.html")]
struct NewRunPage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "admin/run.html")]
struct RunPage {
    frame: Frame,
    id: String,
    name: String,
}

#[derive(Template)]
#[template(path = "admin/compare.html")]
struct ComparePage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "admin/evaluate.html")]
struct EvaluatePage {
    frame: Frame,
}

/// `GET /admin/runs/new`
pub(in crate::web) async fn new_run(frame: Frame) -> Result<Response, Problem> {
    pages::page(&NewRunPage { frame })
}

/// `GET /admin/runs/{id}`
pub(in crate::web) async fn run(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let job = state.store.job(&id).await?;
    let job = job.ok_or_else(|| Problem::not_found("There is no such run, or no longer."))?;
    pages::page(&RunPage { frame, id: job.id, name: job.name })
}

/// `GET /admin/compare?jobs=…`
pub(in crate::web) async fn compare(frame: Frame) -> Result<Response, Problem> {
    pages::page(&ComparePage { frame })
}

/// `GET /admin/evaluate`
pub(in crate::web) async fn evaluate(frame: Frame) -> Result<Response, Problem> {
    pages::page(&EvaluatePage { frame })
}
