//! A small body that need not be there: JSON of programs, or the fields of a form.

use crate::web::forms::fields;
use crate::web::problem::Problem;
use axum::Json;
use axum::body::HttpBody;
use axum::extract::{FromRequest, RawForm, Request};
use axum::http::{HeaderValue, StatusCode, header};
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

/// A JSON object, or no body.
#[derive(Debug)]
pub(in crate::web) struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Fields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Some(media_type) = media_type(&request, "application/json or application/x-www-form-urlencoded")? else {
            return Ok(Fields::None);
        };
        if media_type.as_bytes().starts_with(b"application/x-www-form-urlencoded") {
            return Ok(Fields::Form(fields(RawForm::from_request(request, state).await?)?));
        }
        let Json(value) = Json::from_request(request, state).await?;
        Ok(Fields::Json(value))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if media_type(&request, "application/json")?.is_none() {
            return Ok(OptionalJson(None));
        }
        let Json(value) = Json::from_request(request, state).await?;
        Ok(OptionalJson(Some(value)))
    }
}

/// What the body is; none where there is no body. What is in one that does not say what it is would be passed over.
fn media_type<'r>(request: &'r Request, known: &str) -> Result<Option<&'r HeaderValue>, Problem> {
    let media_type = request.headers().get(header::CONTENT_TYPE);
    if media_type.is_none() && !request.body().is_end_stream() {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let detail = format!("there is a body without a Content-Type: send {known}");
        return Err(Problem::new(status, "unsupported-media-type", "Unsupported media type", detail));
    }
    Ok(media_type)
}
