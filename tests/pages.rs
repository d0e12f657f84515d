//! Pages and static files, as a browser with and without scripts sees them.

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use expansionnet::config::Config;
use std::path::PathBuf;
use std::sync::Mutex;
use support::fake_model::{FakeModel, MARKUP};
use support::web::{Answered, Part, TestApp, multipart, png};

async fn browse(app: &TestApp, uri: &str) -> Answered {
    let request = Request::get(uri).header(header::ACCEPT, "text/html,*/*;q=0.8");
    app.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn the_start_page_offers_the_form_with_the_settings() {
    let app = TestApp::with(FakeModel::new(), |config| {
        config.server.max_upload_bytes = 1_500_000;
        config.captioning.max_beam_size = 7;
    })
    .await;
    let page = browse(&app, "/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let html = page.text();
    for part in ["enctype=\"multipart/form-data\"", "1.5 MB", "max=\"7\"", "01234567", "Captions are kept"] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
}

#[tokio::test]
async fn the_form_works_without_scripts() {
    let app = TestApp::new().await;
    let photo = png(40, 30);
    let parts = [Part::Image("a.png", &photo), Part::Text("beam_size", "5"), Part::Image("b.jpg", b"<svg/>")];
    let sent = app.form("/", &parts).await;
    assert_eq!(sent.status, StatusCode::OK);
    let html = sent.text();
    for part in ["<a href=\"/captions/", "A picture of 40 by 30, wording 0.", "<strong>b.jpg</strong>", "SVG"] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
    let html = browse(&app, "/").await.text();
    assert!(html.contains("A picture of 40 by 30, wording 0."), "{html}");
    assert!(html.contains("\u{2212}0.50"), "the score");
    let source = html.split("src=\"/api/images/").nth(1).expect("a thumbnail");
    let address = format!("/api/images/{}", source.split('"').next().expect("an address"));
    assert_eq!(app.get(&address).await.header("content-type"), "image/jpeg");
}

#[tokio::test]
async fn captions_are_text_and_never_markup() {
    let app = TestApp::new().await;
    assert_eq!(app.caption(png(MARKUP, 4)).await.status, StatusCode::OK);
    let html = browse(&app, "/").await.text();
    assert!(!html.contains("<script>alert"), "{html}");
    assert!(html.contains("&#60;script&#62;alert"), "{html}");
}

#[tokio::test]
async fn the_page_shows_the_newest_twelve() {
    let app = TestApp::new().await;
    for width in 20..33 {
        app.caption(png(width, 2)).await;
    }
    let html = browse(&app, "/").await.text();
    assert!(html.contains("A picture of 32 by 2"));
    assert!(html.contains("A picture of 21 by 2"));
    assert!(!html.contains("A picture of 20 by 2"), "the oldest");
}

#[tokio::test]
async fn browsers_get_errors_as_pages_and_programs_as_problems() {
    let app = TestApp::new().await;
    let page = browse(&app, "/nothing").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let html = page.text();
    assert!(html.contains("Not found") && html.contains(page.header("x-request-id")), "{html}");
    browse(&app, "/api/nothing").await.problem(404, "not-found");
    app.get("/nothing").await.problem(404, "not-found");

    let request = Request::post("/")
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=EDGE");
    let body = multipart(&[Part::Image("a.jpg", b"<svg/>")]);
    let refused = app.send(request.body(Body::from(body)).expect("a request")).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(refused.text().contains("SVG"), "{}", refused.text());
}

#[tokio::test]
async fn a_page_says_when_to_come_back_as_programs_are_told() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let load = move |_: &[PathBuf]| {
        wait.lock().expect("not poisoned").recv().ok();
        Ok::<_, String>(FakeModel::new())
    };
    let directory = tempfile::tempdir().expect("a temporary folder");
    let app = TestApp::around(directory, Config::defaults().expect("valid defaults"), load).await;
    let photo = png(40, 30);
    for accept in ["text/html", "*/*"] {
        let request = Request::post("/")
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=EDGE");
        let body = multipart(&[Part::Image("a.png", &photo)]);
        let refused = app.send(request.body(Body::from(body)).expect("a request")).await;
        assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "2"), "{accept}");
        let is_page = refused.header("content-type").starts_with("text/html");
        assert_eq!(is_page, accept == "text/html");
        assert_eq!(is_page, refused.text().contains("enctype=\"multipart/form-data\""), "the start page again");
    }
    drop(go);
}

#[tokio::test]
async fn other_sites_cannot_post() {
    let named = |config: &mut Config| config.server.hosts = vec!["captions.example".to_owned()];
    let app = TestApp::with(FakeModel::new(), named).await;
    let post = async |uri: &str, name: &str, value: &str| {
        let request = Request::post(uri)
            .header(header::HOST, "captions.example")
            .header(header::CONTENT_TYPE, "image/png")
            .header(name, value);
        app.send(request.body(Body::from(png(4, 4))).expect("a request")).await
    };
    for uri in ["/", "/api/caption"] {
        post(uri, "sec-fetch-site", "cross-site").await.problem(403, "cross-site");
        post(uri, "origin", "https://evil.example").await.problem(403, "cross-site");
    }
    let own = post("/api/caption", "origin", "https://captions.example").await;
    assert_eq!(own.status, StatusCode::OK, "{}", own.text());
    assert_eq!(post("/api/caption", "sec-fetch-site", "same-origin").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_response_carries_the_security_headers() {
    let app = TestApp::new().await;
    for uri in ["/", "/nothing", "/api/nothing", "/static/favicon.svg", "/livez"] {
        let answered = app.get(uri).await;
        let policy = answered.header("content-security-policy");
        for rule in ["default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{uri}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answered.header("x-content-type-options"), "nosniff", "{uri}");
        assert_eq!(answered.header("referrer-policy"), "same-origin", "{uri}");
    }
}

#[tokio::test]
async fn linked_files_are_there_and_kept_for_good() {
    let app = TestApp::new().await;
    let html = browse(&app, "/").await.text();
    let mut linked: Vec<&str> = html.split('"').filter(|text| text.starts_with("/static/")).collect();
    linked.sort_unstable();
    linked.dedup();
    assert!(linked.iter().any(|link| link.contains(".css")), "{linked:?}");
    for link in linked {
        let address = link.split('#').next().expect("an address");
        let file = app.get(address).await;
        assert_eq!(file.status, StatusCode::OK, "{address}");
        assert!(file.header("cache-control").contains("immutable"), "{address}");
        assert!(!file.header("content-type").is_empty(), "{address}");
    }
}

#[tokio::test]
async fn files_without_the_current_version_are_checked_again_each_time() {
    let app = TestApp::new().await;
    for address in ["/static/favicon.svg", "/static/favicon.svg?v=0"] {
        let file = app.get(address).await;
        assert_eq!(file.header("content-type"), "image/svg+xml");
        assert_eq!(file.header("cache-control"), "no-cache");
        let request = Request::get(address).header(header::IF_NONE_MATCH, file.header("etag"));
        let unchanged = app.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(unchanged.status, StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test]
async fn text_is_compressed_for_who_can_read_it() {
    let app = TestApp::new().await;
    let request = Request::get("/").header(header::ACCEPT_ENCODING, "gzip");
    let page = app.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(page.header("content-encoding"), "gzip");
    assert!(page.body.starts_with(&[0x1F, 0x8B]));
}
