//! The JSON API through the real router, with a real temporary store and a fake model.

mod bounds;
mod files;
mod restoring;
#[path = "../support/mod.rs"]
mod support;
mod uploads;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use expansionnet::config::Config;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Mutex;
use support::fake_model::{FAILS, FakeModel, PANICS};
use support::web::{Part, TestApp, png};

#[tokio::test]
async fn one_photo_gives_one_answer() {
    let app = TestApp::new().await;
    let answered = app.caption(png(40, 30)).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
    let answer = answered.json();
    assert_eq!(answer["caption"], "A picture of 40 by 30, wording 0.");
    assert_eq!(answer["score"], -0.5);
    assert_eq!(
        answer["candidates"],
        json!([
            { "caption": "A picture of 40 by 30, wording 0.", "score": -0.5 },
            { "caption": "A picture of 40 by 30, wording 1.", "score": -0.75 },
            { "caption": "A picture of 40 by 30, wording 2.", "score": -1.0 },
        ])
    );
    assert_eq!(answer["model"], json!({ "id": "fake", "revision": "0123456789abcdef" }));
    assert_eq!((&answer["image"]["width"], &answer["image"]["height"]), (&json!(40), &json!(30)));
    assert_eq!(answer["image"]["sha256"].as_str().map(str::len), Some(64));
    for stage in ["decode", "queue", "encode", "search"] {
        let milliseconds = answer["timings_ms"][stage].as_f64().expect("a number");
        assert!((milliseconds * 10.0).fract() < 1e-6, "{stage}: one decimal, not {milliseconds}");
    }
    assert_eq!(answer["cached"], false);
    let created = answer["created_at"].as_str().expect("a time");
    assert!(created.len() == 20 && created.ends_with('Z'), "{created}");
}

/// What does not differ between two answers to the same request.
fn essence(answer: &Value) -> (&Value, &Value, &Value) {
    (&answer["id"], &answer["candidates"], &answer["image"]["id"])
}

#[tokio::test]
async fn every_kind_of_body_gives_the_same_answer() {
    let app = TestApp::new().await;
    let photo = png(40, 30);
    let base64 = STANDARD.encode(&photo);
    let raw = app.post("/api/caption?beam_size=2&candidates=2", "image/png", photo.clone()).await;
    let untyped = app.post("/api/caption?beam_size=2&candidates=2", "application/octet-stream", photo.clone()).await;
    let form = app
        .form(
            "/api/caption",
            &[Part::Image("photo.jpg", &photo), Part::Text("beam_size", "2"), Part::Text("candidates", "2")],
        )
        .await;
    let json_body = json!({ "image": base64, "beam_size": 2, "candidates": 2 });
    let json = app.post("/api/caption", "application/json", json_body.to_string()).await;
    let data_url = json!({ "image": format!("data:image/png;base64,{base64}"), "beam_size": 2 });
    let data_url = app.post("/api/caption", "application/json; charset=utf-8", data_url.to_string()).await;
    let first = raw.json();
    assert_eq!(first["candidates"].as_array().map(Vec::len), Some(2));
    for other in [untyped, form, json, data_url] {
        assert_eq!(other.status, StatusCode::OK, "{}", other.text());
        let other = other.json();
        assert_eq!(essence(&other), essence(&first));
        assert_eq!(other["cached"], true);
    }
}

#[tokio::test]
async fn the_same_photo_model_and_search_is_answered_from_the_store() {
    let (model, keeper) = FakeModel::gated();
    for _ in 0..2 {
        keeper.let_through();
    }
    let app = TestApp::with(model, |_| ()).await;
    let first = app.caption(png(9, 9)).await.json();
    let again = app.caption(png(9, 9)).await.json();
    assert_eq!((&first["cached"], &again["cached"]), (&json!(false), &json!(true)));
    assert_eq!(essence(&again), essence(&first));
    assert_eq!(again["timings_ms"], first["timings_ms"]);
    // The number of candidates is only how many of the stored beams are shown.
    let one = app.post("/api/caption?candidates=1", "image/png", png(9, 9)).await.json();
    assert_eq!(one["cached"], true);
    assert_eq!(one["candidates"].as_array().map(Vec::len), Some(1));
    // Another search is another caption of the same image.
    let wide = app.post("/api/caption?beam_size=7", "image/png", png(9, 9)).await.json();
    assert_eq!(wide["cached"], false);
    assert_ne!(wide["id"], first["id"]);
    assert_eq!(wide["image"], first["image"]);
    assert_eq!(keeper.open().try_iter().count(), 2, "two searches in all");
}

#[tokio::test]
async fn stored_captions_survive_a_restart() {
    let app = TestApp::new().await;
    let first = app.caption(png(9, 9)).await.json();
    let TestApp { router, models, directory } = app;
    drop((router, models));
    let app = TestApp::in_directory(directory, FakeModel::new(), |_| ()).await;
    let id = first["id"].as_str().expect("an id");
    let stored = app.get(&format!("/api/captions/{id}")).await.json();
    assert_eq!(stored["caption"], first["caption"]);
    assert_eq!(stored["candidates"].as_array().map(Vec::len), Some(5), "every beam");
    assert_eq!(app.caption(png(9, 9)).await.json()["cached"], true);
}

#[tokio::test]
async fn several_photos_give_results_in_their_order() {
    let app = TestApp::new().await;
    let (small, large) = (png(3, 2), png(50, 40));
    let answered = app
        .form(
            "/api/caption",
            &[Part::Image("a.png", &small), Part::Image("broken.jpg", b"hello"), Part::Image("b.png", &large)],
        )
        .await;
    assert_eq!(answered.status, StatusCode::OK);
    let answer = answered.json();
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 3);
    assert_eq!(results[0]["caption"], "A picture of 3 by 2, wording 0.");
    assert_eq!((&results[1]["status"], &results[1]["code"]), (&json!(415), &json!("unsupported-image")));
    assert_eq!(results[1]["request_id"], answered.header("x-request-id"));
    assert_eq!(results[2]["caption"], "A picture of 50 by 40, wording 0.");
}

#[tokio::test]
async fn more_photos_than_may_wait_are_all_captioned() {
    let app = TestApp::with(FakeModel::new(), |config| {
        config.captioning.queue_capacity = 2;
        config.captioning.max_batch_size = 2;
    })
    .await;
    let photos: Vec<_> = (20..30).map(|width| png(width, 2)).collect();
    let parts: Vec<_> = photos.iter().map(|photo| Part::Image("x.png", photo)).collect();
    let answer = app.form("/api/caption", &parts).await.json();
    let results = answer["results"].as_array().expect("results");
    for (result, width) in results.iter().zip(20..) {
        assert_eq!(result["image"]["width"], width, "{result}");
    }
    assert_eq!(results.len(), 10);
}

#[tokio::test]
async fn captions_are_listed_newest_first_page_by_page() {
    let app = TestApp::new().await;
    for width in 20..25 {
        app.caption(png(width, 2)).await;
    }
    let widths = |list: &Value| -> Vec<u64> {
        let captions = list["captions"].as_array().expect("captions").iter();
        captions.map(|caption| caption["image"]["width"].as_u64().expect("a width")).collect()
    };
    let first = app.get("/api/captions?limit=3").await.json();
    assert_eq!(widths(&first), [24, 23, 22]);
    let next = first["next"].as_str().expect("a further page");
    let last = app.get(&format!("/api/captions?limit=3&before={next}")).await.json();
    assert_eq!(widths(&last), [21, 20]);
    assert_eq!(last["next"], Value::Null);
    assert_eq!(app.get("/api/captions").await.json()["next"], Value::Null);
    for uri in ["/api/captions?limit=0", "/api/captions?limit=101", "/api/captions?limit=x", "/api/captions?page=2"] {
        app.get(uri).await.problem(422, "invalid-option");
    }
    app.get("/api/captions/nothing").await.problem(404, "not-found");
}

#[tokio::test]
async fn photos_and_thumbnails_are_served_for_good() {
    let app = TestApp::with(FakeModel::new(), |config| config.storage.thumbnail_side = 16).await;
    let answer = app.caption(png(64, 32)).await.json();
    let id = answer["image"]["id"].as_str().expect("an id");
    let photo = app.get(&format!("/api/images/{id}")).await;
    assert_eq!((photo.status, photo.header("content-type")), (StatusCode::OK, "image/png"));
    assert_eq!(photo.header("x-content-type-options"), "nosniff");
    assert!(photo.header("cache-control").contains("immutable"));
    let decoded = image::load_from_memory(&photo.body).expect("a PNG");
    assert_eq!((decoded.width(), decoded.height()), (64, 32));

    let uri = format!("/api/images/{id}?size=thumbnail");
    let thumbnail = app.get(&uri).await;
    assert_eq!(thumbnail.header("content-type"), "image/jpeg");
    let decoded = image::load_from_memory(&thumbnail.body).expect("a JPEG");
    assert_eq!((decoded.width(), decoded.height()), (16, 8));
    assert_ne!(thumbnail.header("etag"), photo.header("etag"));

    let request = Request::get(&uri).header(header::IF_NONE_MATCH, thumbnail.header("etag"));
    let unchanged = app.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (StatusCode::NOT_MODIFIED, 0));

    app.get(&format!("/api/images/{id}?size=huge")).await.problem(422, "invalid-option");
    app.get("/api/images/nothing").await.problem(404, "not-found");
}

#[tokio::test]
async fn bad_options_are_named() {
    let app = TestApp::new().await;
    for (query, detail) in [
        ("beam_size=0", "`beam_size` must be from 1 to 10, not 0."),
        ("max_length=21", "`max_length` must be from 2 to 20, not 21."),
        ("beam_size=2&candidates=3", "`candidates` must be from 1 to 2, not 3."),
        ("beam_size=two", "`beam_size` must be a whole number, not `two`."),
        ("beams=2", "There is no option `beams`; there is: beam_size, max_length, candidates, model."),
    ] {
        let answered = app.post(&format!("/api/caption?{query}"), "image/png", png(4, 4)).await;
        assert_eq!(answered.problem(422, "invalid-option"), detail);
        let (name, value) = query.rsplit_once('&').unwrap_or(("", query)).1.split_once('=').expect("a pair");
        let photo = png(4, 4);
        let mut parts = vec![Part::Image("a.png", &photo), Part::Text(name, value)];
        if query.starts_with("beam_size=2&") {
            parts.push(Part::Text("beam_size", "2"));
        }
        assert_eq!(app.form("/api/caption", &parts).await.problem(422, "invalid-option"), detail);
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_understood_are_refused() {
    let app = TestApp::new().await;
    let json = "application/json";
    app.post("/api/caption", json, "{").await.problem(400, "malformed-request");
    app.post("/api/caption", json, r#"{"image": "?"}"#).await.problem(400, "malformed-request");
    app.post("/api/caption", json, r#"{"image": 5}"#).await.problem(422, "invalid-option");
    app.post("/api/caption", json, r#"{"image": "", "beams": 5}"#).await.problem(422, "invalid-option");
    app.post("/api/caption", json, r#"{"photo": ""}"#).await.problem(422, "invalid-option");
    let form = "multipart/form-data";
    app.post("/api/caption", form, "").await.problem(400, "malformed-request");
    app.post("/api/caption", "multipart/form-data; boundary=EDGE", "--EDGE\r\nnonsense")
        .await
        .problem(400, "malformed-request");
    let nothing_chosen = app.form("/api/caption", &[Part::Image("", b"")]).await;
    assert!(nothing_chosen.problem(400, "malformed-request").contains("no photo"));
    app.post("/api/caption", "application/x-www-form-urlencoded", "image=x")
        .await
        .problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn internal_failures_are_not_told_to_clients() {
    let app = TestApp::new().await;
    for width in [FAILS, PANICS] {
        let answered = app.caption(png(width, 1)).await;
        let detail = answered.problem(500, "internal");
        assert!(detail.contains("request id"), "{detail}");
        let text = answered.text();
        assert!(!text.contains("secret") && !text.contains("on purpose"), "{text}");
    }
    assert_eq!(app.caption(png(4, 4)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn while_the_model_loads_the_server_lives_but_is_not_ready() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let load = move |_: &[PathBuf]| {
        wait.lock().expect("not poisoned").recv().ok();
        Ok::<_, String>(FakeModel::new())
    };
    let config = Config::defaults().expect("valid defaults");
    let directory = tempfile::tempdir().expect("a temporary folder");
    let app = TestApp::around(directory, config, load).await;
    assert_eq!(app.get("/livez").await.status, StatusCode::OK);
    let detail = app.get("/readyz").await.problem(503, "not-ready");
    assert_eq!(detail, "The model is still loading.");
    assert_eq!(app.get("/api/models").await.json(), json!({ "models": [] }));
    let refused = app.caption(png(4, 4)).await;
    refused.problem(503, "model-loading");
    assert_eq!(refused.header("retry-after"), "2");
    drop(go);
    app.models.active().ready().await.expect("loads");
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
    let models = app.get("/api/models").await.json();
    assert_eq!(models["models"][0]["id"], "fake");
    assert_eq!(models["models"][0]["max_length"], 20);
}

#[tokio::test]
async fn request_ids_are_honoured_when_sound_and_echoed_always() {
    let app = TestApp::new().await;
    let ask = async |id: &str| {
        let request = Request::get("/api/nothing").header("x-request-id", id);
        app.send(request.body(Body::empty()).expect("a request")).await
    };
    let answered = ask("job-17/a").await;
    assert_eq!(answered.header("x-request-id"), "job-17/a");
    answered.problem(404, "not-found");
    let long = "x".repeat(129);
    for unsound in ["two words", &long] {
        let answered = ask(unsound).await;
        assert_eq!(answered.header("x-request-id").len(), 36, "a new one");
        answered.problem(404, "not-found");
    }
    assert_eq!(app.get("/livez").await.header("x-request-id").len(), 36);
}

#[tokio::test]
async fn wrong_methods_and_addresses_are_problems() {
    let app = TestApp::new().await;
    let wrong = app.get("/api/caption").await;
    wrong.problem(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), "POST");
    app.get("/api/nothing").await.problem(404, "not-found");
    app.get("/static/nothing.css").await.problem(404, "not-found");
}
