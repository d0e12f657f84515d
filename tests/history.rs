//! Past captions through the router: searched, edited, deleted, exported, captioned again.

mod support;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::io::{Cursor, Read};
use std::time::Duration;
use support::fake_model::FakeModel;
use support::web::{Answered, Part, TestApp, png};
use zip::ZipArchive;

const FORM: &str = "application/x-www-form-urlencoded";

/// Captions a photo of this width under a name; gives the answer.
async fn caption(app: &TestApp, width: u32, name: &str) -> Value {
    let answered = app.form("/api/caption", &[Part::Image(name, &png(width, 2))]).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
    answered.json()
}

/// Three photos, oldest first: 10, 11 and 12 wide.
async fn three() -> (TestApp, Vec<String>) {
    let app = TestApp::new().await;
    let mut ids = Vec::new();
    for (width, name) in [(10, "beach.png"), (11, "dog.png"), (12, "dog.jpg")] {
        ids.push(id(&caption(&app, width, name).await));
    }
    (app, ids)
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

fn words(width: u32) -> String {
    format!("A picture of {width} by 2, wording 0.")
}

async fn ask(app: &TestApp, method: Method, uri: &str, json: &Value) -> Answered {
    let request = Request::builder().method(method).uri(uri).header(header::CONTENT_TYPE, "application/json");
    app.send(request.body(Body::from(json.to_string())).expect("a request")).await
}

async fn post(app: &TestApp, uri: &str, json: &Value) -> Answered {
    ask(app, Method::POST, uri, json).await
}

async fn delete(app: &TestApp, id: &str) -> Answered {
    ask(app, Method::DELETE, &format!("/api/captions/{id}"), &Value::Null).await
}

/// The words of a list, in its order.
async fn listed(app: &TestApp, query: &str) -> Vec<String> {
    let answered = app.get(&format!("/api/captions?{query}")).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
    let list = answered.json();
    let captions = list["captions"].as_array().expect("a list");
    captions.iter().map(|caption| caption["caption"].as_str().expect("words").to_owned()).collect()
}

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
    for query in ["limit=0", "limit=101", "limit=x", "page=2", "from=yesterday", "until=2026-02-30"] {
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
async fn words_are_edited_and_the_models_are_kept() {
    let (app, ids) = three().await;
    let uri = format!("/api/captions/{}", ids[0]);
    let edited = ask(&app, Method::PATCH, &uri, &json!({ "caption": "  A wide beach. " })).await;
    assert_eq!(edited.status, StatusCode::OK, "{}", edited.text());
    let edited = edited.json();
    assert_eq!((&edited["caption"], &edited["generated_caption"]), (&json!("A wide beach."), &json!(words(10))));
    assert_eq!(edited["candidates"][0]["caption"], words(10));
    assert!(edited["edited_at"].is_string());
    assert_eq!(app.get(&uri).await.json(), edited);
    assert_eq!(listed(&app, "query=wide").await, ["A wide beach."]);
    assert_eq!(caption(&app, 10, "beach.png").await["caption"], "A wide beach.", "also as an answer");

    let undone = ask(&app, Method::PATCH, &uri, &json!({ "caption": null })).await.json();
    assert_eq!((&undone["caption"], &undone["edited_at"]), (&json!(words(10)), &Value::Null));
}

#[tokio::test]
async fn edits_are_checked() {
    let (app, ids) = three().await;
    let uri = format!("/api/captions/{}", ids[0]);
    let long = "x".repeat(1001);
    for body in [
        json!({ "caption": "" }),
        json!({ "caption": " \n" }),
        json!({ "caption": "two\nlines" }),
        json!({ "caption": long }),
        json!({ "caption": 7 }),
        json!({}),
        json!({ "caption": "A dog.", "score": 1 }),
    ] {
        ask(&app, Method::PATCH, &uri, &body).await.problem(422, "invalid-option");
    }
    let broken = Request::patch(&uri).header(header::CONTENT_TYPE, "application/json").body(Body::from("{"));
    app.send(broken.expect("a request")).await.problem(400, "malformed-request");
    let text = Request::patch(&uri).header(header::CONTENT_TYPE, "text/plain").body(Body::from("A dog."));
    app.send(text.expect("a request")).await.problem(415, "unsupported-media-type");
    let huge = json!({ "caption": "x".repeat(300_000) });
    ask(&app, Method::PATCH, &uri, &huge).await.problem(413, "too-large");
    let unknown = ask(&app, Method::PATCH, "/api/captions/unknown", &json!({ "caption": "A dog." })).await;
    unknown.problem(404, "not-found");
    assert_eq!(app.get(&uri).await.json()["edited_at"], Value::Null);
}

#[tokio::test]
async fn a_deletion_can_be_undone() {
    let (app, ids) = three().await;
    let uri = format!("/api/captions/{}", ids[0]);
    let photo = format!("/api/images/{}", app.get(&uri).await.json()["image"]["id"].as_str().expect("an id"));
    assert_eq!(delete(&app, &ids[0]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(listed(&app, "").await, [words(12), words(11)]);
    for address in [uri.as_str(), &photo] {
        app.get(address).await.problem(404, "not-found");
    }
    delete(&app, &ids[0]).await.problem(404, "not-found");
    ask(&app, Method::PATCH, &uri, &json!({ "caption": "A dog." })).await.problem(404, "not-found");

    for _ in 0..2 {
        let restored = post(&app, &format!("{uri}/restore"), &Value::Null).await;
        assert_eq!((restored.status, id(&restored.json())), (StatusCode::OK, ids[0].clone()));
    }
    assert_eq!(app.get(&photo).await.status, StatusCode::OK);
    post(&app, "/api/captions/unknown/restore", &Value::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn many_are_deleted_and_brought_back_at_once() {
    let (app, ids) = three().await;
    let named = json!({ "ids": [ids[0], ids[1], ids[1], "unknown"] });
    assert_eq!(post(&app, "/api/captions/delete", &named).await.json(), json!({ "deleted": 2 }));
    assert_eq!(listed(&app, "").await, [words(12)]);
    assert_eq!(post(&app, "/api/captions/restore", &named).await.json(), json!({ "restored": 2 }));
    assert_eq!(listed(&app, "").await.len(), 3);
    for action in ["delete", "restore"] {
        for ids in [json!({ "ids": [] }), json!({ "ids": vec!["x"; 1001] }), json!({}), json!({ "ids": "x" })] {
            post(&app, &format!("/api/captions/{action}"), &ids).await.problem(422, "invalid-option");
        }
        let form = app.post(&format!("/api/captions/{action}"), FORM, "ids=x").await;
        form.problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn a_deleted_caption_is_made_anew() {
    let (app, ids) = three().await;
    delete(&app, &ids[0]).await;
    let anew = caption(&app, 10, "beach.png").await;
    assert_eq!(anew["cached"], false);
    assert_ne!(id(&anew), ids[0]);
    post(&app, &format!("/api/captions/{}/restore", ids[0]), &Value::Null).await.problem(404, "not-found");
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
        json!({ "format": "csv", "ids": ["x"], "query": "dog" }),
        json!({ "format": "csv", "ids": vec!["x"; 1001] }),
        json!({ "format": "csv", "beam_size": 5 }),
    ] {
        post(&app, "/api/captions/export", &body).await.problem(422, "invalid-option");
    }
    app.post("/api/captions/export", FORM, "format=csv&page=1").await.problem(422, "invalid-option");
    app.post("/api/captions/export", "text/csv", "x").await.problem(415, "unsupported-media-type");
    let empty = Request::post("/api/captions/export").body(Body::empty()).expect("a request");
    app.send(empty).await.problem(422, "invalid-option");
}

async fn open_database(app: &TestApp) -> SqliteConnection {
    let file = app.directory.path().join("expansionnet.sqlite3");
    SqliteConnectOptions::new().filename(file).connect().await.expect("the server's database")
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
}

#[tokio::test]
async fn a_stored_photo_is_captioned_again() {
    let app = TestApp::new().await;
    let first = caption(&app, 10, "beach.png").await;
    let uri = format!("/api/images/{}/caption", first["image"]["id"].as_str().expect("an id"));
    let same = app.send(Request::post(&uri).body(Body::empty()).expect("a request")).await.json();
    assert_eq!((&same["id"], &same["cached"]), (&first["id"], &json!(true)));

    let wide = app.send(Request::post(format!("{uri}?beam_size=7")).body(Body::empty()).expect("a request")).await;
    assert_eq!(wide.status, StatusCode::OK, "{}", wide.text());
    let wide = wide.json();
    assert_eq!((&wide["cached"], &wide["image"]), (&json!(false), &first["image"]));
    assert_ne!(wide["id"], first["id"]);
    let json = post(&app, &format!("{uri}?beam_size=2"), &json!({ "beam_size": 7, "model": "fake" })).await.json();
    let form = app.post(&uri, FORM, "beam_size=7&candidates=1&model=").await.json();
    assert_eq!((&json["id"], &form["id"]), (&wide["id"], &wide["id"]));
    assert_eq!(form["candidates"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed(&app, "").await.len(), 2);
}

#[tokio::test]
async fn captioning_again_is_checked() {
    let (app, ids) = three().await;
    let stored = app.get(&format!("/api/captions/{}", ids[0])).await.json();
    let uri = format!("/api/images/{}/caption", stored["image"]["id"].as_str().expect("an id"));
    for body in [json!({ "beam_size": 11 }), json!({ "beams": 5 }), json!({ "beam_size": "5" })] {
        post(&app, &uri, &body).await.problem(422, "invalid-option");
    }
    app.post(&format!("{uri}?beams=5"), FORM, "").await.problem(422, "invalid-option");
    app.post(&uri, FORM, "beam_size=x").await.problem(422, "invalid-option");
    app.post(&uri, "image/png", png(2, 2)).await.problem(415, "unsupported-media-type");
    post(&app, &uri, &json!({ "model": "other" })).await.problem(422, "model-not-loaded");
    post(&app, "/api/images/unknown/caption", &json!({})).await.problem(404, "not-found");
    delete(&app, &ids[0]).await;
    post(&app, &uri, &json!({})).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_photo_whose_file_is_gone_is_not_found() {
    let (app, ids) = three().await;
    let stored = app.get(&format!("/api/captions/{}", ids[0])).await.json();
    std::fs::remove_dir_all(app.directory.path().join("images")).expect("removes");
    let uri = format!("/api/images/{}", stored["image"]["id"].as_str().expect("an id"));
    app.get(&uri).await.problem(404, "not-found");
    post(&app, &format!("{uri}/caption?beam_size=2"), &json!({})).await.problem(404, "not-found");
    assert_eq!(app.get(&format!("{uri}?size=thumbnail")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_wait_while_the_database_is_locked() {
    let app = TestApp::with(FakeModel::new(), |_| ()).await;
    let first = caption(&app, 10, "beach.png").await;
    let mut other = open_database(&app).await;
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.expect("the lock");
    let edit = json!({ "caption": "A beach." });
    let uri = format!("/api/captions/{}", id(&first));
    let requests = async { tokio::join!(app.caption(png(11, 2)), ask(&app, Method::PATCH, &uri, &edit)) };
    let mut requests = Box::pin(requests);
    let waited = tokio::time::timeout(Duration::from_secs(5), &mut requests).await;
    assert!(waited.is_err(), "nothing can be written, and nothing is refused");
    assert_eq!(app.get("/api/captions").await.status, StatusCode::OK, "reading goes on");
    lock.rollback().await.expect("gives the lock back");
    let (captioned, edited) = requests.await;
    assert_eq!((captioned.status, edited.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(listed(&app, "").await, [words(11), "A beach.".to_owned()]);
}
