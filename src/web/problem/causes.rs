//! What went wrong below the door, as a problem: which status and code an error of a library or of the framework has.

use super::Problem;
use crate::captioning::{ActivateError, CaptionError, IntakeError};
use crate::fetch::FetchError;
use crate::store::StoreError;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection, RawFormRejection};
use axum::http::StatusCode;
use std::time::Duration;
use trainer::image::ImageError;

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

/// When to ask again while the model loads.
const LOADING_RETRY: Duration = Duration::from_secs(2);

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
