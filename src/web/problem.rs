//! The one error type at the door: what went wrong, in words for whoever asked.
//!
//! Handlers return a [`Problem`]; [`finish`] turns it into `application/problem+json` (RFC 9457) or, on
//! page addresses, into the error page, and does the same for bare errors of the framework.

use super::pages;
use super::request_id::RequestId;
use crate::captioning::{CaptionError, IntakeError};
use crate::store::StoreError;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt::Display;
use std::time::Duration;
use trainer::image::ImageError;

/// An error as clients see it.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub status: StatusCode,
    /// Stable name for programs, in kebab case.
    pub code: &'static str,
    /// The same for every problem with this code.
    pub title: &'static str,
    /// What happened this time, and what to do.
    pub detail: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// A problem as RFC 9457 writes it.
#[derive(Debug, Serialize)]
pub(super) struct ProblemJson<'a> {
    #[serde(rename = "type")]
    kind: String,
    code: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Display) -> Problem {
        Problem { status, code, title, detail: sentence(&detail.to_string()), retry_after: None }
    }

    /// The request cannot be understood.
    pub(super) fn malformed(detail: impl Display) -> Problem {
        let status = StatusCode::BAD_REQUEST;
        Problem::new(status, "malformed-request", "The request cannot be understood", detail)
    }

    /// An option is unknown or out of range.
    pub(super) fn invalid_option(detail: impl Display) -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, "invalid-option", "An option cannot be used", detail)
    }

    /// Too many bytes.
    pub(super) fn too_large(detail: impl Display) -> Problem {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Problem::new(status, "too-large", "The photo is too large", detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(detail: impl Display) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// Our fault: the cause goes to the log, not to the client.
    pub(super) fn internal(cause: &dyn Display) -> Problem {
        tracing::error!(%cause, "internal error");
        Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn retry_after(mut self, wait: Duration) -> Problem {
        self.retry_after = Some(wait);
        self
    }

    /// The problem as JSON.
    pub(super) fn json<'a>(&'a self, request_id: &'a str) -> ProblemJson<'a> {
        ProblemJson {
            kind: format!("urn:expansionnet:problem:{}", self.code),
            code: self.code,
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            request_id,
        }
    }

    /// What a bare status code of the framework means.
    fn from_status(status: StatusCode) -> Problem {
        let (code, title, detail) = match status {
            StatusCode::FORBIDDEN => ("cross-site", "Forbidden", "Requests from other sites are not accepted."),
            StatusCode::NOT_FOUND => ("not-found", "Not found", "There is nothing at this address."),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method-not-allowed", "Method not allowed", "This address does not take this method.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("too-large", "The photo is too large", "The request is larger than the server accepts.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported-media-type", "Unsupported media type", "The server does not read this kind of body.")
            }
            status if status.is_client_error() => {
                ("malformed-request", "The request cannot be understood", "The request is malformed.")
            }
            _ => (
                "internal",
                "Something went wrong",
                "The server failed; the log has the details under this request id.",
            ),
        };
        Problem::new(status, code, title, detail)
    }
}

impl From<&ImageError> for Problem {
    fn from(error: &ImageError) -> Problem {
        let (status, code, title) = match error {
            ImageError::Empty => (StatusCode::UNPROCESSABLE_ENTITY, "empty-image", "The file is empty"),
            ImageError::Unsupported { .. } | ImageError::UnsupportedKind { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-image", "This is not an image that can be read")
            }
            ImageError::TooManyBytes { .. } => return Problem::too_large(error),
            ImageError::TooManyPixels { .. } | ImageError::TooMuchMemory { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-many-pixels", "The photo has too many pixels")
            }
            ImageError::Damaged { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "damaged-image", "The image is damaged"),
            ImageError::Resize { .. } | ImageError::Encode { .. } => {
                return Problem::internal(error);
            }
        };
        Problem::new(status, code, title, error)
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Problem {
        match &error {
            IntakeError::Image(error) => Problem::from(error),
            IntakeError::Died(_) => Problem::internal(&error),
        }
    }
}

impl From<CaptionError> for Problem {
    fn from(error: CaptionError) -> Problem {
        match &error {
            CaptionError::Loading => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Problem::new(
                    status,
                    "model-loading",
                    "The model is loading",
                    "The model is still loading: try again in a moment.",
                )
                .retry_after(LOADING_RETRY)
            }
            CaptionError::QueueFull { retry_after } => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                Problem::new(status, "queue-full", "Too many photos are waiting", &error).retry_after(*retry_after)
            }
            CaptionError::TimedOut => {
                let status = StatusCode::GATEWAY_TIMEOUT;
                Problem::new(status, "timed-out", "The photo waited too long", &error)
            }
            CaptionError::Failed(_) => Problem::internal(&error),
            CaptionError::Stopped => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Problem::new(status, "model-stopped", "The model is not running", &error)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::internal(&error)
    }
}

/// When to ask again while the model loads.
const LOADING_RETRY: Duration = Duration::from_secs(2);

impl IntoResponse for Problem {
    /// The status, with the problem as an extension: [`finish`] writes the body.
    fn into_response(self) -> Response {
        (self.status, axum::Extension(self)).into_response()
    }
}

/// Gives every error response its body: a page where a browser asked for one, else problem+json.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let as_page = wants_page(&request);
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let problem = parts.extensions.remove::<Problem>();
    let problem = problem.unwrap_or_else(|| Problem::from_status(status));
    let id = id.as_ref().map_or("", RequestId::as_str);
    keep_error_headers(&mut parts.headers);
    if let Some(wait) = problem.retry_after {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    let body = if as_page {
        pages::error_page(&problem, id)
    } else {
        let json = axum::Json(problem.json(id)).into_response();
        ([(header::CONTENT_TYPE, "application/problem+json")], json).into_response()
    };
    let (body_parts, body) = body.into_parts();
    parts.headers.extend(body_parts.headers);
    Response::from_parts(parts, body)
}

/// Of the framework's error responses, only what stays true of the new body.
fn keep_error_headers(headers: &mut HeaderMap) {
    let allow = headers.remove(header::ALLOW);
    headers.clear();
    if let Some(allow) = allow {
        headers.insert(header::ALLOW, allow);
    }
}

/// True for addresses of pages, when the client prefers to read a page.
fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let for_programs = ["/api/", "/static/", "/livez", "/readyz"];
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("text/html") && !for_programs.iter().any(|start| path.starts_with(start))
}

/// Error messages start small and have no full stop; details are sentences.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let stop = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), characters.as_str())
}
