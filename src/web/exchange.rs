//! A request and its answer, from the head's arrival to the body's last byte: logged and counted at its end.

use super::AppState;
use super::problem::Code;
use super::request_id::RequestId;
use crate::metrics::Metrics;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tracing::{Instrument, Span};

/// An exchange that goes on. When it is dropped, it has ended, one way or another.
struct Exchange {
    metrics: Metrics,
    span: Span,
    method: &'static str,
    /// The template, never the address.
    route: Option<MatchedPath>,
    started: Instant,
    /// None until the head of the answer is there.
    status: Option<StatusCode>,
    bytes: u64,
}

/// Watches over a request: every log line in it carries its id, and its end is logged and counted.
pub(super) async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut exchange = Exchange::start(&state.metrics, &request);
    let response = next.run(request).instrument(exchange.span.clone()).await;
    exchange.status = Some(response.status());
    if let Some(Code(code)) = response.extensions().get() {
        exchange.metrics.problem(code);
    }
    response.map(|body| Body::new(Observed { body, exchange }))
}

impl Exchange {
    fn start(metrics: &Metrics, request: &Request) -> Exchange {
        metrics.request_started();
        let id = request.extensions().get::<RequestId>();
        // The path alone: a query may hold what is nobody's business.
        let span = tracing::info_span!(
            "request",
            method = %request.method(),
            path = request.uri().path(),
            id = id.map_or("", |id| id.as_str()),
        );
        Exchange {
            metrics: metrics.clone(),
            span,
            method: method_label(request.method()),
            route: request.extensions().get::<MatchedPath>().cloned(),
            started: Instant::now(),
            status: None,
            bytes: 0,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let route = self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
        let status = self.status.as_ref().map_or(CLIENT_LEFT, StatusCode::as_str);
        self.metrics.request_ended(self.method, route, status, took);
        let milliseconds = (took.as_secs_f64() * 1e4).round() / 10.0;
        let bytes = self.bytes;
        self.span.in_scope(|| tracing::info!(status, milliseconds, bytes, "answered"));
    }
}

/// For addresses that no route has.
const UNMATCHED: &str = "unmatched";

/// For requests whose client did not wait for the answer.
const CLIENT_LEFT: &str = "client-left";

/// Clients may make methods up; they count as one.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The answer's body, which keeps the exchange going until it is sent or given up.
struct Observed {
    body: Body,
    exchange: Exchange,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.exchange.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
