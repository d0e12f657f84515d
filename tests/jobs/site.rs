//! A web application whose jobs run a small script instead of the trainer, asked as an admin asks it.

use super::support::fake_model::FakeModel;
use super::support::web::{Answered, TestApp};
use axum::body::Body;
use axum::http::{Method, Request, header};
use expansionnet::captioning::{Folders, Models, QueueSettings};
use expansionnet::config::Config;
use expansionnet::store::{SessionRole, Store};
use expansionnet::training::{Jobs, Program};
use expansionnet::web::{AppState, app};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Generous: a busy machine starts processes slowly.
const LIMIT: Duration = Duration::from_secs(60);

/// A script's beginning: `$dir` is the job's folder, `tell` writes an event with the next number.
const PRELUDE: &str = r#"#!/bin/sh
while [ "$1" != --run ] && [ "$1" != --event-log ]; do shift; done
dir=${2%/events.jsonl}
touch "$dir/events.jsonl"
sequence=$(wc -l < "$dir/events.jsonl")
tell() {
    printf '{"sequence":%s,"time":%s.5,"event":%s}\n' "$sequence" "$(date +%s)" "$1" >> "$dir/events.jsonl"
    sequence=$((sequence + 1))
}
started() { tell '"started","phase":"features","step":"features","device":"cpu","iteration":'"$1"',"iterations":8,"per_epoch":4'; }
finished() { tell '"finished","phase":"features","reason":"'"$1"'","outcome":"'"$1"'","kind":'"${2:-null}"; }
"#;

/// Saves and stops when it is asked to, and says so.
pub const STOPPABLE: &str = r#"
trap 'finished stopped; exit 3' TERM
started 0
tell '"metric","phase":"features","iteration":1,"name":"loss","value":2.5'
while [ ! -e "$dir/go-on" ]; do sleep 0.05; done
tell '"progress","phase":"features","epoch":1,"iteration":8,"iterations":8,"per_second":4.0,"seconds_left":0.0'
finished completed
"#;

/// The application and its folders.
pub struct Site {
    pub app: TestApp,
    pub jobs: Jobs,
    pub store: Store,
    cookie: String,
    config: Config,
    program: PathBuf,
}

impl Site {
    /// With jobs that run this script.
    pub async fn with(script: &str) -> Site {
        Site::changed(script, |_| ()).await
    }

    /// The same with other settings.
    pub async fn changed(script: &str, change: impl FnOnce(&mut Config)) -> Site {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let program = directory.path().join("trainer.sh");
        // Written under another name: a script that is open for writing cannot be run.
        fs::write(directory.path().join("new.sh"), format!("{PRELUDE}{script}")).expect("writable");
        fs::set_permissions(directory.path().join("new.sh"), Permissions::from_mode(0o755)).expect("ours");
        fs::rename(directory.path().join("new.sh"), &program).expect("ours");
        let mut config = Config::defaults().expect("valid defaults");
        config.training.directory = directory.path().join("runs");
        config.training.roots = vec![directory.path().to_owned()];
        change(&mut config);
        Site::on(directory, config, program).await
    }

    async fn on(directory: TempDir, config: Config, program: PathBuf) -> Site {
        let store = Store::open(directory.path()).await.expect("a store");
        let queue = QueueSettings { capacity: 4, max_batch_size: 1, timeout: LIMIT };
        let model = std::sync::Mutex::new(Some(FakeModel::new()));
        let load = move |_: &[PathBuf]| model.lock().expect("not poisoned").take().ok_or("the fake loads once");
        let models = Models::start(Folders::new(&config.model), queue, store.clone(), load).await.expect("a thread");
        let jars = directory.path().join("jars");
        let jobs = Jobs::new(&config.training, store.clone(), Program { path: program.clone(), jars });
        jobs.start().await.expect("the store is read");
        let cookie = store.start_session(&SessionRole::Admin, 1).await.expect("a session");
        let state = AppState::new(config.clone(), models.clone(), store.clone()).with_jobs(jobs.clone());
        let app = TestApp { router: app(state), models, directory };
        Site { app, jobs, store, cookie, config, program }
    }

    /// Another server on the same storage, after this one has gone without a word.
    pub async fn restarted(self) -> Site {
        self.jobs.close();
        let Site { app, store, config, program, .. } = self;
        drop(app.router);
        store.close().await;
        Site::on(app.directory, config, program).await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.app.directory.path().join(name)
    }

    pub fn cookie(&self) -> String {
        format!("expansionnet_session={}", self.cookie)
    }

    /// Asks as an admin.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answered {
        let request = Request::builder().method(method).uri(format!("/api/admin{path}"));
        let request = request.header(header::COOKIE, self.cookie());
        let request = match body {
            None => request.body(Body::empty()),
            Some(json) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(json.to_string())),
        };
        self.app.send(request.expect("a request")).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let answered = self.ask(Method::GET, path, None).await;
        assert_eq!(answered.status, 200, "{path}: {}", answered.text());
        answered.json()
    }

    pub async fn post(&self, path: &str, body: Value) -> Answered {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Makes a job of one phase; gives its id.
    pub async fn create(&self) -> String {
        let request = json!({"name": "A run", "recipe": "photos14k", "phases": ["features"], "device": "cpu"});
        let answered = self.post("/jobs", request).await;
        assert_eq!(answered.status, 201, "{}", answered.text());
        answered.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until the job satisfies this.
    pub async fn wait(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let (mut changes, deadline) = (self.jobs.changes(), Instant::now() + LIMIT);
        loop {
            changes.mark_unchanged();
            let job = self.get(&format!("/jobs/{id}")).await;
            if holds(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "the job is not {what}: {job:#}");
            let _ = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
        }
    }

    pub async fn state(&self, id: &str, state: &str) -> Value {
        self.wait(id, state, |job| job["state"] == state).await
    }

    /// At work, and the first two events are there.
    pub async fn at_work(&self, id: &str) -> Value {
        self.wait(id, "at work", |job| job["last_sequence"].as_i64() >= Some(1)).await
    }

    /// Lets the script go on.
    pub async fn let_go_on(&self, id: &str) {
        fs::write(self.folder(id).await.join("go-on"), "").expect("writable");
    }

    pub async fn folder(&self, id: &str) -> PathBuf {
        self.get(&format!("/jobs/{id}")).await["folder"].as_str().expect("a folder").into()
    }

    /// Checks that what the store has are the lines of the file, each once, in order.
    pub async fn has_every_event(&self, id: &str) {
        let page = self.get(&format!("/jobs/{id}/events?limit=5000")).await;
        let written = events(&self.folder(id).await);
        assert_eq!(page["events"].as_array(), Some(&written));
        assert_eq!(page["last_sequence"].as_u64(), Some(written.len() as u64 - 1));
    }
}

/// The whole lines of a run's events.
pub fn events(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("events.jsonl")).expect("there are events");
    text.lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect()
}
