//! How long a client may take to send a body, whichever route it is for.

use super::AppState;
use super::problem::Problem;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{Instant, timeout_at};

/// Breaks a body off that is not there in time, and answers 408 then.
pub(super) async fn bound(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let deadline = Instant::now() + state.config.server.upload_timeout();
    let late = Arc::new(AtomicBool::new(false));
    let response = next.run(request.map(|body| until(deadline, body, Arc::clone(&late)))).await;
    // What the handler makes of a body that broke off is not what went wrong.
    if late.load(Ordering::Relaxed) && !response.status().is_success() {
        return Problem::too_slow().into_response();
    }
    response
}

/// The body, with an error in place of what comes after `deadline`; `late` tells of it.
fn until(deadline: Instant, body: Body, late: Arc<AtomicBool>) -> Body {
    let frames = stream::unfold(Some(body.into_data_stream()), move |data| {
        let late = Arc::clone(&late);
        async move {
            let mut data = data?;
            match timeout_at(deadline, data.next()).await {
                Ok(chunk) => chunk.map(|chunk| (chunk, Some(data))),
                Err(elapsed) => {
                    late.store(true, Ordering::Relaxed);
                    Some((Err::<Bytes, _>(axum::Error::new(elapsed)), None))
                }
            }
        }
    });
    Body::from_stream(frames)
}
