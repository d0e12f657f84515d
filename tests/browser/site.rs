//! The application on a free port of this machine, around the fake model: its captions are known beforehand.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use expansionnet::config::Config;
use expansionnet::store::{SessionRole, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::fake_model::FakeModel;
use crate::support::web::{Part, TestApp, png};

/// A running application, stopped when dropped.
pub struct Site {
    app: TestApp,
    url: String,
    serving: JoinHandle<()>,
}

impl Site {
    /// The default settings and a model that works at once.
    pub async fn start() -> Result<Self> {
        Self::with(FakeModel::new(), |_| ()).await
    }

    /// Other settings, another model.
    pub async fn with(model: FakeModel, change: impl FnOnce(&mut Config)) -> Result<Self> {
        let app = TestApp::with(model, change).await;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = app.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the site ended: {error}");
            }
        });
        Ok(Self { app, url, serving })
    }

    /// The address of a page, such as `/history`.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Signs an admin in; gives the cookie.
    pub async fn sign_in(&self) -> Result<String> {
        let store = Store::open(self.app.directory.path()).await?;
        let session = store.start_session(&SessionRole::Admin, 1).await?;
        Ok(format!("expansionnet_session={session}"))
    }

    /// Captions pictures of these widths, called `photo-20.png` and so on; gives the captions' ids.
    pub async fn caption(&self, widths: impl IntoIterator<Item = u32>) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for width in widths {
            let (name, photo) = (format!("photo-{width}.png"), png(width, 30));
            let answer = self.app.form("/api/caption", &[Part::Image(&name, &photo)]).await;
            ensure!(answer.status == 200, "{}", answer.text());
            ids.push(answer.json()["id"].as_str().unwrap_or_default().to_owned());
        }
        Ok(ids)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
