//! Requests: JSON, forms, query strings, paths and headers that no client of ours would send.

use super::values::{URI_TEXT, any_of, form, json_body, query_string, run};
use super::{Operation, Target, cases, memory_stayed_bounded};
use crate::support::web::png;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::path::Path;

/// Addresses that take a form as pages send it.
const FORM_ROUTES: [&str; 9] = [
    "/api/captions/export",
    "/api/images/{id}/caption",
    "/history/delete",
    "/history/restore",
    "/captions/{id}",
    "/captions/{id}/again",
    "/admin/keys",
    "/admin/models",
    "/sign-in",
];

/// Pages that take a query string.
const PAGES: [&str; 3] = ["/history", "/admin/compare", "/admin/evaluate"];

fn request(method: &str, uri: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(uri)
}

/// A request of an admin's, with a body of JSON.
fn with_json(target: &Target, method: &str, uri: &str, body: impl Into<Body>) -> Request<Body> {
    let request = request(method, uri).header("cookie", &target.admin).header("content-type", "application/json");
    request.body(body.into()).expect("a request")
}

/// A request of an admin's, without a body.
fn without_body(target: &Target, method: &str, uri: &str) -> Request<Body> {
    request(method, uri).header("cookie", &target.admin).body(Body::empty()).expect("a request")
}

/// Ids of what is there to be asked for.
struct Ids {
    caption: String,
    image: String,
    job: String,
}

impl Ids {
    /// Captions a picture, and makes a run that does not start.
    fn new(target: &Target) -> Ids {
        let upload = request("POST", "/api/caption").header("content-type", "image/png").body(Body::from(png(40, 30)));
        let answer = target.send(upload.expect("a request")).expect("a good answer").json();
        let wanted = run(target.folder(), []).to_string();
        let made = target.send(with_json(target, "POST", "/api/admin/jobs", wanted)).expect("a good answer");
        assert_eq!(made.status, 201, "{}", made.text());
        let id = |value: &Value| value.as_str().expect("an id").to_owned();
        Ids { caption: id(&answer["id"]), image: id(&answer["image"]["id"]), job: id(&made.json()["id"]) }
    }

    /// Of nothing.
    fn unknown() -> Ids {
        let [caption, image, job] = ["x"; 3].map(str::to_owned);
        Ids { caption, image, job }
    }

    /// An address with what it wants in the places of its names.
    fn address(&self, path: &str) -> String {
        let starts = [("/api/images", &self.image), ("/api/admin/jobs", &self.job)];
        let (_, id) = starts.into_iter().find(|(start, _)| path.starts_with(start)).unwrap_or(("", &self.caption));
        let address = path.replace("{id}", id).replace("{image}", "7");
        address.replace("{phase}", "xe").replace("{name}", "state-00000004")
    }
}

/// The operations that take a JSON body.
fn taking_json(target: &Target) -> Vec<Operation> {
    let operations = target.operations(|described| !described["requestBody"]["content"]["application/json"].is_null());
    let wanted = ["/api/admin/jobs", "/api/admin/jobs/check", "/api/admin/jobs/{id}/stop", "/api/admin/evaluations"];
    let there = |path: &str| operations.iter().any(|operation| operation.method == "POST" && operation.path == path);
    assert!(wanted.into_iter().all(there), "the description is not read as it should be: {operations:?}");
    operations
}

/// Runs were made, in this folder alone, and none of them was started.
fn runs_stayed_in(target: &Target, folder: &Path) {
    let listed = target.send(without_body(target, "GET", "/api/admin/jobs")).expect("a good answer").json();
    let jobs = listed["jobs"].as_array().expect("a list");
    assert!(jobs.len() > 1, "nothing that was asked for could be made");
    for job in jobs {
        let inside = job["folder"].as_str().is_some_and(|path| Path::new(path).starts_with(folder));
        assert!(inside && (job["state"] == "queued" || job["state"] == "cancelled"), "{job}");
    }
}

#[test]
fn any_json_gets_an_answer() {
    let target = Target::new();
    let ids = Ids::new(&target);
    proptest!(cases(3000), |(operation in select(taking_json(&target)), body in json_body(target.folder()))| {
        let uri = ids.address(&operation.path);
        target.ask(&operation, with_json(&target, &operation.method, &uri, body))?;
    });
    runs_stayed_in(&target, &target.folder().join("runs"));
    memory_stayed_bounded();
}

#[test]
fn deep_and_long_json_is_refused() {
    let target = Target::new();
    let deep = "[".repeat(500_000);
    let objects = "{\"image\":".repeat(100_000);
    let long = json!({ "ids": vec!["x"; 100_001] }).to_string();
    let number = format!("{{\"beam_size\":{}}}", "9".repeat(1_000_000));
    for body in [deep, objects, long, number] {
        for operation in taking_json(&target) {
            let uri = Ids::unknown().address(&operation.path);
            let request = with_json(&target, &operation.method, &uri, body.clone());
            let answered = target.ask(&operation, request).expect("no failure");
            assert!(answered.status.is_client_error(), "{operation:?}: {}", answered.status);
        }
    }
    memory_stayed_bounded();
}

#[test]
fn any_form_gets_an_answer() {
    let target = Target::new();
    let types = ["multipart/form-data; boundary=EDGE", "multipart/form-data; boundary=\"", "multipart/form-data"];
    let routes = ["/api/caption", "/"];
    proptest!(cases(2000), |(kind in any_of(&types), route in any_of(&routes), body in form())| {
        let request = request("POST", route).header("content-type", kind);
        target.send(request.body(Body::from(body)).expect("a request"))?;
    });
    memory_stayed_bounded();
}

#[test]
fn any_form_of_a_page_gets_an_answer() {
    let target = Target::new();
    let ids = Ids::new(&target);
    proptest!(cases(2000), |(route in any_of(&FORM_ROUTES), body in query_string())| {
        let request = request("POST", &ids.address(route)).header("cookie", &target.admin);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(Body::from(body));
        target.send(request.expect("a request"))?;
    });
    memory_stayed_bounded();
}

#[test]
fn any_query_gets_an_answer() {
    let target = Target::new();
    let (ids, unknown) = (Ids::new(&target), Ids::unknown());
    let all = target.operations(|_| true);
    proptest!(cases(3000), |(operation in select(all), query in query_string())| {
        // What is deleted would be missed by whatever comes after.
        let ids = if operation.method == "DELETE" { &unknown } else { &ids };
        let uri = format!("{}?{query}", ids.address(&operation.path));
        target.ask(&operation, without_body(&target, &operation.method, &uri))?;
    });
    memory_stayed_bounded();
}

#[test]
fn any_query_gets_a_page() {
    let target = Target::new();
    proptest!(cases(500), |(page in any_of(&PAGES), query in query_string())| {
        target.send(without_body(&target, "GET", &format!("{page}?{query}")))?;
    });
}

#[test]
fn any_path_gets_an_answer() {
    let target = Target::new();
    let starts = ["/", "/api/", "/api/captions/", "/api/images/", "/static/", "/captions/", "/admin/", "/history/"];
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
    proptest!(cases(3000), |(method in any_of(&methods), start in any_of(&starts), path in URI_TEXT)| {
        let uri = format!("{start}{path}");
        target.send(request(method, &uri).body(Body::empty()).expect("a request"))?;
    });
}

#[test]
fn a_refusal_is_a_proper_problem_when_compressed_too() {
    let target = Target::new();
    let request = request("GET", "/api/captions/none").header("accept-encoding", "W/\"x\", *");
    let request = request.header("cookie", &target.admin).body(Body::empty());
    let answered = target.send(request.expect("a request")).expect("an answer that any client may get");
    assert_eq!((answered.status.as_u16(), answered.header("content-encoding")), (404, "gzip"));
}

#[test]
fn any_headers_get_an_answer() {
    let target = Target::new();
    let Ids { caption, image, .. } = Ids::new(&target);
    let routes =
        ["/".to_owned(), format!("/api/captions/{caption}"), format!("/api/images/{image}"), "/readyz".to_owned()];
    let names = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "cookie",
        "if-modified-since",
        "if-none-match",
        "origin",
        "range",
        "sec-fetch-site",
        "x-api-key",
        "x-forwarded-for",
        "x-request-id",
    ];
    let value = prop_oneof![vec(any::<u8>(), 0..60), "[ -~]{0,60}".prop_map(String::into_bytes), nearly_right()];
    let headers = vec((any_of(&names), value), 0..5);
    proptest!(cases(2000), |(route in any_of(&routes), headers in headers)| {
        let mut request = request("GET", &route);
        for (name, value) in headers {
            // What no header can hold never reaches a server.
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            request = request.header(HeaderName::from_static(name), value);
        }
        target.send(request.body(Body::empty()).expect("a request"))?;
    });
}

fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let values = [
        "Bearer ",
        "Bearer expansionnet",
        "Basic Og==",
        "bytes=0-",
        "bytes=9-1",
        "\"\"",
        "W/\"x\", *",
        "cross-site",
        "http://[::",
        "127.0.0.1, ::1, x",
        "expansionnet_session=",
        "gzip;q=2",
        "-1",
    ];
    select(values.map(|value| value.as_bytes().to_vec()).to_vec())
}
