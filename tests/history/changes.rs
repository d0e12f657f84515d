//! Words changed by hand, captions deleted and brought back.

use super::{FORM, ask, caption, delete, id, listed, open_database, post, three, words};
use crate::support::fake_model::FakeModel;
use crate::support::web::{TestApp, png};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use sqlx::Connection;
use std::time::Duration;

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
    post(&app, &format!("/api/captions/{}/restore", ids[0]), &Value::Null).await.problem(409, "captioned-anew");
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
