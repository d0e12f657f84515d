//! Lists and single captions, as programs read them.

use super::{FORM, ask, caption, listed, open_database, three, words};
use crate::support::web::{TestApp, png};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

#[tokio::test]
async fn lists_are_searched_and_filtered() {
    let (app, _) = three().await;
    assert_eq!(listed(&app, "").await, [words(12), words(11), words(10)]);
    assert_eq!(listed(&app, "query=dog").await, [words(12), words(11)]);
    assert_eq!(listed(&app, "query=%22picture+of+1").await, [words(12), words(11), words(10)]);
    assert_eq!(listed(&app, "query=11+pictures").await, [words(11)]);
    assert_eq!(listed(&app, "query=&model=&from=&until=").await.len(), 3);
    assert_eq!(listed(&app, "model=fake&from=2020-01-01&until=9998-12-31").await.len(), 3);
    for nothing in ["model=other", "until=2020-01-01", "from=9998-12-31", "query=zebra", "query=%2A"] {
        assert_eq!(listed(&app, nothing).await, Vec::<String>::new(), "{nothing}");
    }
}

#[tokio::test]
async fn days_are_those_of_the_clock_that_is_named() {
    let (app, ids) = three().await;
    let mut database = open_database(&app).await;
    let late = sqlx::query("UPDATE captions SET created_at = '2026-02-28T22:30:00Z' WHERE id = ?").bind(&ids[0]);
    late.execute(&mut database).await.expect("updates");
    let day = "from=2026-03-01&until=2026-03-01";
    assert_eq!(listed(&app, day).await, Vec::<String>::new());
    assert_eq!(listed(&app, &format!("{day}&utc_offset_minutes=120")).await, [words(10)]);
    let fields = format!("format=json&query=&{day}&utc_offset_minutes=120");
    let export = app.post("/api/captions/export", FORM, fields).await.json();
    assert_eq!(export["captions"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn lists_come_page_by_page_with_their_total() {
    let (app, ids) = three().await;
    let first = app.get("/api/captions?limit=2&query=picture").await;
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let first = first.json();
    assert_eq!((&first["total"], &first["next"]), (&json!(3), &json!(ids[1])));
    assert_eq!(first["captions"][0].get("cached"), None, "only of answers to photos");
    let last = app.get(&format!("/api/captions?limit=2&query=picture&before={}", ids[1])).await.json();
    assert_eq!((last.get("total"), &last["next"]), (None, &Value::Null));
    assert_eq!(last["captions"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn options_of_lists_are_checked() {
    let app = TestApp::new().await;
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "page=2",
        "from=yesterday",
        "until=2026-02-30",
        "utc_offset_minutes=1441",
        "utc_offset_minutes=x",
    ] {
        app.get(&format!("/api/captions?{query}")).await.problem(422, "invalid-option");
    }
    let long = "x".repeat(201);
    app.get(&format!("/api/captions?query={long}")).await.problem(422, "invalid-option");
}

#[tokio::test]
async fn a_caption_is_sent_again_only_when_it_changed() {
    let (app, ids) = three().await;
    let uri = format!("/api/captions/{}", ids[0]);
    let first = app.get(&uri).await;
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let again = async || {
        let request = Request::get(&uri).header(header::IF_NONE_MATCH, first.header("etag"));
        app.send(request.body(Body::empty()).expect("a request")).await
    };
    assert_eq!(again().await.status, StatusCode::NOT_MODIFIED);
    let edited = ask(&app, Method::PATCH, &uri, &json!({ "caption": "A beach." })).await;
    assert_eq!(edited.header("etag"), app.get(&uri).await.header("etag"));
    assert_eq!(again().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_photo_goes_by_its_newest_name() {
    let (app, ids) = three().await;
    let again = caption(&app, 10, "C:\\holiday\\sea.png").await;
    assert_eq!((&again["cached"], &again["image"]["file_name"]), (&json!(true), &json!("sea.png")));
    assert_eq!(listed(&app, "query=sea").await, [words(10)]);
    assert_eq!(listed(&app, "query=beach").await, Vec::<String>::new());
    app.caption(png(10, 2)).await;
    let stored = app.get(&format!("/api/captions/{}", ids[0])).await.json();
    assert_eq!(stored["image"]["file_name"], "sea.png", "no name takes none away");
}
