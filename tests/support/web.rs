//! The web application around a fake model, called without a socket.

use super::fake_model::FakeModel;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use expansionnet::captioning::{Folders, Model, Models, QueueSettings};
use expansionnet::config::Config;
use expansionnet::store::Store;
use expansionnet::training::{Jobs, Program};
use expansionnet::web::{AppState, app};
use http_body_util::BodyExt;
use image::{ImageFormat, RgbImage};
use serde_json::Value;
use std::fmt::Display;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use tower::ServiceExt;

/// An application and its temporary store.
pub struct TestApp {
    pub router: Router,
    pub models: Models,
    pub directory: TempDir,
}

/// A response, read to its end.
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// Checks that this is a problem with this status and code; gives its detail.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> String {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("urn:expansionnet:problem:{code}"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()));
        problem["detail"].as_str().expect("a detail").to_owned()
    }
}

impl TestApp {
    /// The default settings and a model that works at once.
    pub async fn new() -> TestApp {
        TestApp::with(FakeModel::new(), |_| ()).await
    }

    /// Other settings, another model.
    pub async fn with(model: FakeModel, change: impl FnOnce(&mut Config)) -> TestApp {
        let directory = tempfile::tempdir().expect("a temporary folder");
        TestApp::in_directory(directory, model, change).await
    }

    /// On a store that may be there already.
    pub async fn in_directory(directory: TempDir, model: FakeModel, change: impl FnOnce(&mut Config)) -> TestApp {
        let mut config = Config::defaults().expect("valid defaults");
        change(&mut config);
        let model = Mutex::new(Some(model));
        let load = move |_: &[PathBuf]| model.lock().expect("not poisoned").take().ok_or("the fake loads once");
        let app = TestApp::around(directory, config, load).await;
        app.models.active().ready().await.expect("the fake model loads");
        app
    }

    /// Around models that are loaded like this; returns before they are.
    pub async fn around<M, E>(
        directory: TempDir,
        config: Config,
        load: impl Fn(&[PathBuf]) -> Result<M, E> + Send + Sync + 'static,
    ) -> TestApp
    where
        M: Model + 'static,
        E: Display + 'static,
    {
        let store = Store::open(directory.path()).await.expect("a store");
        let queue = QueueSettings {
            capacity: config.captioning.queue_capacity,
            max_batch_size: config.captioning.max_batch_size,
            timeout: Duration::from_secs(config.captioning.request_timeout_seconds),
        };
        let models = Models::start(Folders::new(&config.model), queue, store.clone(), load).await.expect("a thread");
        // In the trainer's place a program that does nothing: it would be this test else.
        let program = Program { path: "true".into(), jars: directory.path().join("jars") };
        let jobs = Jobs::new(&config.training, store.clone(), program);
        let state = AppState::new(config, models.clone(), store).with_jobs(jobs);
        TestApp { router: app(state), models, directory }
    }

    pub async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        read(response).await
    }

    pub async fn get(&self, uri: &str) -> Answered {
        self.send(Request::get(uri).body(Body::empty()).expect("a request")).await
    }

    /// Posts a body of this media type.
    pub async fn post(&self, uri: &str, media_type: &str, body: impl Into<Body>) -> Answered {
        let request = Request::post(uri).header(header::CONTENT_TYPE, media_type);
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Posts a photo as it is.
    pub async fn caption(&self, photo: impl Into<Body>) -> Answered {
        self.post("/api/caption", "image/*", photo).await
    }

    /// Posts a multipart form.
    pub async fn form(&self, uri: &str, parts: &[Part<'_>]) -> Answered {
        self.post(uri, "multipart/form-data; boundary=EDGE", multipart(parts)).await
    }
}

/// Reads a response to its end.
pub async fn read(response: Response) -> Answered {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
    Answered { status: parts.status, headers: parts.headers, body }
}

/// A part of a multipart form.
pub enum Part<'a> {
    /// A field of text.
    Text(&'a str, &'a str),
    /// A file of the field `image`, with its name.
    Image(&'a str, &'a [u8]),
}

/// A multipart body with the boundary `EDGE`.
pub fn multipart(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        let (head, content) = match part {
            Part::Text(name, text) => (format!("name=\"{name}\""), text.as_bytes()),
            Part::Image(file, bytes) => {
                let head = format!("name=\"image\"; filename=\"{file}\"\r\nContent-Type: image/jpeg");
                (head, *bytes)
            }
        };
        body.extend_from_slice(b"--EDGE\r\nContent-Disposition: form-data; ");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--EDGE--\r\n");
    body
}

/// A plain picture of this size as a PNG file.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_pixel(width, height, image::Rgb([200, 120, 40]));
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).expect("PNG is written");
    file.into_inner()
}
