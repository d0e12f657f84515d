//! Each group of routes against each kind of caller.

use super::Guarded;
use super::support::web::{Part, TestApp, png};
use axum::body::Body;
use axum::http::{Request, header};
use expansionnet::config::Access;

/// Routes that a caller without anything, with a wrong key, with a key and as admin is sent to.
const CAPTIONING: &[&str] = &["/", "/api/models"];
const HISTORY: &[&str] = &["/history", "/api/captions"];
const METRICS: &[&str] = &["/metrics"];
const ADMIN: &[&str] =
    &["/admin", "/admin/keys", "/admin/runs/new", "/admin/compare", "/admin/evaluate", "/api/admin/keys"];
const OPEN: &[&str] = &["/livez", "/readyz", "/sign-in", "/static/app.css", "/static/admin/run.js", "/static/uplot.js"];

/// Status codes of a GET by nobody, a wrong key, a key, a signed-in user, an admin.
async fn statuses(guarded: &Guarded, uri: &str) -> [u16; 5] {
    let key = guarded.key().await.secret;
    let user = guarded.sign_in(&key).await;
    let admin = guarded.sign_in(super::PASSWORD).await;
    let by = async |name, value: &str| guarded.send(Request::get(uri).header(name, value)).await.status.as_u16();
    [
        guarded.send(Request::get(uri)).await.status.as_u16(),
        by("x-api-key", "en_wrong").await,
        by("authorization", &format!("Bearer {key}")).await,
        by("cookie", &user).await,
        by("cookie", &admin).await,
    ]
}

#[tokio::test]
async fn a_closed_server_is_for_keys_and_people_who_signed_in() {
    let guarded = Guarded::with(|config| {
        config.access.captioning = Access::Key;
        config.access.history = Access::Key;
        config.access.metrics = Access::Key;
        config.limits.sign_in_attempts_per_minute = 1000;
    })
    .await;
    for uri in [CAPTIONING, HISTORY, METRICS].concat() {
        assert_eq!(statuses(&guarded, uri).await, [401, 401, 200, 200, 200], "{uri}");
    }
    for uri in ADMIN {
        assert_eq!(statuses(&guarded, uri).await, [401, 401, 403, 403, 200], "{uri}");
    }
    for uri in OPEN {
        assert_eq!(statuses(&guarded, uri).await, [200; 5], "{uri}");
    }
}

#[tokio::test]
async fn an_open_server_is_for_everybody_but_its_admin_pages_are_not() {
    let guarded = Guarded::with(|config| config.limits.sign_in_attempts_per_minute = 1000).await;
    for uri in [CAPTIONING, HISTORY, METRICS].concat() {
        // Who shows a key that does not hold is told, rather than counted as nobody.
        assert_eq!(statuses(&guarded, uri).await, [200, 401, 200, 200, 200], "{uri}");
    }
    for uri in ADMIN {
        assert_eq!(statuses(&guarded, uri).await, [401, 401, 403, 403, 200], "{uri}");
    }
}

#[tokio::test]
async fn every_setting_closes_its_own_part() {
    let history = Guarded::with(|config| config.access.history = Access::Key).await;
    assert_eq!(history.app.get("/api/models").await.status, 200);
    history.app.get("/api/captions").await.problem(401, "unauthorized");
    let captioned = history.app.caption(png(40, 30)).await;
    assert_eq!(captioned.status, 200);
    let photo = format!("/api/images/{}", captioned.json()["image"]["id"].as_str().expect("an id"));
    history.app.get(&photo).await.problem(401, "unauthorized");
    let page = history.browse("/", "").await.text();
    assert!(!page.contains("A picture of 40 by 30"), "the start page shows no past captions either: {page}");
    let made = history.app.form("/", &[Part::Image("dog.png", &png(20, 10))]).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (200, ""));
    let page = made.text();
    assert!(page.contains("A picture of 20 by 10, wording 0."), "what was just made: {page}");
    assert!(!page.contains("A picture of 40 by 30"), "and nothing else: {page}");

    let captioning = Guarded::with(|config| config.access.captioning = Access::Key).await;
    assert_eq!(captioning.app.get("/api/captions").await.status, 200);
    captioning.app.caption(png(4, 4)).await.problem(401, "unauthorized");
    captioning.app.post("/", "image/png", png(4, 4)).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn captioning_a_stored_photo_again_needs_both() {
    for (captioning, history) in [(Access::Open, Access::Key), (Access::Key, Access::Open)] {
        let guarded = Guarded::with(|config| {
            config.access.captioning = captioning;
            config.access.history = history;
        })
        .await;
        guarded.app.post("/captions/1/again", "text/plain", "").await.problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn a_photo_is_captioned_by_key() {
    let guarded = Guarded::closed().await;
    let key = guarded.key().await;
    for (name, value) in [("authorization", format!("Bearer {}", key.secret)), ("x-api-key", key.secret)] {
        let request = Request::post("/api/caption").header(name, value).header(header::CONTENT_TYPE, "image/png");
        let answer = guarded.app.send(request.body(Body::from(png(40, 30))).expect("a request")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn programs_are_told_how_to_come_in() {
    let guarded = Guarded::closed().await;
    let refused = guarded.app.get("/api/captions").await;
    let detail = refused.problem(401, "unauthorized");
    assert!(detail.contains("Authorization: Bearer"), "{detail}");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let wrong = guarded.send(Request::get("/api/captions").header("x-api-key", "en_wrong")).await;
    let detail = wrong.problem(401, "unauthorized");
    assert!(detail.contains("not valid"), "{detail}");
}

#[tokio::test]
async fn people_are_shown_to_the_sign_in_page_and_back() {
    let guarded = Guarded::closed().await;
    let sent = guarded.browse("/history?query=a%20dog", "").await;
    assert_eq!((sent.status.as_u16(), sent.header("location")), (303, "/sign-in?next=%2Fhistory%3Fquery%3Da%2520dog"));
    let page = guarded.browse(sent.header("location"), "").await.text();
    assert!(page.contains("name=\"next\" value=\"/history?query=a%20dog\""), "{page}");

    let post = Request::post("/history/delete").header(header::ACCEPT, "text/html");
    assert_eq!(guarded.send(post).await.header("location"), "/sign-in?next=%2F", "a form's post is not repeated");
}

#[tokio::test]
async fn tokens_for_a_proxy_are_left_alone() {
    let app = TestApp::new().await;
    for value in ["Basic YTpi", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"] {
        let request = Request::get("/api/captions").header(header::AUTHORIZATION, value);
        assert_eq!(app.send(request.body(Body::empty()).expect("a request")).await.status, 200, "{value}");
    }
}
