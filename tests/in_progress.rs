//! A photo that is asked for again while it is being captioned.

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use support::fake_model::{FAILS, FakeModel};
use support::web::{Answered, Part, TestApp, multipart, png, read};
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// Runs a test where no request overtakes another: on one thread, with one more for what would block it.
fn in_turn(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.max_blocking_threads(1).enable_all().build().expect("a runtime").block_on(test);
}

/// Sends a photo under a name; the answer comes when the task is awaited.
fn send(app: &TestApp, name: &str, photo: &[u8]) -> JoinHandle<Answered> {
    let request = Request::post("/api/caption").header("content-type", "multipart/form-data; boundary=EDGE");
    let request = request.body(Body::from(multipart(&[Part::Image(name, photo)]))).expect("a request");
    let router = app.router.clone();
    tokio::spawn(async move { read(router.oneshot(request).await.expect("infallible")).await })
}

/// Waits until what was sent before has joined the work that goes on, or begun its own: what is sent now goes the same
/// way behind it, and further. For tests in turn.
async fn all_joined(app: &TestApp) {
    let behind = send(app, "no.png", b"no picture").await.expect("no panic");
    behind.problem(415, "unsupported-image");
    // Whoever was woken earlier goes on first.
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn it_is_computed_once_and_answers_all() {
    let (model, keeper) = FakeModel::gated();
    let app = TestApp::with(model, |_| ()).await;
    let first = send(&app, "first.png", &png(40, 30));
    let keeper = keeper.until_entered().await;
    let again: Vec<_> = (0..10).map(|_| send(&app, "again.png", &png(40, 30))).collect();
    // One batch alone gets through: whoever began another would wait for ever.
    keeper.let_through();
    let first = first.await.expect("no panic").json();
    for answered in again {
        let answered = answered.await.expect("no panic");
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
        let answer = answered.json();
        assert_eq!((&answer["id"], &answer["candidates"]), (&first["id"], &first["candidates"]));
        assert_eq!(answer["image"]["file_name"], "again.png", "by its newest name");
    }
    assert_eq!(keeper.open().try_iter().count(), 0, "no other batch");
    let metrics = app.get("/metrics").await.text();
    assert!(metrics.lines().any(|line| line == "expansionnet_photos_captioned_total 1"), "{metrics}");
    let count = |name: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("is counted");
        line.trim().parse().expect("a number")
    };
    // Who came in time joined, who came later was answered from the store.
    assert_eq!(count("expansionnet_photos_joined_total") + count("expansionnet_photos_from_store_total"), 10);
}

#[tokio::test]
async fn the_same_photo_twice_in_one_request_is_computed_once() {
    let app = TestApp::new().await;
    let photo = png(40, 30);
    let parts: Vec<_> = (0..8).map(|_| Part::Image("photo.png", &photo)).collect();
    let answer = app.form("/api/caption", &parts).await.json();
    let results = answer["results"].as_array().expect("results");
    assert!(results.iter().all(|result| result["id"] == results[0]["id"]), "{answer}");
    let metrics = app.get("/metrics").await.text();
    for line in ["expansionnet_photos_captioned_total 1", "expansionnet_batch_photos_sum 1"] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
}

#[test]
fn who_began_it_may_leave() {
    in_turn(async {
        let (model, keeper) = FakeModel::gated();
        let app = TestApp::with(model, |_| ()).await;
        let first = send(&app, "photo.png", &png(40, 30));
        let keeper = keeper.until_entered().await;
        let second = send(&app, "photo.png", &png(40, 30));
        all_joined(&app).await;
        first.abort();
        assert!(first.await.is_err_and(|left| left.is_cancelled()));
        keeper.let_through();
        let answered = second.await.expect("no panic");
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
        assert_eq!(answered.json()["caption"], "A picture of 40 by 30, wording 0.");
        assert_eq!(keeper.open().try_iter().count(), 0, "no other batch");
    });
}

#[test]
fn what_fails_fails_for_all_and_is_tried_anew_later() {
    in_turn(async {
        let (model, keeper) = FakeModel::gated();
        let app = TestApp::with(model, |_| ()).await;
        let first = send(&app, "photo.png", &png(FAILS, 1));
        let keeper = keeper.until_entered().await;
        let second = send(&app, "photo.png", &png(FAILS, 1));
        all_joined(&app).await;
        // One batch alone gets through: whoever began another would wait until its time is over.
        keeper.let_through();
        for answered in [first, second] {
            answered.await.expect("no panic").problem(500, "internal");
        }
        let anew = send(&app, "photo.png", &png(FAILS, 1));
        let keeper = keeper.until_entered().await;
        keeper.let_through();
        anew.await.expect("no panic").problem(500, "internal");
        assert_eq!(keeper.open().try_iter().count(), 0, "a batch for the first two, and one anew");
    });
}
