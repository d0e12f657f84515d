//! Captions as one file.

use super::{FORM, ask, caption, id, open_database, post, three, words};
use crate::support::web::{TestApp, png};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;
use std::io::{Cursor, Read};
use zip::ZipArchive;

#[tokio::test]
async fn exports_are_tables() {
    let (app, ids) = three().await;
    caption(&app, 11, "=cmd(), 1.png").await;
    ask(&app, Method::PATCH, &format!("/api/captions/{}", ids[0]), &json!({ "caption": "@A, \"b\"" })).await;
    let export = app.post("/api/captions/export", FORM, "format=csv&query=&model=&from=&until=").await;
    assert_eq!(export.status, StatusCode::OK, "{}", export.text());
    assert_eq!(export.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(export.header("content-disposition"), "attachment; filename=\"captions.csv\"");
    let mut table = csv::Reader::from_reader(export.body.as_slice());
    let head = table.headers().expect("a head").clone();
    let column = |name: &str| head.iter().position(|column| column == name);
    let (name, caption, generated, score) =
        (column("file_name"), column("caption"), column("generated_caption"), column("score"));
    let rows: Vec<_> = table.records().map(|row| row.expect("a row")).collect();
    let cells = |column: Option<usize>| -> Vec<&str> {
        rows.iter().map(|row| row.get(column.expect("a column")).expect("a cell")).collect()
    };
    assert_eq!(cells(name), ["dog.jpg", "'=cmd(), 1.png", "beach.png"]);
    assert_eq!(cells(caption), [words(12), words(11), "'@A, \"b\"".to_owned()]);
    assert_eq!(cells(generated), [words(12), words(11), words(10)]);
    assert_eq!(cells(score), ["-0.5", "-0.5", "-0.5"]);
}

#[tokio::test]
async fn exports_are_json() {
    let (app, ids) = three().await;
    let export = post(&app, "/api/captions/export", &json!({ "format": "json", "query": "dog" })).await;
    assert_eq!(export.header("content-type"), "application/json");
    let captions = export.json()["captions"].clone();
    assert_eq!(captions.as_array().map(Vec::len), Some(2));
    assert_eq!(captions[0], app.get(&format!("/api/captions/{}", ids[2])).await.json());
    let none = post(&app, "/api/captions/export", &json!({ "format": "json", "query": "zebra" })).await;
    assert_eq!(none.json(), json!({ "captions": [] }));
}

/// The files of a zip, in its order.
fn unzip(zip: &[u8]) -> Vec<(String, String)> {
    let mut zip = ZipArchive::new(Cursor::new(zip)).expect("a zip");
    let count = zip.len();
    let read = |index| {
        let mut file = zip.by_index(index).expect("a file");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("UTF-8");
        (file.name().expect("a name").into_owned(), text)
    };
    (0..count).map(read).collect()
}

#[tokio::test]
async fn exports_are_text_files_named_like_the_photos() {
    let (app, ids) = three().await;
    let unnamed = app.caption(png(40, 2)).await.json();
    let unnamed_file = format!("{}.txt", unnamed["image"]["id"].as_str().expect("an id"));
    let fields = format!("format=txt&ids={}&ids={}&ids={}&ids=unknown", ids[1], ids[2], id(&unnamed));
    let export = app.post("/api/captions/export", FORM, fields).await;
    assert_eq!(export.header("content-type"), "application/zip");
    let expected = [(unnamed_file, words(40)), ("dog.txt".to_owned(), words(12)), ("dog-2.txt".to_owned(), words(11))];
    assert_eq!(unzip(&export.body), expected);
}

#[tokio::test]
async fn exports_are_checked() {
    let app = TestApp::new().await;
    for body in [
        json!({}),
        json!({ "format": "xml" }),
        json!({ "format": "csv", "from": "x" }),
        json!({ "format": "csv", "ids": [] }),
        json!({ "format": "csv", "ids": ["x"], "query": "dog" }),
        json!({ "format": "csv", "ids": vec!["x"; 100_001] }),
        json!({ "format": "csv", "beam_size": 5 }),
    ] {
        post(&app, "/api/captions/export", &body).await.problem(422, "invalid-option");
    }
    app.post("/api/captions/export", FORM, "format=csv&page=1").await.problem(422, "invalid-option");
    app.post("/api/captions/export", "text/csv", "x").await.problem(415, "unsupported-media-type");
    let empty = Request::post("/api/captions/export").body(Body::empty()).expect("a request");
    app.send(empty).await.problem(422, "invalid-option");
}

#[tokio::test]
async fn ten_thousand_captions_are_exported_whole() {
    let (app, _) = three().await;
    let mut database = open_database(&app).await;
    sqlx::query(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 9997) \
         INSERT INTO captions (id, image_id, model_id, model_revision, precision, beam_size, max_length, \
         caption, score, candidates, decode_ms, queue_ms, encode_ms, search_ms) \
         SELECT format('%06d', n), image_id, model_id, model_revision, precision, n + 10, max_length, \
         caption, score, candidates, decode_ms, queue_ms, encode_ms, search_ms \
         FROM numbers, (SELECT * FROM captions LIMIT 1)",
    )
    .execute(&mut database)
    .await
    .expect("inserts");
    let export = post(&app, "/api/captions/export", &json!({ "format": "json" })).await.json();
    let captions = export["captions"].as_array().expect("a list");
    let mut ids: Vec<String> = captions.iter().map(id).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first, each once");
    assert_eq!(ids.len(), 10_000);
    assert_eq!(ids.pop().as_deref(), Some("000001"));
    let table = post(&app, "/api/captions/export", &json!({ "format": "csv" })).await;
    assert_eq!(csv::Reader::from_reader(table.body.as_slice()).records().count(), 10_000);
    let files = unzip(&post(&app, "/api/captions/export", &json!({ "format": "txt" })).await.body);
    assert_eq!(files.len(), 10_000);
    assert!(files.iter().any(|(name, _)| name == "beach-9998.txt"), "each under a name of its own");

    // So many by their ids, as the history's form sends them; with those of what is gone that makes a long body.
    let mut fields = "format=json".to_owned();
    for named in ids.iter().map(String::as_str).chain(["01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e"; 6000]) {
        fields += &format!("&ids={named}");
    }
    let export = app.post("/api/captions/export", FORM, fields).await.json();
    let captions = export["captions"].as_array().expect("a list");
    assert_eq!(captions.iter().map(id).collect::<Vec<_>>(), ids, "newest first");
}
