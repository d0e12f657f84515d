//! `GET /admin`: what the server does and holds, and where to change it.

use crate::captioning::Status;
use crate::store::CaptionFilter;
use crate::web::AppState;
use crate::web::pages::{self, Frame};
use crate::web::problem::Problem;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct Overview {
    frame: Frame,
    model: String,
    captions: u64,
    /// Keys that hold.
    keys: usize,
}

/// `GET /admin`
pub(in crate::web) async fn overview(State(state): State<AppState>, frame: Frame) -> Result<Response, Problem> {
    let keys = state.store.keys().await?;
    pages::page(&Overview {
        frame,
        model: model_text(&state.models.active().status()),
        captions: state.store.count_captions(&CaptionFilter::default()).await?,
        keys: keys.iter().filter(|key| key.revoked_at.is_none()).count(),
    })
}

fn model_text(status: &Status) -> String {
    match status {
        Status::Ready(loaded) => format!("{} on {}", loaded.info.id, loaded.info.device),
        Status::Loading => "loading".to_owned(),
        Status::Failed(_) => "none: it could not be loaded, see the log".to_owned(),
    }
}
