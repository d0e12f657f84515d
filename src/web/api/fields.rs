//! A small body that programs send as JSON and forms send as fields.

use crate::web::problem::Problem;
use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest, Request};
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
            return Ok(Fields::None);
        };
        if media_type.as_bytes().starts_with(b"application/x-www-form-urlencoded") {
            let form = Form::from_request(request, state).await;
            let Form(fields) = form.map_err(|rejection: FormRejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(rejection.body_text()),
                _ => Problem::malformed(rejection.body_text()),
            })?;
            return Ok(Fields::Form(fields));
        }
        let Json(value) = Json::from_request(request, state).await?;
        Ok(Fields::Json(value))
    }
}
