//! For whoever watches the server: is the process up, and can it caption?

use super::AppState;
use super::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// `GET /livez`: the process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "up" }))
}

/// `GET /readyz`: photos can be captioned.
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    let loaded = state.captions.loaded()?;
    Ok(Json(json!({ "status": "ready", "model": loaded.info.id })))
}
