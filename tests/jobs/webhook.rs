//! Another program is told of a job's end.

use super::site::Site;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

#[derive(Clone)]
struct Hook {
    heard: UnboundedSender<Value>,
    asked_before: Arc<AtomicBool>,
}

/// Fails the first time, as programs do while they are restarted.
async fn hear(State(hook): State<Hook>, body: String) -> StatusCode {
    if !hook.asked_before.swap(true, Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    hook.heard.send(serde_json::from_str(&body).expect("JSON")).expect("somebody listens");
    StatusCode::NO_CONTENT
}

#[tokio::test]
async fn the_end_of_a_job_is_told_and_tried_again() {
    let (heard, mut told) = unbounded_channel();
    let hook = Hook { heard, asked_before: Arc::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let serving = axum::serve(listener, Router::new().route("/hook", post(hear)).with_state(hook));
    let serving = tokio::spawn(async move { serving.await });

    let site = Site::changed("started 0; finished completed", |config| config.training.webhook = address).await;
    let id = site.create().await;
    let job = site.state(&id, "completed").await;
    let heard = tokio::time::timeout(Duration::from_secs(60), told.recv()).await.expect("in time");
    assert_eq!(heard, Some(job));
    serving.abort();
}
