//! Input made up by chance: no panic, no 5xx, bounded time and memory, and every refusal a proper problem.
//!
//! `PROPTEST_CASES` sets how many cases of each property are tried.

#[path = "../support/mod.rs"]
mod support;

mod mutation;
mod pictures;
mod requests;

use axum::body::Body;
use axum::http::{Method, Request};
use expansionnet::config::Config;
use expansionnet::store::{SessionRole, Store};
use flate2::read::GzDecoder;
use proptest::test_runner::{Config as Cases, TestCaseError};
use std::convert::Infallible;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::null_model::NullModel;
use support::web::{Answered, TestApp};
use tokio::runtime::Runtime;

/// What decoding one picture may take here: little, so that the whole program's memory shows a breach.
const MAX_MEMORY: u64 = 64 << 20;
const MAX_PIXELS: u64 = 8_000_000;
/// What this program may take at its peak: every test at its largest picture, and then some.
const PEAK_MEMORY: u64 = 600 << 20;
/// For one request on a busy machine; most take a few milliseconds.
const MAX_TIME: Duration = Duration::from_secs(10);

/// An application whose model does nothing, and what runs it.
struct Target {
    runtime: Runtime,
    app: TestApp,
    /// The cookie of an admin, before whom every route is open.
    admin: String,
}

impl Target {
    fn new() -> Target {
        let runtime = Runtime::new().expect("a runtime");
        let (app, admin) = runtime.block_on(async {
            let mut config = Config::defaults().expect("valid defaults");
            config.image.max_memory_bytes = MAX_MEMORY;
            config.image.max_pixels = MAX_PIXELS;
            config.server.max_upload_bytes = 2_000_000;
            let load = |_: &[PathBuf]| Ok::<_, Infallible>(NullModel::new());
            let app = TestApp::around(tempfile::tempdir().expect("a temporary folder"), config, load).await;
            app.models.active().ready().await.expect("loads");
            let store = Store::open(app.directory.path()).await.expect("the application's store");
            let session = store.start_session(&SessionRole::Admin, 1).await.expect("a session");
            (app, format!("expansionnet_session={session}"))
        });
        Target { runtime, app, admin }
    }

    /// Sends a request; the answer is one that any client may get.
    fn send(&self, request: Request<Body>) -> Result<Answered, TestCaseError> {
        let started = Instant::now();
        // To HEAD there is no body to look at.
        let has_body = request.method() != Method::HEAD;
        let answered = self.runtime.block_on(self.app.send(request));
        let answered = unpacked(answered).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let took = started.elapsed();
        acceptable(&answered, has_body).map_err(TestCaseError::fail)?;
        if took > MAX_TIME {
            return Err(TestCaseError::fail(format!("took {took:?}")));
        }
        Ok(answered)
    }
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
fn acceptable(answered: &Answered, has_body: bool) -> Result<(), String> {
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
        let leaks = [".rs:", env!("CARGO_MANIFEST_DIR"), "panicked", "SQL", "sqlite", "expansionnet::"];
        if let Some(leak) = leaks.iter().find(|leak| text.contains(**leak)) {
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

/// So many cases, unless `PROPTEST_CASES` says otherwise.
fn cases(usual: u32) -> Cases {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok());
    // A failure prints its smallest case, which belongs into a test of its own rather than into a file of seeds.
    Cases { cases: asked.unwrap_or(usual), failure_persistence: None, ..Cases::default() }
}

/// Checks the most memory that this program ever had.
#[track_caller]
fn memory_stayed_bounded() {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    assert!(kilobytes * 1024 < PEAK_MEMORY, "{line}");
}
