//! OpenAPI 3.1, as far as it can be checked by rules.

use super::{document, operations};
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_document_says_what_it_is() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(document["info"]["title"].is_string() && document["info"]["license"]["name"].is_string());
    assert_eq!(document["servers"][0]["url"], "/");
}

#[tokio::test]
async fn every_operation_is_whole() {
    let document = document().await;
    let tags: Vec<&str> = array(&document["tags"]).iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no id"));
        assert!(ids.insert(id), "{id} names two operations");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
        assert!(array(&operation["tags"]).iter().all(|tag| tags.contains(&tag.as_str().unwrap_or_default())));
        assert!(operation["security"].is_array(), "{name} does not say who may");
        check_parameters(&name, operation);
        check_responses(&name, operation);
        if !operation["requestBody"].is_null() {
            check_content(&name, &operation["requestBody"]["content"]);
        }
    }
}

fn check_parameters(name: &str, operation: &Value) {
    let parameters = array(&operation["parameters"]);
    let in_path = name.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    for wanted in in_path {
        let found = parameters.iter().find(|parameter| parameter["name"] == wanted && parameter["in"] == "path");
        assert_eq!(found.unwrap_or_else(|| panic!("{name}: {wanted}"))["required"], true, "{name}");
    }
    for parameter in parameters {
        assert!(["path", "query", "header"].contains(&parameter["in"].as_str().unwrap_or_default()), "{name}");
        assert!(parameter["schema"].is_object(), "{name}: {parameter}");
    }
}

fn check_responses(name: &str, operation: &Value) {
    let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{name} has no responses"));
    assert!(responses.keys().any(|status| status.starts_with('2')), "{name} never succeeds");
    for (status, response) in responses {
        assert!(status.parse::<u16>().is_ok_and(|status| (100..600).contains(&status)), "{name}: {status}");
        assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {status}");
        if !response["content"].is_null() {
            check_content(name, &response["content"]);
        }
    }
}

fn check_content(name: &str, content: &Value) {
    let content = content.as_object().unwrap_or_else(|| panic!("{name}: {content}"));
    assert!(!content.is_empty(), "{name}");
    for (media_type, described) in content {
        assert!(media_type.contains('/') && described["schema"].is_object(), "{name}: {media_type}");
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let document = document().await;
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 10, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let schemes = document["components"]["securitySchemes"].as_object().expect("ways to say who asks");
    for (name, operation) in operations(&document) {
        for scheme in array(&operation["security"]).iter().filter_map(Value::as_object).flat_map(|one| one.keys()) {
            assert!(schemes.contains_key(scheme), "{name}: {scheme}");
        }
    }
}

fn collect_references(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect_references(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, references)),
        _ => (),
    }
}

/// The items; of anything else than an array none.
fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
