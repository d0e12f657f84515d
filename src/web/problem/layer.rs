//! The layer that gives every error response its body, and knows who wants to read a page.

use super::Problem;
use crate::web::limits::RATE_LIMIT_HEADERS;
use crate::web::pages;
use crate::web::request_id::RequestId;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The code of the problem that a response tells of, among the response's extensions.
#[derive(Clone, Copy, Debug)]
pub(in crate::web) struct Code(pub &'static str);

/// Marks an error response that is a page of its own: [`finish`] leaves it as it is.
#[derive(Clone, Copy, Debug)]
struct OwnPage;

impl Problem {
    /// The problem told by a page of its own, on which there is more to do than on that of an error.
    pub(in crate::web) fn on_page(&self, page: Response) -> Response {
        let mut response = (self.status, Extension(OwnPage), page).into_response();
        self.describe(response.headers_mut());
        response
    }

    /// Sets the headers that belong to the problem, whatever the body.
    fn describe(&self, headers: &mut HeaderMap) {
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

/// Gives every error response its body: a page where a browser asked for one, else problem+json.
pub(in crate::web) async fn finish(request: Request, next: Next) -> Response {
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
    problem.describe(&mut parts.headers);
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
pub(in crate::web) fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let for_programs = ["/api/", "/static/", "/livez", "/readyz", "/metrics"];
    accepts_pages(request.headers()) && !for_programs.iter().any(|start| path.starts_with(start))
}

/// Whether whoever asks is a browser, by its `Accept`.
pub(in crate::web) fn accepts_pages(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
