//! A small body that programs send as JSON and forms send as fields.

use crate::web::forms::fields;
use crate::web::problem::Problem;
use axum::Json;
use axum::body::HttpBody;
use axum::extract::{FromRequest, RawForm, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

/// What came.
#[derive(Debug)]
pub(in crate::web) enum Fields<T> {
    /// No body.
    None,
    /// A JSON object.
    Json(T),
    /// Names and values, any of them more than once.
    Form(Vec<(String, String)>),
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Some(media_type) = request.headers().get(header::CONTENT_TYPE) else {
            return if request.body().is_end_stream() { Ok(Fields::None) } else { Err(untyped()) };
        };
        if media_type.as_bytes().starts_with(b"application/x-www-form-urlencoded") {
            return Ok(Fields::Form(fields(RawForm::from_request(request, state).await?)?));
        }
        let Json(value) = Json::from_request(request, state).await?;
        Ok(Fields::Json(value))
    }
}

/// What is in a body that does not say what it is would be passed over.
fn untyped() -> Problem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = "there is a body without a Content-Type: send application/json or application/x-www-form-urlencoded";
    Problem::new(status, "unsupported-media-type", "Unsupported media type", detail)
}
