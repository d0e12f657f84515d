//! Every route on one page, and what wraps them all.

use super::problem::{self, Problem};
use super::request_id::{self, RequestId};
use super::{AppState, api, assets, health, pages};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::any::Any;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::Level;

/// The web application.
pub fn app(state: AppState) -> Router {
    let body_limit = state.config.server.max_body_bytes();
    // The first layer is the outermost: a request passes them from top to bottom, its response back up.
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(request_id::assign))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_response(DefaultOnResponse::new().level(Level::INFO))
                // Causes are logged where they arise; a probe of a server that is still loading is no error.
                .on_failure(()),
        )
        .layer(set_header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(set_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set_header(header::REFERRER_POLICY, "same-origin"))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(problem::finish))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CsrfLayer::new())
        .layer(RequestBodyLimitLayer::new(body_limit))
        .layer(DefaultBodyLimit::disable());
    Router::new()
        .route("/", get(pages::index).post(pages::upload))
        .route("/api/caption", post(api::caption))
        .route("/api/captions", get(api::captions))
        .route("/api/captions/{id}", get(api::stored_caption))
        .route("/api/images/{id}", get(api::image))
        .route("/api/models", get(api::models))
        .route("/static/{*path}", get(assets::file))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(not_found)
        .layer(layers)
        .with_state(state)
}

/// Scripts, styles and requests only from here; pictures also from the page's own memory, for previews.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

fn set_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// Every log line of a request carries its id.
fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<RequestId>();
    tracing::info_span!(
        "request",
        method = %request.method(),
        path = request.uri().path(),
        id = id.map_or("", |id| id.as_str()),
    )
}

async fn not_found() -> Problem {
    Problem::not_found("There is nothing at this address.")
}

/// The panic's message goes to the log only.
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(&message.unwrap_or("a handler panicked")).into_response()
}
