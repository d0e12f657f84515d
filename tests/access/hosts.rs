//! By which names the server may be asked: a page of another site can give this machine a name of its own.

use super::support::fake_model::FakeModel;
use super::support::web::{Answered, TestApp, png};
use axum::body::Body;
use axum::http::{Method, Request, header};
use expansionnet::config::{ClientAddress, Config};

const EVIL: &str = "evil.example:8126";

async fn ask(app: &TestApp, method: Method, uri: &str, host: &str) -> Answered {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, host)
        // For the browser, it is the same site.
        .header(header::ORIGIN, format!("http://{host}"))
        .header("sec-fetch-site", "same-origin");
    app.send(request.body(Body::empty()).expect("a request")).await
}

/// Whether the server answers to this name.
async fn answers(app: &TestApp, host: &str) -> bool {
    ask(app, Method::GET, "/api/captions", host).await.status == 200
}

async fn app(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::with(FakeModel::new(), change).await
}

#[tokio::test]
async fn a_name_that_another_site_gave_this_machine_opens_nothing() {
    let app = app(|_| ()).await;
    let answer = app.caption(png(20, 2)).await.json();
    let caption = format!("/api/captions/{}", answer["id"].as_str().expect("an id"));
    for (method, uri) in [
        (Method::DELETE, caption.as_str()),
        (Method::GET, caption.as_str()),
        (Method::GET, "/api/captions"),
        (Method::GET, "/history"),
        (Method::GET, "/static/favicon.svg"),
        (Method::POST, "/sign-in"),
    ] {
        let refused = ask(&app, method, uri, EVIL).await;
        let detail = refused.problem(421, "unknown-host");
        assert!(detail.contains(EVIL) && detail.contains("server.hosts"), "{detail}");
    }
    assert_eq!(app.get(&caption).await.status, 200, "it is still there");
    for host in ["localhost:8126", "127.0.0.1:8126", "[::1]:8126", "photos.localhost"] {
        assert!(answers(&app, host).await, "{host}");
    }
}

#[tokio::test]
async fn a_name_in_the_address_counts_like_one_in_the_header() {
    let app = app(|_| ()).await;
    let request = Request::get("http://evil.example/api/captions").header(header::HOST, "localhost");
    app.send(request.body(Body::empty()).expect("a request")).await.problem(421, "unknown-host");
}

#[tokio::test]
async fn set_names_are_the_servers_own_wherever_it_listens() {
    for address in ["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080"] {
        let app = app(|config| {
            config.server.address = address.to_owned();
            config.server.hosts = vec!["captions.example".to_owned()];
        })
        .await;
        assert!(answers(&app, "captions.example").await && answers(&app, "Captions.Example:443").await, "{address}");
        assert!(answers(&app, "10.0.0.1").await, "{address}: for whoever watches it");
        assert!(!answers(&app, EVIL).await, "{address}");
    }
}

#[tokio::test]
async fn without_set_names_only_a_server_for_this_machine_alone_knows_its_own() {
    for (address, known) in [
        ("127.0.0.1:8080", true),
        ("127.0.0.2:8080", true),
        ("[::1]:8080", true),
        ("localhost:8080", true),
        ("0.0.0.0:8080", false),
        ("[::]:8080", false),
        ("192.168.0.7:8080", false),
    ] {
        let app = app(|config| config.server.address = address.to_owned()).await;
        assert_eq!(answers(&app, EVIL).await, !known, "{address}");
    }
}

#[tokio::test]
async fn a_proxy_hands_on_any_name_unless_some_are_set() {
    let proxied = |config: &mut Config| config.server.client_address = ClientAddress::XForwardedFor;
    assert!(answers(&app(proxied).await, "captions.example").await);
    let named = app(|config| {
        proxied(config);
        config.server.hosts = vec!["captions.example".to_owned()];
    })
    .await;
    assert!(answers(&named, "captions.example").await && !answers(&named, EVIL).await);
}
