//! What a sysadmin relies on: readiness, metrics, bounded bodies, the log, and a clean stop.

#[path = "support/server.rs"]
mod real_server;
#[path = "support/small_disk.rs"]
mod small_disk;
mod support;

use anyhow::Context;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use expansionnet::captioning::Status;
use expansionnet::config::Config;
use real_server::Server;
use serde_json::{Value, json};
use small_disk::{NEEDS, on_a_small_disk, seen_from_outside};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::fs::File;
use std::io::Write;
use std::time::Duration;
use support::fake_model::{FAILS, FakeModel, LOSES_GPU};
use support::web::{TestApp, png};
use tower::ServiceExt;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A connection of somebody else's to the application's database.
async fn other_connection(app: &TestApp) -> SqliteConnection {
    let file = app.directory.path().join("expansionnet.sqlite3");
    SqliteConnectOptions::new().filename(file).connect().await.expect("the database is there")
}

#[tokio::test]
async fn a_server_that_can_caption_is_ready() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/livez").await.json(), json!({ "status": "up" }));
    assert_eq!(app.get("/readyz").await.json(), json!({ "status": "ready", "model": "fake" }));
}

#[tokio::test]
async fn a_locked_database_is_not_ready_until_it_is_let_go() {
    let app = TestApp::new().await;
    let mut other = other_connection(&app).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    let detail = app.get("/readyz").await.problem(503, "not-ready");
    assert_eq!(detail, "The database cannot be written.");
    lock.rollback().await.expect("lets go");
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_wants_to_write_to_a_locked_database_is_told_in_the_end() {
    let app = TestApp::new().await;
    let mut other = other_connection(&app).await;
    let _lock = other.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    let body = json!({ "ids": ["none"] }).to_string();
    let refused = app.post("/api/captions/delete", "application/json", body).await;
    refused.problem(503, "storage-busy");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(app.get("/api/captions").await.status, StatusCode::OK, "reading goes on");
}

#[tokio::test]
async fn a_full_disk_takes_no_new_photos_and_answers_known_ones() {
    let app = TestApp::new().await;
    assert_eq!(app.caption(png(9, 9)).await.status, StatusCode::OK);
    let TestApp { directory, .. } = app;
    let full = |config: &mut Config| config.storage.min_free_bytes = u64::MAX;
    let app = TestApp::in_directory(directory, FakeModel::new(), full).await;
    assert_eq!(app.get("/readyz").await.problem(503, "not-ready"), "The disk is full.");
    app.caption(png(8, 8)).await.problem(507, "storage-full");
    assert_eq!(app.caption(png(9, 9)).await.json()["cached"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_for_a_photo_is_full_whatever_is_left_of_it() -> anyhow::Result<()> {
    const LEFT: u64 = 16 * 1024;
    let mount_point = tempfile::tempdir()?;
    let mut command = on_a_small_disk("24m", mount_point.path())?;
    command.arg(env!("CARGO_BIN_EXE_expansionnet"));
    let settings = [("STORAGE__MIN_FREE_BYTES", "1")];
    let server = Server::start_as(command, mount_point.path(), &settings).await.context(NEEDS)?;
    let mut filler = File::create(seen_from_outside(server.process_id(), mount_point.path()).join("filler"))?;
    while filler.write_all(&[0; 4096]).is_ok() {}
    filler.set_len(filler.metadata()?.len().saturating_sub(LEFT))?;
    let (status, problem) = server.get("/readyz").await?;
    let problem: Value = serde_json::from_slice(&problem)?;
    assert_eq!((status, &problem["detail"]), (503, &json!("The disk is full.")), "{problem}");
    filler.set_len(0)?;
    assert_eq!(server.get("/readyz").await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_not_ready() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let config = Config::defaults().expect("valid defaults");
    let broken = |_: &[std::path::PathBuf]| Err::<FakeModel, _>("no such weights in /secret/place");
    let app = TestApp::around(directory, config, broken).await;
    app.models.failed().await;
    assert!(matches!(app.models.active().status(), Status::Failed(_)));
    assert_eq!(app.get("/readyz").await.problem(503, "not-ready"), "The model is not running.");
    app.caption(png(9, 9)).await.problem(503, "model-stopped");
    let metrics = app.get("/metrics").await.text();
    assert!(!metrics.contains("expansionnet_model_info{"), "{metrics}");
}

#[tokio::test]
async fn a_lost_gpu_ends_the_model_where_an_error_of_one_photo_does_not() {
    let app = TestApp::new().await;
    app.caption(png(FAILS, 9)).await.problem(500, "internal");
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
    app.caption(png(LOSES_GPU, 9)).await.problem(500, "internal");
    let reason = app.models.failed().await;
    assert!(reason.ends_with("must be started again: CUDA error: unspecified launch failure"), "{reason}");
    assert_eq!(app.get("/readyz").await.problem(503, "not-ready"), "The model is not running.");
    app.caption(png(9, 9)).await.problem(503, "model-stopped");
}

#[tokio::test]
async fn metrics_tell_what_happened_in_bounded_labels() {
    let app = TestApp::new().await;
    for _ in 0..2 {
        assert_eq!(app.caption(png(9, 9)).await.status, StatusCode::OK);
    }
    app.caption("no picture").await.problem(415, "unsupported-image");
    for path in ["/api/captions/one", "/api/captions/two", "/made/up", "/made/up/too"] {
        app.get(path).await.problem(404, "not-found");
    }
    let made_up = Method::from_bytes(b"BREW").expect("a method");
    let made_up = Request::builder().method(made_up).uri("/livez").body(Body::empty()).expect("a request");
    assert_eq!(app.send(made_up).await.status, StatusCode::METHOD_NOT_ALLOWED);

    let answered = app.get("/metrics").await;
    assert_eq!(answered.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = answered.text();
    for line in [
        r#"expansionnet_http_requests_total{method="POST",route="/api/caption",status="200"} 2"#,
        r#"expansionnet_http_requests_total{method="POST",route="/api/caption",status="415"} 1"#,
        r#"expansionnet_http_requests_total{method="GET",route="/api/captions/{id}",status="404"} 2"#,
        r#"expansionnet_http_requests_total{method="GET",route="unmatched",status="404"} 2"#,
        r#"expansionnet_http_requests_total{method="other",route="/livez",status="405"} 1"#,
        "expansionnet_http_requests_in_flight 1",
        r#"expansionnet_problems_total{code="unsupported-image"} 1"#,
        r#"expansionnet_problems_total{code="not-found"} 4"#,
        "expansionnet_photos_captioned_total 1",
        "expansionnet_photos_from_store_total 1",
        r#"expansionnet_stage_seconds_count{stage="encode"} 1"#,
        "expansionnet_batch_photos_count 1",
        "expansionnet_queue_length 0",
        "expansionnet_queue_capacity 64",
        r#"expansionnet_model_info{device="cpu",id="fake",precision="float32",revision="0123456789abcdef"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    for name in ["expansionnet_storage_free_bytes ", "process_resident_memory_bytes ", "process_cpu_seconds_total "] {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    assert!(!text.contains("BREW") && !text.contains("/made/up"), "{text}");
}

#[tokio::test]
async fn photos_that_wait_are_counted() {
    let (model, keeper) = FakeModel::gated();
    let app = TestApp::with(model, |config| config.captioning.max_batch_size = 4).await;
    let send = |width| {
        let request = Request::post("/api/caption").header(header::CONTENT_TYPE, "image/png");
        tokio::spawn(app.router.clone().oneshot(request.body(Body::from(png(width, 1))).expect("a request")))
    };
    let first = send(20);
    let keeper = keeper.until_entered().await;
    let waiting = [send(21), send(22)];
    let counted = async {
        while !app.get("/metrics").await.text().contains("\nexpansionnet_queue_length 2\n") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, counted).await.expect("two photos wait");
    drop(keeper);
    for answer in [first].into_iter().chain(waiting) {
        assert_eq!(answer.await.expect("no panic").expect("infallible").status(), StatusCode::OK);
    }
    let text = app.get("/metrics").await.text();
    for line in [
        "expansionnet_queue_length 0",
        r#"expansionnet_batch_photos_bucket{le="1"} 1"#,
        r#"expansionnet_batch_photos_bucket{le="2"} 2"#,
        "expansionnet_batch_photos_sum 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up_on_every_route() {
    let app = TestApp::with(FakeModel::new(), |config| config.server.upload_timeout_seconds = 1).await;
    for (uri, media_type) in [
        ("/api/caption", "image/png"),
        ("/api/caption", "application/json"),
        ("/api/captions/delete", "application/json"),
        ("/sign-in", "application/x-www-form-urlencoded"),
    ] {
        let endless = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        app.post(uri, media_type, Body::from_stream(endless)).await.problem(408, "upload-timed-out");
    }
}

/// Lines of the log up to the first that says that this path was answered.
fn answered_line(server: &Server, path: &str) -> Value {
    let line = server.wait_for_log(&format!(r#""path":"{path}""#)).expect("a line of the log");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[tokio::test]
async fn the_log_is_json_where_asked_and_the_server_stops_when_told() {
    let storage = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start_with(storage.path(), &[("LOG__FORMAT", "json")]).await.expect("starts");
    let asked = server
        .client()
        .get(format!("{}/api/captions?query=whispered", server.url()))
        .header(header::AUTHORIZATION, "Bearer hushed")
        .header("x-request-id", "job-17");
    let body = asked.send().await.expect("answers").bytes().await.expect("a body");
    let line = answered_line(&server, "/api/captions");
    assert_eq!(line["message"], "answered", "{line}");
    assert_eq!(line["span"]["id"], "job-17", "{line}");
    assert_eq!(line["span"]["method"], "GET", "{line}");
    assert_eq!(line["bytes"], body.len(), "{line}");
    assert!(line["status"].is_string() && line["milliseconds"].is_number(), "{line}");
    assert!(!line.to_string().contains("whispered") && !line.to_string().contains("hushed"), "{line}");
    server.terminate().expect("a signal");
    let status = server.ended(LONG).await.expect("ends");
    assert!(status.success(), "{status}");
    server.wait_for_log("finishing what is in progress").expect("says so");
}

#[tokio::test]
async fn the_threads_of_the_model_do_not_spin_for_long() -> anyhow::Result<()> {
    let storage = tempfile::tempdir()?;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_expansionnet"));
    command.env_remove("GOMP_SPINCOUNT").env_remove("OMP_WAIT_POLICY");
    let server = Server::start_as(command, storage.path(), &[]).await?;
    let environment = std::fs::read(format!("/proc/{}/environ", server.process_id()))?;
    let mut variables = environment.split(|&byte| byte == 0);
    assert!(variables.any(|variable| variable == b"GOMP_SPINCOUNT=1000"), "set before libgomp was loaded");
    Ok(())
}
