//! Past captions through the router: searched, edited, deleted, exported, captioned again.

mod again;
mod changes;
mod exports;
mod lists;
mod searches;
#[path = "../support/mod.rs"]
mod support;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::Value;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use support::web::{Answered, Part, TestApp, png};

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

/// The server's database by another door.
async fn open_database(app: &TestApp) -> SqliteConnection {
    let file = app.directory.path().join("expansionnet.sqlite3");
    SqliteConnectOptions::new().filename(file).connect().await.expect("the server's database")
}
