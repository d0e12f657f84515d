//! Model folders, and a server on them that an admin asks.

use super::signing::load;
use super::support::gate::{Gate, Keeper, gate};
use super::support::web::{Answered, TestApp, png};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use expansionnet::config::Config;
use expansionnet::store::{SessionRole, Store};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The model folders and settings of a server that can be started again.
pub struct House {
    pub root: TempDir,
    gate: Option<Arc<Gate>>,
}

const MODELS: [&str; 6] = ["one", "two", "three", "slow", "held", "fickle"];

impl House {
    pub fn new() -> House {
        House::with_gate(None)
    }

    pub fn gated() -> (House, Keeper) {
        let (gate, keeper) = gate();
        (House::with_gate(Some(gate)), keeper)
    }

    fn with_gate(gate: Option<Arc<Gate>>) -> House {
        let root = tempfile::tempdir().expect("a temporary folder");
        for id in MODELS {
            write_model(&root.path().join("models").join(id));
        }
        House { root, gate }
    }

    pub fn folder(&self, id: &str) -> PathBuf {
        self.root.path().join("models").join(id)
    }

    pub fn config(&self) -> Config {
        let mut config = Config::defaults().expect("valid defaults");
        config.model.path = self.folder("one");
        config.model.directory = self.root.path().join("models");
        config.captioning.queue_capacity = 300;
        config.server.max_upload_memory_bytes = u64::MAX;
        config
    }

    /// With the settings above and an empty store.
    pub async fn start(&self) -> Server {
        self.start_in(tempfile::tempdir().expect("a temporary folder"), self.config()).await
    }

    /// On a store that may be there already; signs an admin in.
    pub async fn start_in(&self, data: TempDir, config: Config) -> Server {
        let store = Store::open(data.path()).await.expect("a store");
        let session = store.start_session(&SessionRole::Admin, 1).await.expect("a session");
        store.close().await;
        let gate = self.gate.clone();
        let app = TestApp::around(data, config, move |folders: &[PathBuf]| load(folders, gate.as_ref())).await;
        app.models.active().ready().await.expect("a model loads");
        Server { app, cookie: format!("expansionnet_session={session}") }
    }
}

/// What can be checked of a model folder without loading it is sound; the weights are none.
pub fn write_model(folder: &Path) {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
    std::fs::create_dir_all(folder).expect("a folder");
    for file in ["config.json", "vocab.json"] {
        std::fs::copy(bundled.join(file), folder.join(file)).expect("copies");
    }
    std::fs::write(folder.join("model.safetensors"), b"\x02\0\0\0\0\0\0\0{}").expect("writes");
}

/// A running server and its admin.
pub struct Server {
    pub app: TestApp,
    cookie: String,
}

impl Server {
    /// Gives the store's folder.
    pub fn stop(self) -> TempDir {
        self.app.directory
    }

    pub async fn as_admin(&self, request: axum::http::request::Builder, body: impl Into<Body>) -> Answered {
        let request = request.header(header::COOKIE, &self.cookie);
        self.app.send(request.body(body.into()).expect("a request")).await
    }

    pub async fn activate(&self, ids: &[&str]) -> Answered {
        let request = Request::post("/api/admin/models/activate").header(header::CONTENT_TYPE, "application/json");
        self.as_admin(request, json!({ "models": ids }).to_string()).await
    }

    pub async fn folders(&self) -> Value {
        self.as_admin(Request::get("/api/admin/models"), Body::empty()).await.json()
    }

    pub async fn page(&self) -> String {
        self.as_admin(Request::get("/admin/models"), Body::empty()).await.text()
    }

    /// Id of the model that is loaded, by the API that is for everybody.
    pub async fn loaded(&self) -> String {
        let models = self.app.get("/api/models").await.json();
        models["models"][0]["id"].as_str().expect("an id").to_owned()
    }

    pub async fn caption(&self, width: u32) -> Value {
        let answered = self.app.caption(png(width, 2)).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
        answered.json()
    }
}

/// By the model that the answer names, and of this picture.
pub fn assert_signed(answer: &Value, width: u32) {
    let id = answer["model"]["id"].as_str().expect("an id");
    assert_eq!(answer["caption"], format!("{id} saw {width}."));
    assert_eq!(answer["model"]["revision"], format!("revision of {id}"));
}
