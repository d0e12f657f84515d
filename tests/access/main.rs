//! Who may do what: keys, sign-in, requests from other sites, limits. Through the router, on a real store.

mod cross_site;
mod guards;
mod hosts;
mod keys;
mod limits;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;

use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Request, header};
use expansionnet::config::{Access, Config};
use expansionnet::store::{NewKey, Store};
use support::fake_model::FakeModel;
use support::web::{Answered, TestApp};

const PASSWORD: &str = "correct horse battery";

/// An application, and its store by another door, as the command line has it.
struct Guarded {
    app: TestApp,
    store: Store,
}

impl Guarded {
    /// With an admin's password.
    async fn with(change: impl FnOnce(&mut Config)) -> Guarded {
        let app = TestApp::with(FakeModel::new(), change).await;
        let store = Store::open(app.directory.path()).await.expect("a second handle");
        store.set_admin_password(PASSWORD).await.expect("set");
        Guarded { app, store }
    }

    /// Everything needs a key.
    async fn closed() -> Guarded {
        Guarded::with(|config| {
            config.access.captioning = Access::Key;
            config.access.history = Access::Key;
            config.access.metrics = Access::Key;
        })
        .await
    }

    async fn key(&self) -> NewKey {
        self.store.create_key("an app").await.expect("made")
    }

    /// Sends the sign-in form.
    async fn try_sign_in(&self, secret: &str, next: &str) -> Answered {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("secret", secret).append_pair("next", next).finish();
        self.app.post("/sign-in", "application/x-www-form-urlencoded", form).await
    }

    /// Signs in; gives the cookie as a browser sends it back.
    async fn sign_in(&self, secret: &str) -> String {
        let answer = self.try_sign_in(secret, "/").await;
        assert_eq!(answer.header("location"), "/", "{}", answer.text());
        let cookie = answer.header("set-cookie").split(';').next().expect("a pair");
        assert!(cookie.starts_with("expansionnet_session="), "{cookie}");
        cookie.to_owned()
    }

    async fn send(&self, request: Builder) -> Answered {
        self.app.send(request.body(Body::empty()).expect("a request")).await
    }

    /// As a browser asks for a page.
    async fn browse(&self, uri: &str, cookie: &str) -> Answered {
        self.send(Request::get(uri).header(header::ACCEPT, "text/html").header(header::COOKIE, cookie)).await
    }
}
