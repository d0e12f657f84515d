//! Photos fetched by their address: what is refused, what is bounded, and that nothing private is reached.

mod support;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use expansionnet::config::Config;
use expansionnet::fetch::{AddressPolicy, FetchError, Fetcher, is_public};
use expansionnet::store::Store;
use expansionnet::web::{AppState, app};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::web::{Part, TestApp, png};
use tokio::net::TcpListener;

/// Another server, which counts who comes.
struct Elsewhere {
    address: SocketAddr,
    visits: Arc<AtomicUsize>,
}

impl Elsewhere {
    /// On an address of the loopback network: 127.0.0.1, 127.0.0.2 and so on.
    async fn start(last: u8, router: Router) -> Elsewhere {
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visits);
        let router = router.layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
            counted.fetch_add(1, Ordering::SeqCst);
            next.run(request)
        }));
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(axum::serve(listener, router).into_future());
        Elsewhere { address, visits }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

/// Stands for the public internet in these tests.
fn first_loopback(address: IpAddr) -> bool {
    address == Ipv4Addr::LOCALHOST
}

fn fetcher(allowed: AddressPolicy) -> Fetcher {
    let mut fetch = Config::defaults().expect("valid defaults").fetch;
    fetch.timeout_seconds = 1;
    Fetcher::new(&fetch, 10_000, allowed).expect("a client")
}

fn photos() -> Router {
    Router::new()
        .route("/photos/dog.png", get(|| async { png(30, 20) }))
        .route("/to-the-dog", get(|| async { Redirect::to("photos/dog.png") }))
        .route("/round", get(|| async { Redirect::to("/round") }))
        .route("/page", get(|| async { "<!doctype html>" }))
        .route("/large", get(|| async { vec![0; 10_001] }))
        .route("/endless", get(|| async { Body::from_stream(futures_util::stream::repeat_with(chunk)) }))
        .route("/silent", get(|| async { std::future::pending::<StatusCode>().await }))
        .route("/to-a-file", get(|| async { ([(header::LOCATION, "file:///etc/passwd")], StatusCode::FOUND) }))
        .route("/to-nowhere", get(|| async { StatusCode::FOUND.into_response() }))
}

fn chunk() -> Result<Vec<u8>, std::io::Error> {
    Ok(vec![0; 1000])
}

#[tokio::test]
async fn photos_are_fetched_also_by_name_and_through_redirects() {
    let there = Elsewhere::start(1, photos()).await;
    let fetcher = fetcher(first_loopback);
    let by_name = format!("http://localhost:{}/photos/dog.png", there.address.port());
    for url in [there.url("/photos/dog.png"), there.url("/to-the-dog"), by_name] {
        let photo = fetcher.fetch(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(photo, png(30, 20), "{url}");
    }
    assert_eq!(there.visits(), 4, "the redirect counts twice");
}

#[tokio::test]
async fn addresses_that_are_not_public_are_never_visited() {
    let there = Elsewhere::start(1, photos()).await;
    let fetcher = fetcher(is_public);
    let port = there.address.port();
    for url in [
        there.url("/photos/dog.png"),
        format!("http://localhost:{port}/photos/dog.png"),
        format!("http://LOCALHOST:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://192.168.0.1/".to_owned(),
        "http://127.0.0.1@example.com/".to_owned(),
        "http://user:password@example.com/".to_owned(),
        "ftp://example.com/photo.jpg".to_owned(),
        "file:///etc/passwd".to_owned(),
        "data:image/png;base64,aGk=".to_owned(),
        "photos/dog.png".to_owned(),
        String::new(),
    ] {
        let refused = fetcher.fetch(&url).await.expect_err("not to be fetched");
        assert!(matches!(refused, FetchError::Refused(_)), "{url}: {refused}");
    }
    assert_eq!(there.visits(), 0);
}

#[tokio::test]
async fn redirects_are_checked_like_the_first_address() {
    let private = Elsewhere::start(2, photos()).await;
    let target = private.url("/photos/dog.png");
    let to_private = move || async move { Redirect::to(&target) };
    let there = Elsewhere::start(1, photos().route("/to-private", get(to_private))).await;
    let fetcher = fetcher(first_loopback);
    for path in ["/to-private", "/to-a-file"] {
        let refused = fetcher.fetch(&there.url(path)).await.expect_err("not to be followed");
        assert!(matches!(refused, FetchError::Refused(_)), "{path}: {refused}");
    }
    assert_eq!(private.visits(), 0);
}

#[tokio::test]
async fn what_does_not_come_or_does_not_end_is_given_up() {
    let there = Elsewhere::start(1, photos()).await;
    let fetcher = fetcher(first_loopback);
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
    for (url, message) in [
        (there.url("/nothing"), "status 404"),
        (there.url("/to-nowhere"), "status 302"),
        (there.url("/round"), "more than 3 redirects"),
        (there.url("/silent"), "within 1 s"),
        (format!("http://{closed}/"), "cannot be reached"),
    ] {
        let failed = fetcher.fetch(&url).await.expect_err("no photo");
        assert!(matches!(failed, FetchError::Failed(_)), "{url}: {failed}");
        assert!(failed.to_string().contains(message), "{url}: {failed}");
    }
    for path in ["/large", "/endless"] {
        let failed = fetcher.fetch(&there.url(path)).await.expect_err("too large");
        assert!(matches!(failed, FetchError::TooLarge { max_bytes: 10_000 }), "{path}: {failed}");
    }
}

/// An application that fetches, with another internet.
async fn fetching_app() -> TestApp {
    fetching_app_with(|_| ()).await
}

/// The same with other settings.
async fn fetching_app_with(change: impl FnOnce(&mut Config)) -> TestApp {
    let deaf = TestApp::new().await;
    let store = Store::open(deaf.directory.path()).await.expect("a store");
    let mut config = Config::defaults().expect("valid defaults");
    change(&mut config);
    let state = AppState::new(config, deaf.models.clone(), store).with_fetcher(Some(fetcher(first_loopback)));
    TestApp { router: app(state), ..deaf }
}

#[tokio::test]
async fn clients_name_photos_in_json_in_forms_and_in_the_query() {
    let there = Elsewhere::start(1, photos()).await;
    let app = fetching_app().await;
    let url = there.url("/photos/dog.png?size=large");
    let caption = "A picture of 30 by 20, wording 0.";
    let body = json!({ "url": url, "beam_size": 2 }).to_string();
    let answered = app.post("/api/caption", "application/json", body).await;
    assert_eq!(answered.json()["caption"], caption, "{}", answered.text());
    assert_eq!(answered.json()["candidates"].as_array().map(Vec::len), Some(2));
    let escaped = url.replace(':', "%3A").replace('/', "%2F").replace('?', "%3F").replace('=', "%3D");
    let answered = app.post(&format!("/api/caption?url={escaped}"), "application/octet-stream", "").await;
    assert_eq!(answered.json()["caption"], caption, "{}", answered.text());
    let photo = png(5, 6);
    let parts = [Part::Image("a.png", &photo), Part::Text("url", &url), Part::Text("url", "http://10.0.0.1/")];
    let results = app.form("/api/caption", &parts).await.json();
    assert_eq!(results["results"][0]["caption"], "A picture of 5 by 6, wording 0.");
    assert_eq!(results["results"][1]["caption"], caption);
    assert_eq!(results["results"][2]["code"], "url-refused");
}

#[tokio::test]
async fn every_way_to_fail_has_its_problem() {
    let there = Elsewhere::start(1, photos()).await;
    let app = fetching_app().await;
    let ask = async |url: String| app.post("/api/caption", "application/json", json!({ "url": url }).to_string()).await;
    ask("http://192.168.0.1/a.jpg".to_owned()).await.problem(422, "url-refused");
    ask(there.url("/nothing")).await.problem(422, "url-failed");
    ask(there.url("/large")).await.problem(413, "too-large");
    ask(there.url("/page")).await.problem(415, "unsupported-image");
    let both = json!({ "url": there.url("/photos/dog.png"), "image": "aGk=" }).to_string();
    app.post("/api/caption", "application/json", both).await.problem(422, "invalid-option");
}

#[tokio::test]
async fn photos_that_are_fetched_at_the_same_time_are_bounded() {
    let there = Elsewhere::start(1, photos()).await;
    let app = fetching_app_with(|config| {
        // For a request without a length and one photo.
        config.server.max_upload_bytes = 3_000_000;
        config.server.max_upload_memory_bytes = 8_000_000;
    })
    .await;
    let url = there.url("/photos/dog.png");
    let parts = [Part::Text("url", &url), Part::Text("url", &url)];
    for _ in 0..2 {
        let results = app.form("/api/caption", &parts).await.json();
        assert_eq!(results["results"][0]["caption"], "A picture of 30 by 20, wording 0.", "{results}");
        assert_eq!(results["results"][1]["code"], "too-many-uploads", "{results}");
    }
    assert_eq!(there.visits(), 2, "what there is no memory for is not fetched");
}

#[tokio::test]
async fn fetching_is_off_unless_switched_on() {
    let there = Elsewhere::start(1, photos()).await;
    let app = TestApp::new().await;
    let body = json!({ "url": there.url("/photos/dog.png") }).to_string();
    app.post("/api/caption", "application/json", body).await.problem(422, "url-fetching-off");
    assert_eq!(there.visits(), 0);
}
