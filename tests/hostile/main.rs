//! Input made up by chance: no panic, no 5xx, bounded time and memory, and every refusal a proper problem.
//!
//! `PROPTEST_CASES` sets how many cases of each property are tried, `PROPTEST_RNG_SEED` which ones.

#[path = "../support/mod.rs"]
mod support;

mod mutation;
mod pictures;
mod requests;
mod values;

use axum::body::Body;
use axum::http::{Method, Request};
use expansionnet::config::Config;
use expansionnet::store::{SessionRole, Store};
use flate2::read::GzDecoder;
use proptest::test_runner::{Config as Cases, RngSeed, TestCaseError};
use serde_json::Value;
use std::convert::Infallible;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::null_model::NullModel;
use support::web::{Answered, TestApp};
use tokio::runtime::Runtime;

/// What decoding one picture may take here: little, so that the whole program's memory shows a breach.
const MAX_MEMORY: u64 = 64 << 20;
const MAX_PIXELS: u64 = 8_000_000;
/// What this program may take at its peak: every test at its largest picture, and then some.
const PEAK_MEMORY: u64 = 600 << 20;
/// For one request. Most take a few milliseconds, and on a slow and busy machine a hundred times as long; what input can
/// blow up takes minutes.
const MAX_TIME: Duration = Duration::from_secs(30);

/// An application whose model does nothing, and what runs it.
struct Target {
    runtime: Runtime,
    app: TestApp,
    /// The cookie of an admin, before whom every route is open.
    admin: String,
    /// The API's own description.
    document: Value,
}

/// An operation of the API.
#[derive(Clone, Debug)]
struct Operation {
    method: String,
    /// With names in braces for what is asked for.
    path: String,
}

impl Target {
    fn new() -> Target {
        let runtime = Runtime::new().expect("a runtime");
        let (app, admin, document) = runtime.block_on(async {
            let directory = tempfile::tempdir().expect("a temporary folder");
            std::fs::write(directory.path().join("dataset.json"), "{}").expect("writable");
            let config = config(directory.path());
            let load = |_: &[PathBuf]| Ok::<_, Infallible>(NullModel::new());
            let app = TestApp::around(directory, config, load).await;
            app.models.active().ready().await.expect("loads");
            let store = Store::open(app.directory.path()).await.expect("the application's store");
            let session = store.start_session(&SessionRole::Admin, 1).await.expect("a session");
            let document = app.get("/openapi.json").await.json();
            (app, format!("expansionnet_session={session}"), document)
        });
        Target { runtime, app, admin, document }
    }

    /// Where everything lies that it reads and writes.
    fn folder(&self) -> &Path {
        self.app.directory.path()
    }

    /// The operations whose description is like this.
    fn operations(&self, like: impl Fn(&Value) -> bool) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.document["paths"].as_object().expect("paths") {
            for (method, described) in item.as_object().expect("methods") {
                if like(described) {
                    operations.push(Operation { method: method.to_uppercase(), path: path.clone() });
                }
            }
        }
        operations
    }

    /// Sends a request of an operation, which ends in no problem but those of its description.
    fn ask(&self, operation: &Operation, request: Request<Body>) -> Result<Answered, TestCaseError> {
        let answered = self.send(request)?;
        if answered.status.as_u16() < 400 {
            return Ok(answered);
        }
        let (status, problem) = (answered.status.as_u16(), answered.json());
        let described = &self.document["paths"][&operation.path][operation.method.to_lowercase()];
        let problems = &described["responses"][status.to_string()]["content"]["application/problem+json"]["examples"];
        if problems[problem["code"].as_str().unwrap_or_default()].is_null() {
            return Err(TestCaseError::fail(format!("{operation:?}: {status} is not described: {problem}")));
        }
        Ok(answered)
    }

    /// Sends a request; the answer is one that any client may get.
    fn send(&self, request: Request<Body>) -> Result<Answered, TestCaseError> {
        let started = Instant::now();
        // To HEAD there is no body to look at.
        let has_body = request.method() != Method::HEAD;
        // Admins name files here, and are told where those were looked for.
        let names_files = request.uri().path().starts_with("/api/admin/jobs");
        let answered = self.runtime.block_on(self.app.send(request));
        let answered = unpacked(answered).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let took = started.elapsed();
        acceptable(&answered, has_body, names_files).map_err(TestCaseError::fail)?;
        if took > MAX_TIME {
            return Err(TestCaseError::fail(format!("took {took:?}")));
        }
        Ok(answered)
    }
}

/// Small limits, and nothing but this folder for whatever admins read and write. That no run starts, whatever they ask
/// for, is seen to by [`TestApp::around`].
fn config(folder: &Path) -> Config {
    let mut config = Config::defaults().expect("valid defaults");
    config.image.max_memory_bytes = MAX_MEMORY;
    config.image.max_pixels = MAX_PIXELS;
    config.server.max_upload_bytes = 2_000_000;
    config.model.directory = folder.join("models");
    config.training.directory = folder.join("runs");
    config.training.roots = vec![folder.to_owned()];
    config
}

/// The answer as it was before it was compressed, for clients that asked for that.
fn unpacked(mut answered: Answered) -> std::io::Result<Answered> {
    if answered.header("content-encoding") == "gzip" && !answered.body.is_empty() {
        let packed = std::mem::take(&mut answered.body);
        GzDecoder::new(packed.as_slice()).read_to_end(&mut answered.body)?;
    }
    Ok(answered)
}

/// No failure of the server, and what is refused is refused properly.
fn acceptable(answered: &Answered, has_body: bool, names_files: bool) -> Result<(), String> {
    let text = String::from_utf8_lossy(&answered.body);
    let status = answered.status.as_u16();
    if status >= 500 {
        return Err(format!("{status}: {text}"));
    }
    if answered.header("x-content-type-options") != "nosniff" || answered.header("x-request-id").is_empty() {
        return Err(format!("{status} lacks its headers: {:?}", answered.headers));
    }
    if status >= 400 && has_body {
        proper_problem(answered, status)?;
        // Rust's sources, this machine's folders and the database's words are nobody's business.
        let folder = env!("CARGO_MANIFEST_DIR");
        let leaks = [".rs:", folder, "panicked", "SQL", "sqlite", "expansionnet::"];
        let mut leaks = leaks.into_iter().filter(|leak| !(names_files && *leak == folder));
        if let Some(leak) = leaks.find(|leak| text.contains(leak)) {
            return Err(format!("says {leak:?}: {text}"));
        }
    }
    Ok(())
}

/// RFC 9457, with our own fields.
fn proper_problem(answered: &Answered, status: u16) -> Result<(), String> {
    let text = String::from_utf8_lossy(&answered.body);
    if answered.header("content-type") != "application/problem+json" {
        return Err(format!("{status} is no problem+json but {}: {text}", answered.header("content-type")));
    }
    let problem: serde_json::Value =
        serde_json::from_slice(&answered.body).map_err(|error| format!("{error}: {text}"))?;
    let filled = |field: &str| problem[field].as_str().is_some_and(|text| !text.is_empty());
    let code = problem["code"].as_str().unwrap_or_default();
    let whole = ["code", "title", "detail"].into_iter().all(filled)
        && problem["status"] == status
        && problem["type"] == format!("urn:expansionnet:problem:{code}")
        && problem["request_id"] == answered.header("x-request-id");
    if whole { Ok(()) } else { Err(format!("not a whole problem: {problem}")) }
}

/// So many cases, the same ones each time, unless `PROPTEST_CASES` and `PROPTEST_RNG_SEED` say otherwise.
fn cases(usual: u32) -> Cases {
    const SEED: u64 = 775_533;
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok());
    let rng_seed = match Cases::default().rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        asked => asked,
    };
    // A failure prints its smallest case, which belongs into a test of its own rather than into a file of seeds.
    Cases { cases: asked.unwrap_or(usual), rng_seed, failure_persistence: None, ..Cases::default() }
}

/// Checks the most memory that this program ever had.
#[track_caller]
fn memory_stayed_bounded() {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    assert!(kilobytes * 1024 < PEAK_MEMORY, "{line}");
}
