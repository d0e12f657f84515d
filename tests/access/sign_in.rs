//! Signing in and out, throttled, for as long as the settings say.

use super::support::web::TestApp;
use super::{Guarded, PASSWORD};
use axum::http::{Request, header};

#[tokio::test]
async fn the_password_makes_an_admin_and_a_key_a_user() {
    let guarded = Guarded::closed().await;
    let admin = guarded.sign_in(PASSWORD).await;
    assert_eq!(guarded.browse("/admin", &admin).await.status, 200);
    let user = guarded.sign_in(&guarded.key().await.secret).await;
    assert_eq!(guarded.browse("/", &user).await.status, 200);
    let refused = guarded.browse("/admin", &user).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("For admins only"), "{}", refused.text());
}

#[tokio::test]
async fn the_cookie_is_out_of_the_reach_of_scripts_and_other_sites() {
    let guarded = Guarded::with(|config| config.access.session_hours = 2).await;
    let cookie = guarded.try_sign_in(PASSWORD, "/").await.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=7200"] {
        assert!(cookie.contains(attribute), "{attribute} is missing in {cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let behind_https = Guarded::with(|config| config.access.secure_cookies = true).await;
    let cookie = behind_https.try_sign_in(PASSWORD, "/").await.header("set-cookie").to_owned();
    assert!(cookie.contains("Secure"), "{cookie}");
}

#[tokio::test]
async fn a_wrong_password_leads_back_to_the_form() {
    let guarded = Guarded::closed().await;
    for secret in ["wrong", "", "en_wrong"] {
        let answer = guarded.try_sign_in(secret, "/history").await;
        assert_eq!(answer.header("location"), "/sign-in?wrong=true&next=%2Fhistory");
        assert_eq!(answer.header("set-cookie"), "");
    }
    let page = guarded.browse("/sign-in?wrong=true&next=%2Fhistory", "").await.text();
    assert!(page.contains("neither the admin") && page.contains("value=\"/history\""), "{page}");
}

#[tokio::test]
async fn sign_in_leads_on_but_never_to_another_site() {
    let guarded = Guarded::closed().await;
    assert_eq!(guarded.try_sign_in(PASSWORD, "/history?model=a").await.header("location"), "/history?model=a");
    assert_eq!(guarded.try_sign_in(PASSWORD, "//evil.example").await.header("location"), "/");
    let page = guarded.browse("/sign-in?next=https://evil.example", "").await.text();
    assert!(!page.contains("evil.example"), "{page}");
}

#[tokio::test]
async fn tries_are_throttled_by_address_right_or_wrong() {
    let guarded = Guarded::with(|config| {
        config.limits.sign_in_attempts_per_minute = 2;
        config.server.client_address = expansionnet::config::ClientAddress::XRealIp;
    })
    .await;
    let try_from = async |address: &str, secret: &str| {
        let request = Request::post("/sign-in")
            .header("x-real-ip", address)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = format!("secret={}", secret.replace(' ', "+"));
        guarded.app.send(request.body(body.into()).expect("a request")).await
    };
    for _ in 0..2 {
        assert_eq!(try_from("1.1.1.1", "wrong").await.status, 303);
    }
    let refused = try_from("1.1.1.1", PASSWORD).await;
    refused.problem(429, "rate-limited");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(try_from("2.2.2.2", PASSWORD).await.header("location"), "/", "another address may go on");
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server() {
    let guarded = Guarded::closed().await;
    let cookie = guarded.sign_in(PASSWORD).await;
    let out = guarded.send(Request::post("/sign-out").header(header::COOKIE, &cookie)).await;
    assert_eq!((out.status.as_u16(), out.header("location")), (303, "/"));
    assert!(out.header("set-cookie").starts_with("expansionnet_session=;"), "{}", out.header("set-cookie"));
    assert_eq!(guarded.send(Request::get("/admin").header(header::COOKIE, &cookie)).await.status, 401);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before() {
    let guarded = Guarded::closed().await;
    let before = guarded.sign_in(PASSWORD).await;
    let again = Request::post("/sign-in")
        .header(header::COOKIE, &before)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!("secret={}", PASSWORD.replace(' ', "+")).into());
    assert_eq!(guarded.app.send(again.expect("a request")).await.header("location"), "/");
    guarded.send(Request::get("/api/captions").header(header::COOKIE, &before)).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn an_expired_session_leads_to_sign_in() {
    let guarded = Guarded::closed().await;
    let secret = guarded.store.start_session(&expansionnet::store::SessionRole::Admin, 0).await.expect("starts");
    let cookie = format!("expansionnet_session={secret}");
    let sent = guarded.browse("/admin", &cookie).await;
    assert_eq!(sent.header("location"), "/sign-in?next=%2Fadmin");
}

#[tokio::test]
async fn a_new_password_ends_the_admins_sessions() {
    let guarded = Guarded::closed().await;
    let cookie = guarded.sign_in(PASSWORD).await;
    assert_eq!(guarded.browse("/admin", &cookie).await.status, 200);
    guarded.store.set_admin_password("another password").await.expect("set");
    assert_eq!(guarded.browse("/admin", &cookie).await.header("location"), "/sign-in?next=%2Fadmin");
    assert_eq!(guarded.try_sign_in("another password", "/").await.header("location"), "/");
}

#[tokio::test]
async fn without_a_password_the_page_says_how_to_set_one() {
    let app = TestApp::new().await;
    let page = app.get("/sign-in").await.text();
    assert!(page.contains("expansionnet admin set-password"), "{page}");
    let tried = app.post("/sign-in", "application/x-www-form-urlencoded", "secret=").await;
    assert_eq!(tried.header("location"), "/sign-in?wrong=true&next=%2F");
    let guarded = Guarded::closed().await;
    let page = guarded.browse("/sign-in", "").await.text();
    assert!(!page.contains("set-password"), "{page}");
}

#[tokio::test]
async fn forms_that_are_no_sign_in_are_refused() {
    let app = TestApp::new().await;
    app.post("/sign-in", "application/x-www-form-urlencoded", "password=x").await.problem(422, "invalid-option");
    app.post("/sign-in", "text/plain", "secret=x").await.problem(415, "unsupported-media-type");
    let long = format!("secret={}", "x".repeat(300_000));
    app.post("/sign-in", "application/x-www-form-urlencoded", long).await.problem(413, "too-large");
    app.get("/sign-in?wrong=perhaps").await.problem(422, "invalid-option");
}
