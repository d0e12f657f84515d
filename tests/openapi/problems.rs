//! Every problem that the code can make is described, and every described one is made by a test.

use super::support::web::TestApp;
use super::{document, operations, read, repository};
use expansionnet::store::Store;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where each problem is provoked through the router or the real server.
const PROVOKED_IN: [(&str, &str); 37] = [
    ("activation-in-progress", "tests/models/main.rs"),
    ("beyond-limit", "tests/access/limits.rs"),
    ("captioned-anew", "tests/api/restoring.rs"),
    ("changed-meanwhile", "tests/api/restoring.rs"),
    ("cross-site", "tests/pages.rs"),
    ("damaged-image", "tests/bad_pictures.rs"),
    ("empty-image", "tests/bad_pictures.rs"),
    ("forbidden", "tests/openapi/problems.rs"),
    ("internal", "tests/api/main.rs"),
    ("invalid-option", "tests/api/main.rs"),
    ("job-state", "tests/jobs/life.rs"),
    ("malformed-request", "tests/api/main.rs"),
    ("method-not-allowed", "tests/api/main.rs"),
    ("model-in-use", "tests/jobs/models.rs"),
    ("model-loading", "tests/api/main.rs"),
    ("model-not-loaded", "tests/models/main.rs"),
    ("model-stopped", "tests/operations.rs"),
    ("model-unusable", "tests/models/main.rs"),
    ("not-found", "tests/api/main.rs"),
    ("not-ready", "tests/operations.rs"),
    ("queue-full", "tests/api/bounds.rs"),
    ("rate-limited", "tests/access/limits.rs"),
    ("storage-busy", "tests/operations.rs"),
    ("storage-full", "tests/operations.rs"),
    ("timed-out", "tests/captioning.rs"),
    ("too-large", "tests/api/bounds.rs"),
    ("too-many-photos", "tests/api/bounds.rs"),
    ("too-many-pixels", "tests/bad_pictures.rs"),
    ("too-many-uploads", "tests/api/bounds.rs"),
    ("unauthorized", "tests/access/guards.rs"),
    ("unknown-host", "tests/access/hosts.rs"),
    ("unsupported-image", "tests/bad_pictures.rs"),
    ("unsupported-media-type", "tests/api/main.rs"),
    ("upload-timed-out", "tests/operations.rs"),
    ("url-failed", "tests/fetch.rs"),
    ("url-fetching-off", "tests/fetch.rs"),
    ("url-refused", "tests/fetch.rs"),
];

fn described(document: &Value) -> BTreeSet<String> {
    let codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array();
    codes.expect("codes").iter().map(|code| code.as_str().expect("text").to_owned()).collect()
}

/// Code and title of every problem in the program's source: a name in kebab case, followed by a sentence.
fn made_by_the_program() -> BTreeMap<String, String> {
    let mut made = BTreeMap::new();
    let description = repository("src/web/openapi");
    for file in sources(&repository("src/web")).iter().filter(|file| !file.starts_with(&description)) {
        let source = std::fs::read_to_string(file).expect("a source file");
        // The tests of a file are no part of the program.
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let texts: Vec<&str> = source.split('"').collect();
        for three in texts.windows(3) {
            let [code, between, title] = three else { continue };
            let is_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let is_title = title.starts_with(|first: char| first.is_ascii_uppercase()) && !title.ends_with('.');
            if is_code && between.trim() == "," && is_title {
                made.insert((*code).to_owned(), (*title).to_owned());
            }
        }
    }
    made
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of sources");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[tokio::test]
async fn every_problem_of_the_program_is_described_and_no_other() {
    let made: BTreeSet<String> = made_by_the_program().into_keys().collect();
    assert!(made.contains("queue-full") && made.contains("internal"), "the source is not read as it should be");
    assert_eq!(described(&document().await), made);
}

#[tokio::test]
async fn the_examples_are_problems_as_they_are_made() {
    let titles = made_by_the_program();
    for (name, operation) in operations(&document().await) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let examples = &response["content"]["application/problem+json"]["examples"];
            for (code, example) in examples.as_object().into_iter().flatten() {
                let problem = &example["value"];
                assert_eq!(problem["code"], *code, "{name}");
                assert_eq!(problem["status"].to_string(), *status, "{name}: {code}");
                assert_eq!(problem["title"], titles[code], "{name}: {code}");
                assert_eq!(problem["type"], format!("urn:expansionnet:problem:{code}"));
            }
        }
    }
}

#[tokio::test]
async fn every_described_problem_is_provoked_by_a_test() {
    let provoked: BTreeSet<String> = PROVOKED_IN.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(provoked, described(&document().await));
    for (code, file) in PROVOKED_IN {
        let source = read(file);
        let asserted =
            source.contains(&format!(", \"{code}\")")) || source.contains(&format!("[\"code\"], \"{code}\""));
        assert!(asserted, "{file} does not assert `{code}`");
    }
}

#[tokio::test]
async fn a_key_is_no_admin() {
    let app = TestApp::new().await;
    let store = Store::open(app.directory.path()).await.expect("a store");
    let key = store.create_key("A client").await.expect("a key").secret;
    let request = axum::http::Request::get("/api/admin/keys").header("authorization", format!("Bearer {key}"));
    let answered = app.send(request.body(axum::body::Body::empty()).expect("a request")).await;
    answered.problem(403, "forbidden");
}
