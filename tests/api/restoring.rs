//! What must not be lost: a person's words when their photo comes again, and one's changes under another's.

use super::support::web::{Answered, TestApp, png};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

/// Captions a photo and puts other words over the model's; gives the caption's address.
async fn edited(app: &TestApp) -> String {
    let answer = app.caption(png(20, 2)).await.json();
    let address = format!("/api/captions/{}", answer["id"].as_str().expect("an id"));
    let edited = change(app, Method::PATCH, &address, None).await;
    assert_eq!(edited.json()["caption"], "A wolf.", "{}", edited.text());
    address
}

/// Sends a change, on the condition that the caption has this tag.
async fn change(app: &TestApp, method: Method, address: &str, tag: Option<&str>) -> Answered {
    let body = if method == Method::PATCH { json!({ "caption": "A wolf." }).to_string() } else { String::new() };
    let mut request = Request::builder().method(method).uri(address);
    if !body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(tag) = tag {
        request = request.header(header::IF_MATCH, tag);
    }
    app.send(request.body(Body::from(body)).expect("a request")).await
}

async fn restore(app: &TestApp, address: &str) -> Answered {
    app.post(&format!("{address}/restore"), "application/json", "").await
}

#[tokio::test]
async fn words_by_hand_come_back_after_their_photo_was_captioned_anew() {
    let app = TestApp::new().await;
    let first = edited(&app).await;
    change(&app, Method::DELETE, &first, None).await;
    let anew = app.caption(png(20, 2)).await.json();
    assert_eq!((&anew["cached"], &anew["edited_at"]), (&json!(false), &Value::Null));
    let id = anew["id"].as_str().expect("an id");

    let refused = restore(&app, &first).await.problem(409, "captioned-anew");
    assert!(refused.contains(id), "{refused} does not name the other caption");
    let both = json!({ "ids": [first.rsplit('/').next(), id] }).to_string();
    let restored = app.post("/api/captions/restore", "application/json", both).await;
    assert_eq!(restored.json(), json!({ "restored": 0 }));

    assert_eq!(change(&app, Method::DELETE, &format!("/api/captions/{id}"), None).await.status, StatusCode::NO_CONTENT);
    let restored = restore(&app, &first).await;
    assert_eq!(restored.status, StatusCode::OK, "{}", restored.text());
    assert_eq!(restored.json()["caption"], "A wolf.");
    assert_eq!(app.caption(png(20, 2)).await.json()["caption"], "A wolf.", "also as an answer");
    restore(&app, &format!("/api/captions/{id}")).await.problem(409, "captioned-anew");
}

#[tokio::test]
async fn a_change_is_made_to_what_the_client_has_seen_or_not_at_all() {
    let app = TestApp::new().await;
    let answer = app.caption(png(20, 2)).await.json();
    let address = format!("/api/captions/{}", answer["id"].as_str().expect("an id"));
    let seen = app.get(&address).await.header("etag").to_owned();
    let edited = change(&app, Method::PATCH, &address, Some(&seen)).await;
    assert_eq!(edited.status, StatusCode::OK, "{}", edited.text());
    for method in [Method::PATCH, Method::DELETE] {
        change(&app, method, &address, Some(&seen)).await.problem(412, "changed-meanwhile");
    }
    assert_eq!(app.get(&address).await.json()["caption"], "A wolf.", "still there");
    let now = edited.header("etag");
    let several = format!("\"other\", {now}");
    assert_eq!(change(&app, Method::PATCH, &address, Some(&several)).await.status, StatusCode::OK);
    let now = app.get(&address).await.header("etag").to_owned();
    assert_eq!(change(&app, Method::DELETE, &address, Some(&now)).await.status, StatusCode::NO_CONTENT);
    change(&app, Method::DELETE, &address, Some("*")).await.problem(404, "not-found");
}

#[tokio::test]
async fn the_page_before_is_named_by_a_captions_id() {
    let app = TestApp::new().await;
    for width in 20..23 {
        app.caption(png(width, 2)).await;
    }
    let first = app.get("/api/captions?limit=2&before=").await.json();
    assert_eq!((first["captions"].as_array().map(Vec::len), &first["total"]), (Some(2), &json!(3)), "none is meant");
    let next = first["next"].as_str().expect("a further page").to_uppercase();
    let second = app.get(&format!("/api/captions?limit=2&before={next}")).await.json();
    assert_eq!(second["captions"].as_array().map(Vec::len), Some(1));
    for nothing in ["null", "undefined", "1", "%00"] {
        app.get(&format!("/api/captions?before={nothing}")).await.problem(422, "invalid-option");
    }
}
