//! The queue and the model's thread: batching, refusing, giving up, and surviving failures.

mod support;

use axum::http::StatusCode;
use expansionnet::captioning::{CaptionError, CaptionService, Captioned, QueueSettings};
use futures_util::FutureExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::fake_model::{FAILS, FakeModel, KILLS, PANICS, UNPREPARABLE, picture, service};
use support::web::{TestApp, png};
use trainer::captioner::SearchOptions;

const SETTINGS: QueueSettings = QueueSettings { capacity: 8, max_batch_size: 4, timeout: Duration::from_secs(20) };

const SEARCH: SearchOptions = SearchOptions::new(2, 20);

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Captioned, CaptionError>> + Send + 'a>>;

/// Puts a picture of this width into the queue; the answer comes when the future is awaited.
fn queue(service: &CaptionService, width: u32) -> Waiting<'_> {
    let mut waiting: Waiting<'_> = Box::pin(service.caption(picture(width, 1), SEARCH));
    assert!((&mut waiting).now_or_never().is_none(), "the photo waits");
    waiting
}

async fn captions(waiting: Waiting<'_>) -> Vec<String> {
    let captioned = waiting.await.expect("a caption");
    captioned.captions.into_iter().map(|caption| caption.caption).collect()
}

fn expected(width: u32) -> Vec<String> {
    (0..2).map(|beam| format!("A picture of {width} by 1, wording {beam}.")).collect()
}

#[tokio::test]
async fn a_photo_gets_every_beam() {
    let service = service(FakeModel::new(), SETTINGS);
    let loaded = service.ready().await.expect("loads");
    assert_eq!(loaded.info.id, "fake");
    assert_eq!(captions(Box::pin(service.caption(picture(7, 1), SEARCH))).await, expected(7));
}

#[tokio::test]
async fn what_waits_is_taken_together_up_to_the_largest_batch() {
    let (model, keeper) = FakeModel::gated();
    let service = service(model, SETTINGS);
    service.ready().await.expect("loads");
    let first = queue(&service, 1);
    assert_eq!(keeper.entered(), 1);
    let others: Vec<_> = (2..=6).map(|width| queue(&service, width)).collect();
    keeper.let_through();
    assert_eq!(keeper.entered(), 4);
    keeper.let_through();
    assert_eq!(keeper.entered(), 1);
    keeper.let_through();
    assert_eq!(captions(first).await, expected(1));
    for (waiting, width) in others.into_iter().zip(2..) {
        assert_eq!(captions(waiting).await, expected(width));
    }
}

#[tokio::test]
async fn a_batch_may_hold_different_options() {
    let (model, keeper) = FakeModel::gated();
    let service = service(model, SETTINGS);
    service.ready().await.expect("loads");
    let first = queue(&service, 1);
    keeper.entered();
    let greedy = SearchOptions::new(1, 20);
    let mut one_beam: Waiting<'_> = Box::pin(service.caption(picture(2, 1), greedy));
    assert!((&mut one_beam).now_or_never().is_none());
    let two_beams = queue(&service, 3);
    keeper.let_through();
    assert_eq!(keeper.entered(), 2);
    drop(keeper);
    assert_eq!(captions(first).await, expected(1));
    assert_eq!(captions(one_beam).await, expected(2)[..1]);
    assert_eq!(captions(two_beams).await, expected(3));
}

#[tokio::test]
async fn a_full_queue_refuses_with_a_time_to_come_back() {
    let (model, keeper) = FakeModel::gated();
    let settings = QueueSettings { capacity: 2, ..SETTINGS };
    let service = service(model, settings);
    service.ready().await.expect("loads");
    let first = queue(&service, 1);
    keeper.entered();
    let (second, third) = (queue(&service, 2), queue(&service, 3));
    let refused = service.caption(picture(4, 1), SEARCH).await.expect_err("the queue is full");
    assert!(matches!(refused, CaptionError::QueueFull { retry_after } if retry_after.as_secs() >= 1), "{refused}");
    drop(keeper);
    for (waiting, width) in [(first, 1), (second, 2), (third, 3)] {
        assert_eq!(captions(waiting).await, expected(width));
    }
}

#[tokio::test]
async fn abandoned_photos_never_reach_the_model() {
    let (model, keeper) = FakeModel::gated();
    let service = service(model, SETTINGS);
    service.ready().await.expect("loads");
    let first = queue(&service, 1);
    keeper.entered();
    let abandoned = queue(&service, 2);
    let patient = queue(&service, 3);
    drop(abandoned);
    keeper.let_through();
    assert_eq!(keeper.entered(), 1, "only the patient one");
    drop(keeper);
    assert_eq!(captions(first).await, expected(1));
    assert_eq!(captions(patient).await, expected(3));
}

#[tokio::test]
async fn waiting_ends_at_the_deadline() {
    let (model, keeper) = FakeModel::gated();
    let settings = QueueSettings { timeout: Duration::from_millis(50), ..SETTINGS };
    let service = service(model, settings);
    service.ready().await.expect("loads");
    let in_work = queue(&service, 1);
    keeper.entered();
    let waiting = queue(&service, 2);
    assert!(matches!(waiting.await, Err(CaptionError::TimedOut)));
    assert!(matches!(in_work.await, Err(CaptionError::TimedOut)));
    let later_batches = keeper.open();
    let ended = service.ended();
    drop(service);
    ended.await;
    assert_eq!(later_batches.try_iter().count(), 0, "nothing is computed for nobody");
}

async fn only_the_culprit_fails(culprit: u32) {
    let (model, keeper) = FakeModel::gated();
    let service = service(model, SETTINGS);
    service.ready().await.expect("loads");
    let first = queue(&service, 1);
    keeper.entered();
    let before = queue(&service, 2);
    let bad = queue(&service, culprit);
    let after = queue(&service, 3);
    drop(keeper);
    assert_eq!(captions(first).await, expected(1));
    assert_eq!(captions(before).await, expected(2));
    assert!(matches!(bad.await, Err(CaptionError::Failed(_))));
    assert_eq!(captions(after).await, expected(3));
    let next = service.caption(picture(4, 1), SEARCH);
    assert_eq!(captions(Box::pin(next)).await, expected(4));
}

#[tokio::test]
async fn an_error_fails_only_its_own_photo() {
    only_the_culprit_fails(FAILS).await;
}

#[tokio::test]
async fn a_panic_fails_only_its_own_photo_and_the_thread_survives() {
    only_the_culprit_fails(PANICS).await;
}

#[tokio::test]
async fn a_model_that_does_not_load_says_why() {
    let load = || Err::<FakeModel, _>("no weights");
    let service = CaptionService::start(SETTINGS, load).expect("a thread");
    assert_eq!(service.failed().await, "no weights");
    assert_eq!(service.ready().await.err().as_deref(), Some("no weights"));
    let refused = service.caption(picture(1, 1), SEARCH).await;
    assert!(matches!(refused, Err(CaptionError::Stopped)));
}

#[tokio::test]
async fn a_panic_while_loading_is_noticed() {
    let load = || -> Result<FakeModel, String> { panic!("on purpose") };
    let service = CaptionService::start(SETTINGS, load).expect("a thread");
    assert!(service.failed().await.contains("ended unexpectedly"));
}

#[tokio::test]
async fn photos_are_refused_while_the_model_loads() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let load = move || {
        wait.recv().ok();
        Ok::<_, String>(FakeModel::new())
    };
    let service = CaptionService::start(SETTINGS, load).expect("a thread");
    let refused = service.caption(picture(1, 1), SEARCH).await;
    assert!(matches!(refused, Err(CaptionError::Loading)));
    drop(go);
    service.ready().await.expect("loads");
}

#[tokio::test]
async fn a_panic_in_the_preparation_fails_only_its_own_photo() {
    let app = TestApp::with(FakeModel::new(), |config| config.image.max_concurrent_decodes = 1).await;
    app.caption(png(UNPREPARABLE, 1)).await.problem(500, "internal");
    // Its place among those being decoded is free again.
    assert_eq!(app.caption(png(4, 1)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_wait_for_a_place_to_be_decoded_counts_towards_the_deadline() {
    let (model, keeper) = FakeModel::gated_intake();
    let app = TestApp::with(model, |config| {
        config.image.max_concurrent_decodes = 1;
        config.captioning.request_timeout_seconds = 1;
    })
    .await;
    // One is being prepared, the other waits for its place.
    let (one, other) = tokio::join!(app.caption(png(4, 1)), app.caption(png(5, 1)));
    one.problem(504, "timed-out");
    other.problem(504, "timed-out");
    keeper.let_through();
    assert_eq!(keeper.open().try_iter().count(), 1, "nobody prepares a picture that nobody waits for");
    assert_eq!(app.caption(png(6, 1)).await.status, StatusCode::OK);
}

/// Fails in a way that the worker does not expect: what was thrown panics again when it is thrown away.
async fn kill_the_thread(service: &CaptionService) {
    let killed = service.caption(picture(KILLS, 1), SEARCH).await;
    assert!(matches!(killed, Err(CaptionError::Stopped)), "{killed:?}");
}

#[tokio::test]
async fn a_model_whose_thread_fails_is_loaded_again_and_captions_what_waits() {
    let (model, keeper) = FakeModel::gated();
    let mut models = vec![FakeModel::new(), model];
    let service = CaptionService::start(SETTINGS, move || models.pop().ok_or("no more")).expect("a thread");
    service.ready().await.expect("loads");
    let killer = queue(&service, KILLS);
    keeper.entered();
    let waiting = queue(&service, 3);
    drop(keeper);
    assert!(matches!(killer.await, Err(CaptionError::Stopped)));
    assert_eq!(captions(waiting).await, expected(3), "by the second model");
    assert_eq!(captions(Box::pin(service.caption(picture(4, 1), SEARCH))).await, expected(4));
}

#[tokio::test]
async fn a_model_whose_thread_fails_again_and_again_is_given_up() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let load = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, String>(FakeModel::new())
    };
    let service = CaptionService::start(SETTINGS, load).expect("a thread");
    for _ in 0..4 {
        service.ready().await.expect("loads");
        kill_the_thread(&service).await;
    }
    assert!(service.failed().await.contains("ended unexpectedly"));
    assert_eq!(loads.load(Ordering::SeqCst), 4);
    assert!(matches!(service.caption(picture(4, 1), SEARCH).await, Err(CaptionError::Stopped)));
}

#[tokio::test]
async fn the_last_handle_ends_the_thread() {
    let model = FakeModel::new();
    let dropped = model.dropped();
    let service = service(model, SETTINGS);
    service.ready().await.expect("loads");
    let (other, ended) = (service.clone(), service.ended());
    drop(service);
    assert!(!dropped.load(Ordering::SeqCst));
    drop(other);
    ended.await;
    assert!(dropped.load(Ordering::SeqCst));
}
