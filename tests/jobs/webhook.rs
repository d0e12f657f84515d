//! Another program is told of a job's end.

use super::site::{STOPPABLE, Site};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

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

/// The program's address, and what it is told. It ends with the test.
async fn listening(asked_before: bool) -> (String, UnboundedReceiver<Value>) {
    let (heard, told) = unbounded_channel();
    let hook = Hook { heard, asked_before: Arc::new(AtomicBool::new(asked_before)) };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let serving = axum::serve(listener, Router::new().route("/hook", post(hear)).with_state(hook));
    tokio::spawn(async move { serving.await });
    (address, told)
}

async fn next(told: &mut UnboundedReceiver<Value>) -> Value {
    let heard = tokio::time::timeout(Duration::from_secs(60), told.recv()).await;
    heard.expect("in time").expect("the program is there")
}

#[tokio::test]
async fn the_end_of_a_job_is_told_and_tried_again() {
    let (address, mut told) = listening(false).await;
    let site = Site::changed("started 0; finished completed", |config| config.training.webhook = address).await;
    let id = site.create().await;
    let job = site.state(&id, "completed").await;
    assert_eq!(next(&mut told).await, job);
}

#[tokio::test]
async fn ends_without_a_process_are_told_too() {
    let (address, mut told) = listening(true).await;
    let site = Site::changed(STOPPABLE, |config| config.training.webhook = address).await;
    let (first, waiting) = (site.create().await, site.create().await);
    site.at_work(&first).await;
    assert_eq!(site.post(&format!("/jobs/{waiting}/stop"), json!({})).await.status, 200);
    let heard = next(&mut told).await;
    assert_eq!((&heard["id"], &heard["state"]), (&json!(waiting), &json!("cancelled")));

    site.let_go_on(&first).await;
    assert_eq!(next(&mut told).await["state"], "completed");
    std::fs::remove_file(site.path("trainer.sh")).expect("ours");
    let id = site.create().await;
    let heard = next(&mut told).await;
    assert_eq!((&heard["id"], &heard["state"]), (&json!(id), &json!("failed")));
    assert_eq!(heard["reason"]["kind"], "start");
}
