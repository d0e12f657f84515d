//! `/admin/keys`: makes, lists and revokes the keys of client apps.

use crate::store::{ApiKey, NewKey};
use crate::web::AppState;
use crate::web::api::{end_key, make_key};
use crate::web::auth::Caller;
use crate::web::pages::{self, Frame, minute_text};
use crate::web::problem::Problem;
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct KeysPage {
    frame: Frame,
    /// Newest first.
    keys: Vec<ApiKey>,
    /// Shown this once.
    created: Option<NewKey>,
}

/// The form for a new key.
#[derive(Deserialize)]
pub(in crate::web) struct KeyForm {
    name: String,
}

/// `GET /admin/keys`
pub(in crate::web) async fn keys(State(state): State<AppState>, frame: Frame) -> Result<Response, Problem> {
    pages::page(&KeysPage { frame, keys: state.store.keys().await?, created: None })
}

/// `POST /admin/keys`: the page, with the new key.
///
/// It is shown in the answer itself: nothing keeps a key that a further request could show.
pub(in crate::web) async fn create_key(
    State(state): State<AppState>,
    caller: Caller,
    frame: Frame,
    form: Result<Form<KeyForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form?;
    let created = Some(make_key(&state, &caller, &form.name).await?);
    let page = pages::page(&KeysPage { frame, keys: state.store.keys().await?, created })?;
    Ok(([(header::CACHE_CONTROL, "no-store")], page).into_response())
}

/// `POST /admin/keys/{id}/revoke`
pub(in crate::web) async fn revoke_key(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Redirect, Problem> {
    end_key(&state, &caller, &id).await?;
    Ok(Redirect::to("/admin/keys"))
}
