//! The API's description: sound, complete, and true.

mod examples;
mod problems;
#[path = "../support/server.rs"]
mod server;
mod structure;
#[path = "../support/mod.rs"]
mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use support::web::{TestApp, png};

/// The document, as clients get it.
async fn document() -> Value {
    TestApp::new().await.get("/openapi.json").await.json()
}

/// `GET /api/captions` and so on, with each operation.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("methods") {
            operations.push((format!("{} {path}", method.to_uppercase()), operation));
        }
    }
    operations
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Methods and paths of the router's own page, `GET /api/captions` and so on.
fn routes() -> BTreeSet<String> {
    let source = read("src/web/router.rs");
    let mut routes = BTreeSet::new();
    for route in source.split(".route(\"").skip(1) {
        let (path, handlers) = route.split_once('"').expect("a path ends");
        let handlers = handlers.split(".route").next().unwrap_or_default();
        for method in ["get", "post", "put", "patch", "delete"] {
            if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}(")) {
                routes.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    routes
}

#[tokio::test]
async fn every_route_for_programs_is_described_and_nothing_else() {
    let described: BTreeSet<String> = operations(&document().await).into_iter().map(|(name, _)| name).collect();
    let for_programs = |route: &String| route.contains(" /api/");
    let routes: BTreeSet<String> = routes().into_iter().filter(for_programs).collect();
    assert!(routes.len() > 10, "the router's page is not read as it should be: {routes:?}");
    let described_api: BTreeSet<String> = described.iter().filter(|route| for_programs(route)).cloned().collect();
    assert_eq!(described_api, routes);
    let others: Vec<&String> = described.iter().filter(|route| !for_programs(route)).collect();
    assert_eq!(others, ["GET /livez", "GET /metrics", "GET /readyz"]);
}

#[tokio::test]
async fn every_described_operation_is_answered() {
    let app = TestApp::new().await;
    for (name, _) in operations(&document().await) {
        let (method, path) = name.split_once(' ').expect("a method and a path");
        let request = axum::http::Request::builder().method(method).uri(path.replace("{id}", "none"));
        let answered = app.send(request.body(axum::body::Body::empty()).expect("a request")).await;
        let unknown = "There is nothing at this address.";
        assert!(answered.status != 405 && !answered.text().contains(unknown), "{name}: {}", answered.text());
    }
}

#[tokio::test]
async fn the_answer_has_the_fields_that_are_described() {
    let app = TestApp::new().await;
    let document = document().await;
    let answer = app.caption(png(30, 20)).await.json();
    assert_same_fields(&document, "Answer", &answer);
    for (schema, value) in [("AnswerModel", "model"), ("AnswerImage", "image"), ("Timings", "timings_ms")] {
        assert_same_fields(&document, schema, &answer[value]);
    }
    assert_same_fields(&document, "Candidate", &answer["candidates"][0]);
    let models = app.get("/api/models").await.json();
    assert_same_fields(&document, "ServedModel", &models["models"][0]);
    let list = app.get("/api/captions").await.json();
    assert_same_fields(&document, "CaptionList", &list);
    let problem = app.get("/api/captions/none").await.json();
    assert_eq!(names(&problem), required(&document, "Problem"), "and `retry_after`, where it is known");
    assert_eq!(document["components"]["schemas"]["Problem"]["properties"]["retry_after"]["type"][0], "integer");
    let export = app.post("/api/captions/export", "application/json", r#"{"format": "json"}"#).await.json();
    assert_same_fields(&document, "ExportedCaptions", &export);
    let described = &document["paths"]["/api/captions/export"]["post"]["responses"]["200"]["content"];
    let described = &described["application/json"]["schema"]["$ref"];
    assert_eq!(described, "#/components/schemas/ExportedCaptions");
}

#[tokio::test]
async fn what_must_be_sent_is_described_as_such() {
    let app = TestApp::new().await;
    let document = document().await;
    let answer = app.caption(png(30, 20)).await.json();
    let caption = format!("/api/captions/{}", answer["id"].as_str().expect("an id"));
    for (schema, method, uri) in [
        ("Edit", "PATCH", caption.as_str()),
        ("Export", "POST", "/api/captions/export"),
        ("CaptionIds", "POST", "/api/captions/delete"),
    ] {
        assert_eq!(required(&document, schema).len(), 1, "{schema}");
        let request = axum::http::Request::builder().method(method).uri(uri).header("content-type", "application/json");
        app.send(request.body("{}".into()).expect("a request")).await.problem(422, "invalid-option");
    }
}

#[tokio::test]
async fn bounds_are_described_and_held() {
    let app = TestApp::new().await;
    let document = document().await;
    let list = &document["paths"]["/api/captions"]["get"]["parameters"];
    for parameter in list.as_array().expect("parameters") {
        assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{parameter}");
    }
    let schemas = &document["components"]["schemas"];
    let number = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("{value} is no bound"));
    for (name, least) in [("beam_size", 1), ("max_length", 2), ("candidates", 1)] {
        for schema in ["RequestedOptions", "JsonUpload", "UploadForm"] {
            assert_eq!(number(&schemas[schema]["properties"][name]["minimum"]), least, "{schema}.{name}");
        }
        let below = app.post(&format!("/api/caption?{name}={}", least - 1), "image/png", png(30, 20)).await;
        below.problem(422, "invalid-option");
    }
    let limit = list.as_array().into_iter().flatten().find(|parameter| parameter["name"] == "limit");
    let limit = &limit.expect("a limit")["schema"];
    for (limit, status) in [(number(&limit["minimum"]), 200), (number(&limit["maximum"]), 200), (0, 422), (101, 422)] {
        assert_eq!(app.get(&format!("/api/captions?limit={limit}")).await.status, status, "{limit}");
    }
    let ids = &schemas["CaptionIds"]["properties"]["ids"];
    assert_eq!((number(&ids["minItems"]), number(&ids["maxItems"])), (1, 1000));
}

/// Names of the fields that a schema asks for.
fn required(document: &Value, schema: &str) -> BTreeSet<String> {
    let required = document["components"]["schemas"][schema]["required"].as_array();
    let required = required.unwrap_or_else(|| panic!("{schema} asks for nothing"));
    required.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().cloned().collect()
}

#[tokio::test]
async fn the_examples_can_be_sent_and_are_what_comes_back() {
    let app = TestApp::new().await;
    let document = document().await;
    let example = |schema: &str| &document["components"]["schemas"][schema]["examples"][0];
    let answered = app.post("/api/caption", "application/json", example("JsonUpload").to_string()).await;
    let answer = answered.json();
    assert_eq!(answer["caption"], "A picture of 8 by 8, wording 0.");
    let names = |answer: &Value| answer.as_object().map(|fields| fields.keys().cloned().collect::<BTreeSet<_>>());
    assert_eq!(names(&answer), names(example("Answer")));
    let photo = format!("/api/images/{}/caption", answer["image"]["id"].as_str().expect("an id"));
    for (uri, schema) in [
        (photo.as_str(), "RequestedOptions"),
        ("/api/captions/delete", "CaptionIds"),
        ("/api/captions/restore", "CaptionIds"),
        ("/api/captions/export", "Export"),
    ] {
        let answered = app.post(uri, "application/json", example(schema).to_string()).await;
        assert_eq!(answered.status, 200, "{uri}: {}", answered.text());
    }
}

#[track_caller]
fn assert_same_fields(document: &Value, schema: &str, value: &Value) {
    let described = &document["components"]["schemas"][schema]["properties"];
    assert_eq!(names(value), names(described), "{schema}");
}

#[tokio::test]
async fn the_pages_to_read_it_need_nothing_from_elsewhere() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/docs").await.header("location"), "/docs/");
    let page = app.get("/docs/").await;
    assert_eq!(page.header("content-type"), "text/html");
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    let page = page.text();
    for (start, quote) in [("src=\"", '"'), ("href=\"", '"')] {
        for link in page.split(start).skip(1) {
            let file = link.split(quote).next().expect("a link ends").trim_start_matches("./");
            let answered = app.get(&format!("/docs/{file}")).await;
            assert_eq!(answered.status, 200, "{file}");
        }
    }
    assert!(!page.contains("<style") && page.matches("<script").count() == page.matches("<script src=").count());
    let script = app.get("/docs/swagger-initializer.js").await.text();
    assert!(script.contains("\"/openapi.json\"") && !script.contains("https://"), "{script}");
}
