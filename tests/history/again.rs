//! A stored photo captioned again.

use super::{FORM, caption, delete, listed, post, three};
use crate::support::web::{TestApp, png};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

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
