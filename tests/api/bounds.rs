//! How much is taken: in a request, in a photo, at the same time; and what whoever sends more is told.

use super::support::fake_model::FakeModel;
use super::support::web::{Part, TestApp, png, read};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{FutureExt, future, stream};
use serde_json::json;
use tower::ServiceExt;

#[tokio::test]
async fn too_many_photos_in_a_request_are_refused() {
    let app = TestApp::with(FakeModel::new(), |config| config.server.max_images_per_request = 2).await;
    let photo = png(4, 4);
    let parts = || Part::Image("a.png", &photo);
    assert_eq!(app.form("/api/caption", &[parts(), parts()]).await.status, StatusCode::OK);
    let detail = app.form("/api/caption", &[parts(), parts(), parts()]).await.problem(400, "too-many-photos");
    assert!(detail.contains("at most 2"), "{detail}");
}

#[tokio::test]
async fn large_uploads_are_refused() {
    let limit = png(200, 200).len();
    let app = TestApp::with(FakeModel::new(), |config| config.server.max_upload_bytes = limit).await;
    assert_eq!(app.caption(png(200, 200)).await.status, StatusCode::OK);
    // A little too large: found out by the photo's own size.
    let mut padded = png(200, 200);
    padded.push(0);
    app.caption(padded).await.problem(413, "too-large");
    // Far too large: the body is not read to its end, in any form.
    let huge = vec![0; limit * 4 + 100_000];
    app.caption(huge.clone()).await.problem(413, "too-large");
    app.form("/api/caption", &[Part::Image("a.png", &huge)]).await.problem(413, "too-large");
    let stream = stream::iter([Ok::<_, std::io::Error>(huge)]);
    app.caption(Body::from_stream(stream)).await.problem(413, "too-large");
}

#[tokio::test]
async fn base64_has_room_up_to_the_limit() {
    let photo = png(200, 200);
    let app = TestApp::with(FakeModel::new(), |config| config.server.max_upload_bytes = photo.len()).await;
    let body = json!({ "image": STANDARD.encode(&photo) }).to_string();
    assert_eq!(app.post("/api/caption", "application/json", body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_upload_that_never_ends_is_given_up() {
    let app = TestApp::with(FakeModel::new(), |config| config.server.upload_timeout_seconds = 1).await;
    let body = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    app.caption(body).await.problem(408, "upload-timed-out");
}

#[tokio::test]
async fn uploads_at_the_same_time_are_bounded() {
    let app = TestApp::with(FakeModel::new(), |config| config.server.max_upload_memory_bytes = 1).await;
    let body = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let endless = Request::post("/api/caption").header(header::CONTENT_TYPE, "image/png");
    let mut endless = app.router.clone().oneshot(endless.body(body).expect("a request"));
    assert!((&mut endless).now_or_never().is_none());
    let refused = app.caption(png(4, 4)).await;
    refused.problem(429, "too-many-uploads");
    assert_eq!(refused.header("retry-after"), "1");
    drop(endless);
    assert_eq!(app.caption(png(4, 4)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_full_queue_is_429_with_a_time_to_come_back() {
    let (model, keeper) = FakeModel::gated();
    let app = TestApp::with(model, |config| config.captioning.queue_capacity = 1).await;
    let router = app.router.clone();
    let send = |width| {
        let request = Request::post("/api/caption").header(header::CONTENT_TYPE, "image/png");
        tokio::spawn(router.clone().oneshot(request.body(Body::from(png(width, 1))).expect("a request")))
    };
    let first = send(20);
    let keeper = keeper.until_entered().await;
    // One of these two waits, the other finds the queue full.
    let (second, third) = (send(21), send(22));
    let (early, late) = match future::select(second, third).await {
        future::Either::Left((early, late)) | future::Either::Right((early, late)) => (early, late),
    };
    let early = read(early.expect("no panic").expect("infallible")).await;
    early.problem(429, "queue-full");
    let wait: u64 = early.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait));
    drop(keeper);
    let late = late.await.expect("no panic").expect("infallible");
    assert_eq!(late.status(), StatusCode::OK);
    let first = first.await.expect("no panic").expect("infallible");
    assert_eq!(first.status(), StatusCode::OK);
}
