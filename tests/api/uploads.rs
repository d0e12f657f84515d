//! Odd ways to send photos and options, and words that help.

use super::support::fake_model::FakeModel;
use super::support::web::{Part, TestApp, png};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use std::time::Duration;
use tower::ServiceExt;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// Sends a photo as a part whose head says this; gives the name it goes by.
async fn name_of(app: &TestApp, disposition: &str) -> String {
    let mut body = format!("--EDGE\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").into_bytes();
    body.extend(png(20, 2));
    body.extend(b"\r\n--EDGE--\r\n");
    let answered = app.post("/api/caption", "multipart/form-data; boundary=EDGE", body).await;
    assert_eq!(answered.status, StatusCode::OK, "{disposition}: {}", answered.text());
    answered.json()["image"]["file_name"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn file_names_beyond_ascii_are_read_as_clients_write_them() {
    let app = TestApp::new().await;
    for (disposition, expected) in [
        ("name=\"image\"; filename=\"café.jpg\"", "café.jpg"),
        ("name=\"image\"; filename=\"=?utf-8?B?Y2Fmw6kuanBn?=\"; filename*=utf-8''caf%C3%A9.jpg", "café.jpg"),
        ("name=\"image\"; filename=\"=?utf-8?B?ZMO2Zy5qcGc=?=\"", "dög.jpg"),
        ("name=\"image\"; filename*=UTF-8''%E7%8A%AC.jpg", "犬.jpg"),
    ] {
        assert_eq!(name_of(&app, disposition).await, expected, "{disposition}");
    }
}

#[tokio::test]
async fn a_photo_in_another_field_is_told_where_it_belongs() {
    let app = TestApp::new().await;
    let body = "--EDGE\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.jpg\"\r\n\
                Content-Type: image/jpeg\r\n\r\nphoto\r\n--EDGE--\r\n";
    let answered = app.post("/api/caption", "multipart/form-data; boundary=EDGE", body).await;
    let detail = answered.problem(422, "invalid-option");
    assert_eq!(detail, "A photo belongs into the field `image`, not `file`.");
}

#[tokio::test]
async fn options_are_not_passed_over_for_want_of_a_type() {
    let app = TestApp::new().await;
    let answer = app.caption(png(20, 2)).await.json();
    let again = format!("/api/images/{}/caption", answer["image"]["id"].as_str().expect("an id"));
    let options = json!({ "beam_size": 2 }).to_string();
    let chunked = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(options.clone())]));
    for body in [Body::from(options), chunked] {
        let untyped = app.send(Request::post(&again).body(body).expect("a request")).await;
        let detail = untyped.problem(415, "unsupported-media-type");
        assert!(detail.contains("Content-Type") && detail.contains("application/json"), "{detail}");
    }
    let nothing = app.send(Request::post(&again).body(Body::empty()).expect("a request")).await;
    assert_eq!(nothing.json()["id"], answer["id"], "no body, no options");
}

#[tokio::test]
async fn a_photo_among_several_is_told_when_to_come_back() {
    let (model, keeper) = FakeModel::gated();
    let app = TestApp::with(model, |config| config.captioning.queue_capacity = 1).await;
    let send = |width| {
        let request = Request::post("/api/caption").header(header::CONTENT_TYPE, "image/png");
        tokio::spawn(app.router.clone().oneshot(request.body(Body::from(png(width, 1))).expect("a request")))
    };
    let first = send(20);
    let keeper = keeper.until_entered().await;
    let second = send(21);
    let full = async {
        while !app.get("/metrics").await.text().contains("\nexpansionnet_queue_length 1\n") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, full).await.expect("one photo waits");
    let (one, other) = (png(22, 1), png(23, 1));
    let several = app.form("/api/caption", &[Part::Image("a.png", &one), Part::Image("b.png", &other)]).await.json();
    for result in several["results"].as_array().expect("results") {
        assert_eq!(result["code"], "queue-full", "{result}");
        assert!(result["retry_after"].as_u64().is_some_and(|seconds| (1..=60).contains(&seconds)), "{result}");
    }
    drop(keeper);
    for waiting in [first, second] {
        assert_eq!(waiting.await.expect("no panic").expect("infallible").status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_known_photo_is_answered_although_its_new_name_cannot_be_kept() {
    let app = TestApp::new().await;
    let photo = png(20, 2);
    let first = app.form("/api/caption", &[Part::Image("one.png", &photo)]).await.json();
    let file = app.directory.path().join("expansionnet.sqlite3");
    let mut other = SqliteConnectOptions::new().filename(file).connect().await.expect("the server's database");
    let refusal = "CREATE TRIGGER no_names BEFORE UPDATE OF file_name ON images \
                   BEGIN SELECT RAISE(ABORT, 'nothing can be written'); END";
    sqlx::query(refusal).execute(&mut other).await.expect("is made");
    let again = app.form("/api/caption", &[Part::Image("two.png", &photo)]).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    let again = again.json();
    assert_eq!((&again["id"], &again["cached"]), (&first["id"], &json!(true)));
    assert_eq!(again["image"]["file_name"], "one.png");
}
