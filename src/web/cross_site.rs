//! Requests that pages of other sites make in somebody's browser: which may be sent, which answers read.
//!
//! A foreign page can make a browser send requests, with the visitor's cookies and from inside the
//! visitor's network. tower-http's `CsrfLayer` refuses those that change something. Let through are requests
//! to the API that carry an API key, since a browser adds none by itself, and those of the sites in
//! `server.cors_origins`, as long as they bring no cookie.

use super::AppState;
use super::auth::Credentials;
use super::limits::RATE_LIMIT_HEADERS;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How long a browser remembers what it may send.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// Lets pages of these sites read the API's answers, never with cookies; `None` where there are none.
pub(super) fn sharing(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins.to_owned();
    let allowed = AllowOrigin::predicate(move |origin, request| {
        is_for_programs(request.uri.path()) && is_listed(origin, &origins)
    });
    let exposed = [X_REQUEST_ID, header::RETRY_AFTER, header::ETAG, header::CONTENT_DISPOSITION];
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                LAST_EVENT_ID,
                X_API_KEY,
                X_REQUEST_ID,
            ])
            .expose_headers(exposed.into_iter().chain(RATE_LIMIT_HEADERS).collect::<Vec<_>>())
            .max_age(PREFLIGHT_AGE),
    )
}

/// Takes the marks that `CsrfLayer` goes by off the requests that may come from another site.
pub(super) async fn let_through(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let may_cross = is_for_programs(request.uri().path())
        && match Credentials::of(headers) {
            Credentials::Key(_) => true,
            Credentials::Session(_) => false,
            Credentials::None => {
                let origin = headers.get(header::ORIGIN);
                origin.is_some_and(|origin| is_listed(origin, &state.config.server.cors_origins))
            }
        };
    if may_cross {
        request.headers_mut().remove(header::ORIGIN);
        request.headers_mut().remove(SEC_FETCH_SITE);
    }
    next.run(request).await
}

fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || path == "/openapi.json"
}

fn is_listed(origin: &HeaderValue, origins: &[String]) -> bool {
    origins.iter().any(|listed| listed == "*" || listed.as_bytes() == origin.as_bytes())
}
