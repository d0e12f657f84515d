//! What pages of other sites can make a browser do here.

use super::support::web::{Answered, TestApp, png};
use super::{Guarded, PASSWORD};
use axum::body::Body;
use axum::http::{Method, Request, header};

const APP: &str = "https://app.example";
const EVIL: &str = "https://evil.example";

/// What apps may send along.
const ALLOWED: [&str; 7] =
    ["authorization", "content-type", "if-match", "if-none-match", "last-event-id", "x-api-key", "x-request-id"];

/// A browser's POST of a photo, sent by a page of `origin`.
async fn post(app: &TestApp, uri: &str, origin: &str, more: &[(&str, &str)]) -> Answered {
    let mut request = Request::post(uri)
        .header(header::HOST, "captions.example")
        .header(header::ORIGIN, origin)
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "image/png");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    app.send(request.body(Body::from(png(4, 4))).expect("a request")).await
}

async fn with_origins(origins: &[&str]) -> Guarded {
    Guarded::with(|config| {
        config.server.hosts = vec!["captions.example".to_owned()];
        config.server.cors_origins = origins.iter().map(ToString::to_string).collect();
    })
    .await
}

#[tokio::test]
async fn other_sites_cannot_act_for_who_is_signed_in() {
    for guarded in [with_origins(&[]).await, with_origins(&[APP]).await, with_origins(&["*"]).await] {
        let cookie = guarded.sign_in(PASSWORD).await;
        for origin in [APP, EVIL] {
            for uri in ["/api/caption", "/api/admin/keys", "/admin/keys", "/sign-out"] {
                post(&guarded.app, uri, origin, &[("cookie", &cookie)]).await.problem(403, "cross-site");
            }
        }
        assert_eq!(guarded.browse("/admin", &cookie).await.status, 200, "still signed in");
    }
}

#[tokio::test]
async fn other_sites_cannot_sign_anybody_in() {
    let guarded = with_origins(&["*"]).await;
    post(&guarded.app, "/sign-in", EVIL, &[]).await.problem(403, "cross-site");
}

#[tokio::test]
async fn listed_sites_may_use_the_api() {
    let guarded = with_origins(&[APP]).await;
    let key = guarded.key().await.secret;
    let bearer = format!("Bearer {key}");
    for more in [&[][..], &[("authorization", bearer.as_str())], &[("x-api-key", key.as_str())]] {
        let answer = post(&guarded.app, "/api/caption", APP, more).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        assert_eq!(answer.header("access-control-allow-credentials"), "", "never with cookies");
        let exposed = answer.header("access-control-expose-headers");
        for name in ["x-request-id", "retry-after", "etag", "ratelimit-remaining"] {
            assert!(exposed.contains(name), "{name} is missing in {exposed}");
        }
    }
    post(&guarded.app, "/api/caption", EVIL, &[]).await.problem(403, "cross-site");
    post(&guarded.app, "/", APP, &[]).await.problem(403, "cross-site");
}

#[tokio::test]
async fn listed_sites_can_read_problems_too() {
    let guarded = with_origins(&[APP]).await;
    let request = Request::get("/api/captions/nothing").header(header::ORIGIN, APP);
    let answer = guarded.send(request).await;
    answer.problem(404, "not-found");
    assert_eq!(answer.header("access-control-allow-origin"), APP);
}

#[tokio::test]
async fn a_star_lets_every_site_use_the_api() {
    let guarded = with_origins(&["*"]).await;
    let answer = post(&guarded.app, "/api/caption", EVIL, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, EVIL));
}

#[tokio::test]
async fn preflights_are_answered_without_a_key_but_only_for_listed_sites() {
    let guarded = Guarded::with(|config| {
        config.server.cors_origins = vec![APP.to_owned()];
        config.access.captioning = expansionnet::config::Access::Key;
    })
    .await;
    let preflight = async |uri: &str, origin: &str| {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(uri)
            .header(header::ORIGIN, origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", ALLOWED.join(","));
        guarded.send(request).await
    };
    let answer = preflight("/api/caption", APP).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, APP));
    for name in ALLOWED {
        assert!(answer.header("access-control-allow-headers").contains(name), "{name}");
    }
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        assert!(answer.header("access-control-allow-methods").contains(method), "{method}");
    }
    assert!(answer.header("vary").contains("origin"), "{}", answer.header("vary"));
    for (uri, origin) in [("/api/caption", EVIL), ("/sign-in", APP)] {
        assert_eq!(preflight(uri, origin).await.header("access-control-allow-origin"), "", "{uri} {origin}");
    }
}

#[tokio::test]
async fn without_listed_sites_nothing_is_shared() {
    let app = TestApp::new().await;
    let request = Request::get("/api/captions").header(header::ORIGIN, APP).body(Body::empty());
    let answer = app.send(request.expect("a request")).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{:?}", answer.headers);
}
