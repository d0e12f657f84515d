//! The files of stored photos: sent piece by piece, and made anew when somebody removed them.

use super::support::web::{TestApp, png};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::fs::{self, File};
use std::path::PathBuf;
use tower::ServiceExt;

/// Every file of this kind, `images` or `thumbnails`.
fn stored(app: &TestApp, kind: &str) -> Vec<PathBuf> {
    let shelves = fs::read_dir(app.directory.path().join(kind)).expect("a folder").flatten();
    shelves.flat_map(|shelf| fs::read_dir(shelf.path()).expect("a shelf").flatten()).map(|file| file.path()).collect()
}

fn address_of_photo(answer: &Value) -> String {
    format!("/api/images/{}", answer["image"]["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn a_photo_is_never_whole_in_memory() {
    const LENGTH: u64 = 64 * 1024 * 1024;
    const MOST: usize = 1024 * 1024;
    let app = TestApp::new().await;
    let address = address_of_photo(&app.caption(png(20, 2)).await.json());
    let file = File::options().write(true).open(&stored(&app, "images")[0]).expect("opens");
    file.set_len(LENGTH).expect("is made longer");

    let request = Request::get(&address).body(Body::empty()).expect("a request");
    let response = app.router.clone().oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-length"], LENGTH.to_string().as_str());
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let piece = frame.expect("reads").into_data().expect("no trailers");
        assert!(piece.len() <= MOST, "{} bytes at once", piece.len());
        length += piece.len() as u64;
    }
    assert_eq!(length, LENGTH);

    let head = Request::builder().method(Method::HEAD).uri(&address).body(Body::empty());
    let head = app.send(head.expect("a request")).await;
    assert_eq!((head.header("content-length"), head.body.len()), (LENGTH.to_string().as_str(), 0));
}

#[tokio::test]
async fn lost_files_come_back_with_the_same_upload() {
    let app = TestApp::new().await;
    let address = address_of_photo(&app.caption(png(20, 2)).await.json());
    let before = app.get(&address).await.body;
    for kind in ["images", "thumbnails"] {
        stored(&app, kind).iter().for_each(|file| fs::remove_file(file).expect("removes"));
        let lost = if kind == "images" { address.clone() } else { format!("{address}?size=thumbnail") };
        app.get(&lost).await.problem(404, "not-found");
        assert_eq!(app.caption(png(20, 2)).await.json()["cached"], true);
        let found = app.get(&lost).await;
        assert_eq!(found.status, StatusCode::OK, "{}", String::from_utf8_lossy(&found.body));
    }
    assert_eq!(app.get(&address).await.body, before);
    assert_eq!((stored(&app, "images").len(), stored(&app, "thumbnails").len()), (1, 1), "and nothing beside them");
}

#[tokio::test]
async fn a_caption_is_answered_although_its_photo_stays_lost() {
    let app = TestApp::new().await;
    app.caption(png(20, 2)).await;
    // A file where a folder should be: nothing can be written there.
    let images = app.directory.path().join("images");
    fs::remove_dir_all(&images).expect("removes");
    fs::write(&images, b"in the way").expect("writes");
    let again = app.caption(png(20, 2)).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert_eq!(again.json()["cached"], true);
}
