//! The one error type at the door: what went wrong, in words for whoever asked.
//!
//! Handlers return a [`Problem`]; [`finish`] turns it into `application/problem+json` (RFC 9457) or, on
//! page addresses, into the error page, and does the same for bare errors of the framework.

use super::limits::RATE_LIMIT_HEADERS;
use super::pages;
use super::request_id::RequestId;
use crate::captioning::{ActivateError, CaptionError, IntakeError};
use crate::fetch::FetchError;
use crate::store::StoreError;
use axum::extract::Request;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection, RawFormRejection};
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

/// The code of the problem that a response tells of, among the response's extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code(pub &'static str);

/// A problem as RFC 9457 writes it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemJson<'a> {
    #[serde(rename = "type")]
    kind: String,
    code: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    /// Seconds until another try is worth it, where that is known; as in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
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

    /// The body did not arrive in time.
    pub(super) fn too_slow() -> Problem {
        let detail = "the request did not arrive in time: try again";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "upload-timed-out", "The upload took too long", detail)
    }

    /// Photos are not fetched by their address here.
    pub(super) fn fetching_off() -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let detail = "this server does not fetch photos by their address: send the photo itself";
        Problem::new(status, "url-fetching-off", "Fetching is switched off", detail)
    }

    /// The disk has no room.
    pub(super) fn storage_full() -> Problem {
        let detail = "the server's disk is full: nothing can be kept or changed until there is room again";
        Problem::new(StatusCode::INSUFFICIENT_STORAGE, "storage-full", "The storage is full", detail)
    }

    /// Somebody else keeps the database locked.
    pub(super) fn storage_busy() -> Problem {
        let detail = "the server's database is locked by another program: try again in a moment";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "storage-busy", "The storage is busy", detail)
            .retry_after(BUSY_RETRY)
    }

    /// The server should get no photos at the moment.
    pub(super) fn not_ready(faults: impl Display) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "The server is not ready", faults)
    }

    /// Somebody must say who asks.
    pub(super) fn unauthorized(detail: impl Display) -> Problem {
        let status = StatusCode::UNAUTHORIZED;
        Problem::new(status, "unauthorized", "An API key or sign-in is needed", detail)
    }

    /// Not for this caller.
    pub(super) fn forbidden() -> Problem {
        let detail = "This is for admins: sign in with the admin's password.";
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "For admins only", detail)
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
            retry_after: self.retry_after.map(|wait| wait.as_secs()),
        }
    }

    /// What the framework says of a body that it cannot read.
    fn of_body(status: StatusCode, text: String) -> Problem {
        match status {
            // Read, and none of what is asked for.
            StatusCode::UNPROCESSABLE_ENTITY => Problem::invalid_option(text),
            StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::PAYLOAD_TOO_LARGE => Problem::from_status(status),
            _ => Problem::malformed(text),
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

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        match error {
            FetchError::Refused(_) => Problem::new(status, "url-refused", "The address cannot be used", &error),
            FetchError::Failed(_) => Problem::new(status, "url-failed", "The photo could not be fetched", &error),
            FetchError::TooLarge { .. } => Problem::too_large(&error),
            FetchError::NoClient(_) => Problem::internal(&error),
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
            CaptionError::NotLoaded { .. } => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem::new(status, "model-not-loaded", "This model is not in service", &error)
            }
            CaptionError::Failed(_) => Problem::internal(&error),
            CaptionError::Stopped => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Problem::new(status, "model-stopped", "The model is not running", &error)
            }
        }
    }
}

impl From<ActivateError> for Problem {
    fn from(error: ActivateError) -> Problem {
        match &error {
            ActivateError::Selection => Problem::invalid_option(&error),
            ActivateError::InProgress => {
                Problem::new(StatusCode::CONFLICT, "activation-in-progress", "Another model is being loaded", &error)
            }
            ActivateError::Unknown(_) | ActivateError::Unusable { .. } => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Problem::new(status, "model-unusable", "The model cannot be put into service", &error)
            }
            ActivateError::Store(_) | ActivateError::Start(_) => Problem::internal(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        if error.is_full() {
            tracing::error!(%error, "the disk is full");
            return Problem::storage_full();
        }
        if error.is_busy() {
            tracing::error!(%error, "the database is locked");
            return Problem::storage_busy();
        }
        Problem::internal(&error)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Problem {
        Problem::of_body(rejection.status(), rejection.body_text())
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Problem {
        Problem::of_body(rejection.status(), rejection.body_text())
    }
}

impl From<RawFormRejection> for Problem {
    fn from(rejection: RawFormRejection) -> Problem {
        Problem::of_body(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Problem {
        Problem::invalid_option(rejection.body_text())
    }
}

/// When to ask again while the database is locked.
const BUSY_RETRY: Duration = Duration::from_secs(5);

/// When to ask again while the model loads.
const LOADING_RETRY: Duration = Duration::from_secs(2);

impl IntoResponse for Problem {
    /// The status, with the problem as an extension: [`finish`] writes the body.
    fn into_response(self) -> Response {
        (self.status, axum::Extension(self)).into_response()
    }
}

/// Marks an error response that is a page of its own: [`finish`] leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnPage;

/// Gives every error response its body: a page where a browser asked for one, else problem+json.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let as_page = wants_page(&request);
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let status = response.status();
    let fine = !status.is_client_error() && !status.is_server_error();
    if fine || response.extensions().get::<OwnPage>().is_some() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let problem = parts.extensions.remove::<Problem>();
    let problem = problem.unwrap_or_else(|| Problem::from_status(status));
    let id = id.as_ref().map_or("", RequestId::as_str);
    parts.extensions.insert(Code(problem.code));
    keep_error_headers(&mut parts.headers);
    if let Some(wait) = problem.retry_after {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    if status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
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
    let kept = [header::ALLOW].into_iter().chain(RATE_LIMIT_HEADERS);
    let kept: HeaderMap = kept.filter_map(|name| Some((name.clone(), headers.remove(name)?))).collect();
    *headers = kept;
}

/// True for addresses of pages, when the client prefers to read a page.
pub(super) fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let for_programs = ["/api/", "/static/", "/livez", "/readyz", "/metrics"];
    accepts_pages(request.headers()) && !for_programs.iter().any(|start| path.starts_with(start))
}

/// Whether whoever asks is a browser, by its `Accept`.
pub(super) fn accepts_pages(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn a_full_disk_and_a_locked_database_are_told_apart_from_faults() {
        let file = |kind: ErrorKind| StoreError::File { path: "/secret/path".into(), source: Error::from(kind) };
        for (error, status, code) in [
            (file(ErrorKind::StorageFull), 507, "storage-full"),
            (file(ErrorKind::QuotaExceeded), 507, "storage-full"),
            (file(ErrorKind::PermissionDenied), 500, "internal"),
            (StoreError::Database(sqlx::Error::PoolTimedOut), 503, "storage-busy"),
            (StoreError::Database(sqlx::Error::PoolClosed), 500, "internal"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
            assert!(!problem.detail.contains("secret"), "{}", problem.detail);
        }
    }
}
