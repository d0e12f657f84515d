//! Every route on one page, and what wraps them all.

use super::api::{jobs, training};
use super::problem::{self, Problem};
use super::request_id;
use super::{
    AppState, admin, api, assets, auth, body_time, cross_site, exchange, health, hosts, limits, metrics, openapi, pages,
};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use std::any::Any;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

/// The web application.
pub fn app(state: AppState) -> Router {
    let body_limit = state.config.server.max_body_bytes();
    // The first layer is the outermost: a request passes them from top to bottom, its response back up.
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(request_id::assign))
        .layer(middleware::from_fn_with_state(state.clone(), exchange::observe))
        .layer(set_header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(set_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set_header(header::REFERRER_POLICY, "same-origin"))
        .option_layer(cross_site::sharing(&state.config.server.cors_origins))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(problem::finish))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.clone(), hosts::check))
        .layer(middleware::from_fn_with_state(state.clone(), cross_site::let_through))
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn_with_state(state.clone(), auth::identify))
        .layer(middleware::from_fn_with_state(state.clone(), body_time::bound))
        .layer(RequestBodyLimitLayer::new(body_limit))
        .layer(DefaultBodyLimit::disable());
    Router::new()
        .merge(captioning(&state))
        .merge(history(&state))
        .merge(admins())
        .merge(everybody(&state))
        .fallback(not_found)
        .layer(layers)
        .with_state(state)
}

/// For whoever may caption photos.
fn captioning(state: &AppState) -> Router<AppState> {
    let of_past_captions = Router::new()
        .route("/captions/{id}/again", post(pages::again))
        .route("/api/images/{id}/caption", post(api::again))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .route_layer(middleware::from_fn_with_state(state.config.access.history, auth::by_setting));
    let with_photos = Router::new()
        .route("/", post(pages::upload))
        .route("/api/caption", post(api::caption))
        .merge(of_past_captions)
        .route_layer(middleware::from_fn_with_state(state.clone(), limits::photos));
    Router::new()
        .route("/", get(pages::index))
        .route("/api/models", get(api::models))
        .merge(with_photos)
        .route_layer(middleware::from_fn_with_state(state.config.access.captioning, auth::by_setting))
}

/// For whoever may see and change past captions.
fn history(state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/history", get(pages::history))
        .route("/history/delete", post(pages::delete))
        .route("/history/restore", post(pages::restore).layer(DefaultBodyLimit::max(ALL_IDS_BYTES)))
        .route("/captions/{id}", get(pages::caption).post(pages::edit_caption))
        .route("/api/captions", get(api::captions))
        .route("/api/captions/delete", post(api::delete_captions))
        .route("/api/captions/restore", post(api::restore_captions))
        .route("/api/captions/export", post(api::export).layer(DefaultBodyLimit::max(ALL_IDS_BYTES)))
        .route("/api/captions/{id}", get(api::stored_caption).patch(api::edit_caption).delete(api::delete_caption))
        .route("/api/captions/{id}/restore", post(api::restore_caption))
        .route("/api/images/{id}", get(api::image))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .route_layer(middleware::from_fn_with_state(state.config.access.history, auth::by_setting))
}

fn admins() -> Router<AppState> {
    Router::new()
        .route("/admin", get(admin::overview))
        .route("/admin/runs/new", get(admin::new_run))
        .route("/admin/runs/{id}", get(admin::run))
        .route("/admin/compare", get(admin::compare))
        .route("/admin/evaluate", get(admin::evaluate))
        .route("/admin/keys", get(admin::keys).post(admin::create_key))
        .route("/admin/keys/{id}/revoke", post(admin::revoke_key))
        .route("/admin/models", get(admin::models).post(admin::activate_models))
        .route("/admin/models/delete", post(admin::delete_model))
        .route("/api/admin/models", get(api::model_folders))
        .route("/api/admin/models/activate", post(api::activate_models))
        .route("/api/admin/keys", get(api::keys).post(api::create_key))
        .route("/api/admin/keys/{id}", delete(api::revoke_key))
        .route("/api/admin/jobs", get(jobs::jobs).post(jobs::create_job))
        .route("/api/admin/jobs/check", post(jobs::check_job))
        .route("/api/admin/jobs/{id}", get(jobs::job).patch(jobs::edit_job).delete(jobs::delete_job))
        .route("/api/admin/jobs/{id}/next", post(jobs::run_job_next))
        .route("/api/admin/jobs/{id}/stop", post(jobs::stop_job))
        .route("/api/admin/jobs/{id}/resume", post(jobs::resume_job))
        .route("/api/admin/jobs/{id}/retry", post(jobs::retry_job))
        .route("/api/admin/jobs/{id}/events", get(jobs::events::events))
        .route("/api/admin/jobs/{id}/series", get(jobs::figures::series))
        .route("/api/admin/jobs/{id}/samples", get(jobs::figures::samples))
        .route("/api/admin/jobs/{id}/samples/{image}/photo", get(jobs::figures::sample_photo))
        .route("/api/admin/jobs/{id}/recipe", get(jobs::files::recipe))
        .route("/api/admin/jobs/{id}/log", get(jobs::files::log))
        .route("/api/admin/jobs/{id}/checkpoints", get(jobs::checkpoints::list))
        .route("/api/admin/jobs/{id}/checkpoints/{phase}/{name}/download", get(jobs::checkpoints::download))
        .route("/api/admin/jobs/{id}/checkpoints/{phase}/{name}/activate", post(jobs::checkpoints::activate))
        .route("/api/admin/jobs/{id}/evaluation", get(jobs::evaluations::evaluation))
        .route("/api/admin/jobs/{id}/evaluation/{file}", get(jobs::evaluations::file))
        .route("/api/admin/evaluations", post(jobs::evaluations::create_evaluation))
        .route("/api/admin/compare", get(jobs::compare::compare))
        .route("/api/admin/recipes", get(training::recipes))
        .route("/api/admin/folders", get(training::folders))
        .route("/api/admin/device", get(training::device))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .route_layer(middleware::from_fn(auth::admins))
}

/// For everybody, but for the metrics where the settings say otherwise.
fn everybody(state: &AppState) -> Router<AppState> {
    let watched = get(metrics::metrics);
    let watched = watched.route_layer(middleware::from_fn_with_state(state.config.access.metrics, auth::by_setting));
    Router::new()
        .route("/sign-in", get(auth::sign_in_page).post(auth::sign_in).layer(DefaultBodyLimit::max(FORM_BYTES)))
        .route("/sign-out", post(auth::sign_out))
        .route("/static/{*path}", get(assets::file))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", watched)
        .route("/openapi.json", get(openapi::document))
        .merge(openapi::docs())
}

/// Bodies without photos: the ids of as many captions as one request may change.
const FORM_BYTES: usize = 256 * 1024;

/// The ids of as many captions as one export may name, and one person may have deleted: about 40 bytes each.
const ALL_IDS_BYTES: usize = 5 * 1024 * 1024;

/// Scripts, styles and requests only from here; pictures also from the page's own memory, for previews.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

fn set_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

async fn not_found() -> Problem {
    Problem::not_found("There is nothing at this address.")
}

/// The panic's message goes to the log only.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(&message.unwrap_or("a handler panicked")).into_response()
}
