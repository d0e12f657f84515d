//! Admins make, see and revoke keys, on the page and by the API.

use super::support::web::Answered;
use super::{Guarded, PASSWORD};
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::json;

/// A request to the keys' API as this person.
async fn call(guarded: &Guarded, cookie: &str, method: Method, uri: &str, body: &str) -> Answered {
    let request = Request::builder().method(method).uri(uri).header(header::COOKIE, cookie);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    guarded.app.send(request.body(Body::from(body.to_owned())).expect("a request")).await
}

#[tokio::test]
async fn a_key_made_by_the_api_opens_the_server_until_it_is_revoked() {
    let guarded = Guarded::closed().await;
    let admin = guarded.sign_in(PASSWORD).await;
    let made = call(&guarded, &admin, Method::POST, "/api/admin/keys", r#"{"name": " Photo app "}"#).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, "no-store"), "{}", made.text());
    let made = made.json();
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    assert_eq!((&made["name"], &made["last_used_at"]), (&json!("Photo app"), &json!(null)));

    let with_key = || Request::get("/api/captions").header("x-api-key", key);
    assert_eq!(guarded.send(with_key()).await.status, 200);
    let user = guarded.sign_in(key).await;
    assert_eq!(guarded.browse("/", &user).await.status, 200);

    let list = call(&guarded, &admin, Method::GET, "/api/admin/keys", "").await;
    assert!(!list.text().contains(key), "the key is shown once");
    assert_eq!(list.json()["keys"][0]["prefix"], &key[..10]);

    let uri = format!("/api/admin/keys/{id}");
    assert_eq!(call(&guarded, &admin, Method::DELETE, &uri, "").await.status, 204);
    guarded.send(with_key()).await.problem(401, "unauthorized");
    assert_eq!(guarded.browse("/", &user).await.header("location"), "/sign-in?next=%2F", "and its sessions ended");
    call(&guarded, &admin, Method::DELETE, &uri, "").await.problem(404, "not-found");
    let list = call(&guarded, &admin, Method::GET, "/api/admin/keys", "").await.json();
    assert!(list["keys"][0]["revoked_at"].is_string(), "{list}");
}

#[tokio::test]
async fn the_last_use_is_noted_beside_the_request() {
    let guarded = Guarded::closed().await;
    let key = guarded.key().await;
    let request = || Request::get("/api/captions").header("x-api-key", &key.secret);
    assert_eq!(guarded.send(request()).await.status, 200);
    // Written by a task of its own: it is there after some turns of the runtime.
    let mut noted = None;
    for _ in 0..10_000 {
        noted = guarded.store.keys().await.expect("lists")[0].last_used_at.clone();
        if noted.is_some() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(noted.is_some());
}

#[tokio::test]
async fn requests_for_keys_that_make_no_sense_are_refused() {
    let guarded = Guarded::closed().await;
    let admin = guarded.sign_in(PASSWORD).await;
    let post = async |body: &str| call(&guarded, &admin, Method::POST, "/api/admin/keys", body).await;
    post("{").await.problem(400, "malformed-request");
    post("{}").await.problem(422, "invalid-option");
    post(r#"{"name": "x", "admin": true}"#).await.problem(422, "invalid-option");
    let detail = post(r#"{"name": "  "}"#).await.problem(422, "invalid-option");
    assert!(detail.contains("1 to 100 characters"), "{detail}");
}

#[tokio::test]
async fn the_page_works_without_scripts() {
    let guarded = Guarded::closed().await;
    let admin = guarded.sign_in(PASSWORD).await;
    let post = async |uri: &str, form: &str| {
        let request = Request::post(uri)
            .header(header::COOKIE, &admin)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        guarded.app.send(request.body(Body::from(form.to_owned())).expect("a request")).await
    };
    let made = post("/admin/keys", "name=The+%3Cb%3Eapp").await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (200, "no-store"));
    let html = made.text();
    let key = html.split("<code id=\"new-key\">").nth(1).expect("the key").split('<').next().expect("the key");
    assert_eq!(guarded.send(Request::get("/api/captions").header("x-api-key", key)).await.status, 200);
    assert!(html.contains("The &#60;b&#62;app"), "{html}");

    let listed = guarded.browse("/admin/keys", &admin).await.text();
    assert!(!listed.contains(key) && listed.contains(&key[..10]), "{listed}");
    let revoke = listed.split("action=\"").find(|part| part.contains("/revoke")).expect("a form");
    let revoked = post(revoke.split('"').next().expect("an address"), "").await;
    assert_eq!((revoked.status.as_u16(), revoked.header("location")), (303, "/admin/keys"));
    guarded.send(Request::get("/api/captions").header("x-api-key", key)).await.problem(401, "unauthorized");
    assert!(guarded.browse("/admin/keys", &admin).await.text().contains("revoked <time"));
}

#[tokio::test]
async fn the_overview_says_what_is_there() {
    let guarded = Guarded::with(|_| ()).await;
    guarded.key().await;
    assert_eq!(guarded.app.caption(super::support::web::png(40, 30)).await.status, 200);
    let admin = guarded.sign_in(PASSWORD).await;
    let html = guarded.browse("/admin", &admin).await.text();
    for part in ["fake on cpu", "1 stored", "1 valid", "href=\"/admin/keys\""] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
}
