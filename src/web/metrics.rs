//! `GET /metrics`: what is counted, for Prometheus.

use super::AppState;
use super::problem::Problem;
use crate::metrics::Snapshot;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

/// Prometheus' text format, version 0.0.4.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    summary = "What is counted, for Prometheus",
    responses((status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(state): State<AppState>) -> Result<impl IntoResponse, Problem> {
    let service = state.models.active();
    let models = Vec::from_iter(service.status().info().cloned());
    let text = state.metrics.text(&Snapshot {
        queue_length: service.queue_length(),
        queue_capacity: service.queue_capacity(),
        models: &models,
        free_bytes: state.store.free_bytes().ok(),
    });
    let text = text.map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, TEXT_FORMAT), (header::CACHE_CONTROL, "no-store")], text))
}
