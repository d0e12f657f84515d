//! For whoever watches the server: is the process up, and can it caption?

use super::AppState;
use super::problem::Problem;
use crate::captioning::Status;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

/// The process answers.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Live {
    status: &'static str,
}

/// Photos can be captioned.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Ready {
    status: &'static str,
    /// Id of the model in service.
    model: String,
}

/// `GET /livez`: the process answers.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "operations",
    summary = "Is the process up",
    responses((status = 200, description = "It answers", body = Live)),
)]
pub(super) async fn live() -> Json<Live> {
    Json(Live { status: "up" })
}

/// `GET /readyz`: photos can be captioned and kept.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    summary = "Can photos be captioned and kept",
    responses((status = 200, description = "They can", body = Ready)),
)]
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Ready>, Problem> {
    let mut faults = Vec::new();
    let model = match state.models.active().status() {
        Status::Ready(loaded) => loaded.info.id.clone(),
        Status::Loading => {
            faults.push("the model is still loading");
            String::new()
        }
        Status::Failed(_) => {
            faults.push("the model is not running");
            String::new()
        }
    };
    if let Err(error) = state.store.check_writable().await {
        tracing::warn!(%error, "the database cannot be written");
        faults.push("the database cannot be written");
    }
    match state.store.check_room().await {
        Ok(()) if check_space(&state).is_ok() => (),
        Err(error) if !error.is_full() => {
            tracing::warn!(%error, "photos cannot be written");
            faults.push("photos cannot be written");
        }
        Ok(()) | Err(_) => faults.push("the disk is full"),
    }
    if !faults.is_empty() {
        return Err(Problem::not_ready(faults.join("; ")));
    }
    Ok(Json(Ready { status: "ready", model }))
}

/// Refuses to keep another photo where the disk has not the free space that the settings ask for.
///
/// Where the system does not tell, writing will: this is no reason to refuse.
pub(super) fn check_space(state: &AppState) -> Result<(), Problem> {
    let wanted = state.config.storage.min_free_bytes;
    match state.store.free_bytes() {
        Ok(free) if free < wanted => {
            tracing::error!(free, wanted, "too little free space for photos");
            Err(Problem::storage_full())
        }
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "the free space of the disk is unknown");
            Ok(())
        }
    }
}
