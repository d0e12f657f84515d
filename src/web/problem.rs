//! The one error type at the door: what went wrong, in words for whoever asked.
//!
//! Handlers return a [`Problem`], which `causes` makes of the errors below the door; [`finish`] turns it into
//! `application/problem+json` (RFC 9457) or, on page addresses, into the error page, and does the same for bare errors of
//! the framework.

mod causes;
mod layer;

pub(super) use layer::{Code, accepts_pages, finish, wants_page};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt::Display;
use std::time::Duration;

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

impl IntoResponse for Problem {
    /// The status, with the problem as an extension: [`finish`] writes the body.
    fn into_response(self) -> Response {
        (self.status, axum::Extension(self)).into_response()
    }
}

/// When to ask again while the database is locked.
const BUSY_RETRY: Duration = Duration::from_secs(5);

/// Error messages start small and have no full stop; details are sentences.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let stop = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), characters.as_str())
}
