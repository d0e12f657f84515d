//! Everything that is not a picture, or not quite, sent to the API: the right problem, and quickly.

mod support;

use axum::http::StatusCode;
use std::fs;
use std::path::PathBuf;
use support::web::{TestApp, png};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("trainer/tests/fixtures/images").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn bad_files_give_their_problems() {
    let app = TestApp::new().await;
    for (name, status, code) in [
        ("bad/empty.jpg", 422, "empty-image"),
        ("bad/text.jpg", 415, "unsupported-image"),
        ("bad/page.html.jpg", 415, "unsupported-image"),
        ("bad/vector.svg", 415, "unsupported-image"),
        ("bad/header_only.jpg", 422, "damaged-image"),
        ("bad/zero_width.png", 422, "damaged-image"),
        ("bad/bomb_20000x20000.png", 413, "too-many-pixels"),
        ("bad/bomb_60000x60000.png", 413, "too-many-pixels"),
    ] {
        let answered = app.caption(fixture(name)).await;
        assert_eq!(answered.status.as_u16(), status, "{name}: {}", answered.text());
        answered.problem(status, code);
    }
}

#[tokio::test]
async fn files_that_end_early_or_were_changed_are_damaged() {
    let app = TestApp::new().await;
    for name in ["landscape_q95.jpg", "landscape_progressive.jpg", "landscape.png", "landscape.webp"] {
        let whole = fixture(name);
        let half = whole[..whole.len() / 2].to_vec();
        app.caption(half).await.problem(422, "damaged-image");
    }
    let mut changed = fixture("small.png");
    let middle = changed.len() / 2;
    changed[middle] ^= 0xFF;
    app.caption(changed).await.problem(422, "damaged-image");
}

#[tokio::test]
async fn odd_but_valid_pictures_are_captioned() {
    let app = TestApp::new().await;
    let pixel = app.caption(fixture("bad/one_pixel.png")).await;
    assert_eq!(pixel.status, StatusCode::OK, "{}", pixel.text());
    // The declared type and the name do not matter.
    let named_jpeg = app.post("/api/caption", "image/jpeg", png(30, 20)).await;
    assert_eq!(named_jpeg.status, StatusCode::OK, "{}", named_jpeg.text());
}

#[tokio::test]
async fn every_format_is_captioned_and_kept_without_its_metadata() {
    let app = TestApp::new().await;
    for (name, media_type) in [
        ("landscape_q95.jpg", "image/jpeg"),
        ("landscape_progressive.jpg", "image/jpeg"),
        ("landscape_grey.jpg", "image/jpeg"),
        ("small_cmyk.jpg", "image/jpeg"),
        ("landscape_palette.png", "image/png"),
        ("landscape.webp", "image/webp"),
        ("landscape.gif", "image/png"),
        ("small.bmp", "image/png"),
        ("small.tiff", "image/png"),
    ] {
        let answered = app.caption(fixture(name)).await;
        assert_eq!(answered.status, StatusCode::OK, "{name}: {}", answered.text());
        let id = answered.json()["image"]["id"].as_str().expect("an id").to_owned();
        let stored = app.get(&format!("/api/images/{id}")).await;
        assert_eq!(stored.header("content-type"), media_type, "{name}");
    }
}

#[tokio::test]
async fn a_turned_photo_is_stored_upright_for_every_reader() {
    let app = TestApp::new().await;
    for name in ["landscape_exif6.jpg", "landscape_exif3.jpg"] {
        let photo = fixture(name);
        let answer = app.caption(photo.clone()).await.json();
        let id = answer["image"]["id"].as_str().expect("an id");
        let stored = app.get(&format!("/api/images/{id}")).await.body;
        let limits = trainer::image::Limits::default();
        let before = trainer::image::decode(&photo, &limits).expect("the upload decodes");
        let after = trainer::image::decode(&stored, &limits).expect("the stored copy decodes");
        assert!(before.pixels == after.pixels, "{name}: the same upright pixels");
        assert_eq!(answer["image"]["width"], before.pixels.width());
    }
}
