//! Requests: JSON, forms, query strings, paths and headers that no client of ours would send.

use super::mutation::{Mutation, mutations};
use super::{Target, cases, memory_stayed_bounded};
use crate::support::web::{Part, multipart, png};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Methods and addresses that take a JSON body. `ID` stands for the caption or photo that is there.
const JSON_ROUTES: [(&str, &str); 8] = [
    ("POST", "/api/caption"),
    ("PATCH", "/api/captions/ID"),
    ("POST", "/api/captions/delete"),
    ("POST", "/api/captions/restore"),
    ("POST", "/api/captions/export"),
    ("POST", "/api/images/ID/caption"),
    ("POST", "/api/admin/models/activate"),
    ("POST", "/api/admin/keys"),
];

/// Addresses that take a form as pages send it.
const FORM_ROUTES: [&str; 9] = [
    "/api/captions/export",
    "/api/images/ID/caption",
    "/history/delete",
    "/history/restore",
    "/captions/ID",
    "/captions/ID/again",
    "/admin/keys",
    "/admin/models",
    "/sign-in",
];

/// Addresses that take a query string.
const QUERY_ROUTES: [&str; 6] =
    ["/api/captions", "/api/images/ID", "/api/captions/ID", "/api/models", "/history", "/api/caption"];

/// Words that mean something somewhere in the API.
const WORDS: [&str; 22] = [
    "image",
    "url",
    "beam_size",
    "max_length",
    "candidates",
    "model",
    "caption",
    "id",
    "ids",
    "format",
    "query",
    "from",
    "until",
    "limit",
    "before",
    "size",
    "csv",
    "json",
    "txt",
    "thumbnail",
    "name",
    "models",
];

/// What people type into search boxes to see what happens.
const NASTY: [&str; 16] = [
    "",
    "0",
    "-1",
    "1e309",
    "18446744073709551616",
    "\"",
    "'",
    "' OR 1=1 --",
    "\" NEAR/2 *",
    "a* AND (NOT",
    "../../etc/passwd",
    "%00",
    "\u{0}",
    "2026-02-30",
    "9999-99-99",
    "\u{202E}\u{FEFF}💣",
];

/// One of a list.
fn any_of<T: Clone + std::fmt::Debug + 'static>(choices: &[T]) -> impl Strategy<Value = T> + use<T> {
    select(choices.to_vec())
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any_of(&WORDS).prop_map(str::to_owned),
        2 => any_of(&NASTY).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

/// Any JSON, with the API's own words among its keys and texts.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((word(), inner), 0..6).prop_map(|fields| Value::from(Map::from_iter(fields))),
        ]
    })
}

fn valid_bodies() -> Vec<Value> {
    vec![
        json!({ "image": STANDARD.encode(png(20, 10)), "beam_size": 3, "max_length": 10, "candidates": 2 }),
        json!({ "image": format!("data:image/png;base64,{}", STANDARD.encode(png(10, 20))) }),
        json!({ "caption": "A dog." }),
        json!({ "caption": null }),
        json!({ "ids": ["0198c0de-0000-7000-8000-000000000000"] }),
        json!({ "ids": [], "format": "csv", "query": "dog", "from": "2026-01-01", "until": "2026-12-31" }),
        json!({ "models": ["default"] }),
    ]
}

/// Any JSON, a valid body, or a valid one's text with changed bytes.
fn json_body() -> impl Strategy<Value = Vec<u8>> {
    let changed = |(body, mutations): (Value, Vec<Mutation>)| {
        let mut bytes = body.to_string().into_bytes();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        bytes
    };
    prop_oneof![
        any_json().prop_map(|value| value.to_string().into_bytes()),
        select(valid_bodies()).prop_map(|value| value.to_string().into_bytes()),
        (select(valid_bodies()), mutations()).prop_map(changed),
    ]
}

/// What an address can hold: anything else never reaches a server.
const URI_TEXT: &str = "([A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2}|\\.\\./){0,40}";

/// A well-formed query string of odd names and values, or any text that an address can hold.
fn query_string() -> impl Strategy<Value = String> {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pair = (word(), word()).prop_map(move |(name, value)| format!("{}={}", encoded(&name), encoded(&value)));
    prop_oneof![3 => vec(pair, 0..5).prop_map(|pairs| pairs.join("&")), 1 => URI_TEXT]
}

fn form() -> impl Strategy<Value = Vec<u8>> {
    let photo = png(30, 20);
    let part = (word(), any::<bool>(), word());
    (vec(part, 0..5), prop_oneof![Just(Vec::new()), mutations()]).prop_map(move |(parts, mutations)| {
        let parts: Vec<_> = parts
            .iter()
            .map(|(name, file, value)| if *file { Part::Image(value, &photo) } else { Part::Text(name, value) })
            .collect();
        let mut body = multipart(&parts);
        mutations.iter().for_each(|mutation| mutation.apply(&mut body));
        body
    })
}

fn request(method: &str, uri: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(uri)
}

/// Captions a picture, so that there is something to ask for; gives the ids of caption and photo.
fn captioned(target: &Target) -> (String, String) {
    let upload = request("POST", "/api/caption").header("content-type", "image/png").body(Body::from(png(40, 30)));
    let answer = target.send(upload.expect("a request")).expect("a good answer").json();
    let id = |value: &Value| value.as_str().expect("an id").to_owned();
    (id(&answer["id"]), id(&answer["image"]["id"]))
}

/// Puts the id that the address wants in the place of `ID`.
fn address(route: &str, (caption, image): &(String, String)) -> String {
    route.replace("ID", if route.starts_with("/api/images") { image } else { caption })
}

#[test]
fn any_json_gets_an_answer() {
    let target = Target::new();
    let ids = captioned(&target);
    let keys = request("GET", "/api/admin/keys").header("cookie", &target.admin).body(Body::empty());
    let keys = target.send(keys.expect("a request")).expect("a good answer");
    assert_eq!(keys.status, 200, "else the admins' routes would only be tried from outside");
    proptest!(cases(3000), |((method, route) in any_of(&JSON_ROUTES), body in json_body())| {
        let request = request(method, &address(route, &ids)).header("cookie", &target.admin);
        let request = request.header("content-type", "application/json").body(Body::from(body));
        target.send(request.expect("a request"))?;
    });
    memory_stayed_bounded();
}

#[test]
fn deep_and_long_json_is_refused() {
    let target = Target::new();
    let deep = "[".repeat(500_000);
    let objects = "{\"image\":".repeat(100_000);
    let long = json!({ "ids": vec!["0198c0de-0000-7000-8000-000000000000"; 50_000] }).to_string();
    let number = format!("{{\"beam_size\":{}}}", "9".repeat(1_000_000));
    for body in [deep, objects, long, number] {
        for (method, route) in JSON_ROUTES {
            let uri = address(route, &("x".to_owned(), "x".to_owned()));
            let request = request(method, &uri).header("cookie", &target.admin);
            let request = request.header("content-type", "application/json").body(Body::from(body.clone()));
            let answered = target.send(request.expect("a request")).expect("no failure");
            assert!(answered.status.is_client_error(), "{method} {route}: {}", answered.status);
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
    let ids = captioned(&target);
    proptest!(cases(2000), |(route in any_of(&FORM_ROUTES), body in query_string())| {
        let request = request("POST", &address(route, &ids)).header("cookie", &target.admin);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(Body::from(body));
        target.send(request.expect("a request"))?;
    });
    memory_stayed_bounded();
}

#[test]
fn any_query_gets_an_answer() {
    let target = Target::new();
    let ids = captioned(&target);
    let methods = ["GET", "GET", "GET", "POST", "DELETE"];
    proptest!(cases(3000), |(method in any_of(&methods), route in any_of(&QUERY_ROUTES), query in query_string())| {
        let uri = format!("{}?{query}", address(route, &ids));
        target.send(request(method, &uri).body(Body::empty()).expect("a request"))?;
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
    let (caption, image) = captioned(&target);
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
