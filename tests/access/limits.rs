//! Photos a minute, by address and by key.

use super::Guarded;
use super::support::web::{Answered, Part, multipart, png};
use axum::body::Body;
use axum::http::{Request, header};
use expansionnet::config::ClientAddress;

/// A server that believes `X-Real-IP`, with these limits by address and by key.
async fn limited(by_address: u32, by_key: u32) -> Guarded {
    Guarded::with(|config| {
        config.server.client_address = ClientAddress::XRealIp;
        config.limits.photos_per_minute_per_address = by_address;
        config.limits.photos_per_minute_per_key = by_key;
    })
    .await
}

/// Sends so many photos in one form.
async fn send(guarded: &Guarded, photos: usize, address: &str, key: &str) -> Answered {
    let photo = png(40, 30);
    let parts: Vec<Part<'_>> = (0..photos).map(|_| Part::Image("a.png", &photo)).collect();
    let mut request = Request::post("/api/caption")
        .header("x-real-ip", address)
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=EDGE");
    if !key.is_empty() {
        request = request.header("x-api-key", key);
    }
    guarded.app.send(request.body(Body::from(multipart(&parts))).expect("a request")).await
}

fn remaining(answer: &Answered) -> u32 {
    answer.header("ratelimit-remaining").parse().expect("a number")
}

#[tokio::test]
async fn an_address_is_told_what_is_left_and_then_refused() {
    let guarded = limited(3, 0).await;
    let first = send(&guarded, 1, "1.1.1.1", "").await;
    assert_eq!(first.status, 200);
    for (name, value) in [
        ("ratelimit-limit", "3"),
        ("ratelimit-remaining", "2"),
        ("ratelimit-reset", "20"),
        ("ratelimit-policy", "\"address\";q=3;w=60"),
        ("ratelimit", "\"address\";r=2;t=20"),
    ] {
        assert_eq!(first.header(name), value, "{name}");
    }
    assert_eq!(remaining(&send(&guarded, 2, "1.1.1.1", "").await), 0);

    let refused = send(&guarded, 1, "1.1.1.1", "").await;
    refused.problem(429, "rate-limited");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!((refused.header("ratelimit-limit"), remaining(&refused)), ("3", 0));
    assert_eq!(send(&guarded, 1, "1.1.1.2", "").await.status, 200, "another address may go on");
}

#[tokio::test]
async fn every_photo_of_a_request_counts() {
    let guarded = limited(3, 0).await;
    assert_eq!(remaining(&send(&guarded, 2, "1.1.1.1", "").await), 1);
    let refused = send(&guarded, 2, "1.1.1.1", "").await;
    let detail = refused.problem(429, "rate-limited");
    assert!(detail.contains("3 photos a minute") && detail.contains("send fewer"), "{detail}");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}: one more is missing, and none was taken at the door");
    assert_eq!(remaining(&refused), 1, "what is refused costs nothing");
    assert_eq!(remaining(&send(&guarded, 1, "1.1.1.1", "").await), 0);
}

#[tokio::test]
async fn more_photos_than_there_may_be_at_once_are_not_told_to_wait() {
    let guarded = limited(3, 0).await;
    for _ in 0..4 {
        let never = send(&guarded, 4, "1.1.1.1", "").await;
        let detail = never.problem(422, "beyond-limit");
        assert!(detail.contains("at most 3 per request"), "{detail}");
        assert_eq!((never.header("retry-after"), remaining(&never)), ("", 3));
    }
    assert_eq!(remaining(&send(&guarded, 3, "1.1.1.1", "").await), 0, "all that there may be");
}

#[tokio::test]
async fn a_key_is_counted_by_itself_from_whatever_address() {
    let guarded = limited(1, 2).await;
    let (one, other) = (guarded.key().await.secret, guarded.key().await.secret);
    let first = send(&guarded, 1, "1.1.1.1", &one).await;
    assert_eq!((first.status.as_u16(), first.header("ratelimit-policy")), (200, "\"key\";q=2;w=60"));
    assert_eq!(send(&guarded, 1, "2.2.2.2", &one).await.status, 200);
    send(&guarded, 1, "3.3.3.3", &one).await.problem(429, "rate-limited");
    assert_eq!(send(&guarded, 1, "1.1.1.1", &other).await.status, 200, "another key may go on");
    assert_eq!(send(&guarded, 1, "1.1.1.1", "").await.status, 200, "and so may the address without a key");
}

#[tokio::test]
async fn signing_in_with_a_key_is_no_way_around_its_limit() {
    let guarded = limited(0, 1).await;
    let key = guarded.key().await.secret;
    let cookie = guarded.sign_in(&key).await;
    assert_eq!(send(&guarded, 1, "1.1.1.1", &key).await.status, 200);
    let request =
        Request::post("/api/caption").header(header::COOKIE, cookie).header(header::CONTENT_TYPE, "image/png");
    let answer = guarded.app.send(request.body(Body::from(png(4, 4))).expect("a request")).await;
    answer.problem(429, "rate-limited");
}

#[tokio::test]
async fn neighbours_in_one_ipv6_network_count_as_one() {
    let guarded = limited(1, 0).await;
    assert_eq!(send(&guarded, 1, "2001:db8:1:2::1", "").await.status, 200);
    send(&guarded, 1, "2001:db8:1:2::2", "").await.problem(429, "rate-limited");
    assert_eq!(send(&guarded, 1, "2001:db8:1:3::1", "").await.status, 200);
}

#[tokio::test]
async fn pages_and_lists_cost_nothing() {
    let guarded = limited(1, 0).await;
    for _ in 0..3 {
        let answer = guarded.app.get("/api/captions").await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit-limit")), (200, ""));
        assert_eq!(guarded.browse("/", "").await.status, 200);
    }
    assert_eq!(guarded.app.caption(png(4, 4)).await.status, 200);
    guarded.app.post("/", "image/png", png(4, 4)).await.problem(429, "rate-limited");
}

#[tokio::test]
async fn without_limits_nothing_is_said_of_them() {
    let guarded = limited(0, 0).await;
    for _ in 0..20 {
        let answer = send(&guarded, 2, "1.1.1.1", "").await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit-limit")), (200, ""));
    }
}
