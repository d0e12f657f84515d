//! `/api/admin/keys`: the keys of client apps, for signed-in admins.

use crate::store::{ApiKey, NewKey, key_name};
use crate::web::AppState;
use crate::web::auth::Caller;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};

/// Every key, newest first, revoked ones too.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct KeyList {
    keys: Vec<ApiKey>,
}

/// A key to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct KeyRequest {
    /// Whose it is.
    name: String,
}

/// A key that was just made.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct CreatedKey {
    #[serde(flatten)]
    known: ApiKey,
    /// The key itself: it cannot be had again.
    key: String,
}

/// What must not stay in any cache.
type NotKept<T> = (StatusCode, [(HeaderName, &'static str); 1], Json<T>);

/// `GET /api/admin/keys`
#[utoipa::path(
    get,
    path = "/api/admin/keys",
    tag = "keys",
    summary = "Every API key",
    responses((status = 200, description = "Newest first, revoked ones too", body = KeyList)),
)]
pub(in crate::web) async fn keys(State(state): State<AppState>) -> Result<Json<KeyList>, Problem> {
    Ok(Json(KeyList { keys: state.store.keys().await? }))
}

/// `POST /api/admin/keys`: 201 with the key, this once.
#[utoipa::path(
    post,
    path = "/api/admin/keys",
    tag = "keys",
    summary = "Make an API key",
    request_body = KeyRequest,
    responses((status = 201, description = "The key itself, this once", body = CreatedKey)),
)]
pub(in crate::web) async fn create_key(
    State(state): State<AppState>,
    caller: Caller,
    request: Result<Json<KeyRequest>, JsonRejection>,
) -> Result<NotKept<CreatedKey>, Problem> {
    let Json(request) = request?;
    let NewKey { key, secret } = make_key(&state, &caller, &request.name).await?;
    let created = CreatedKey { known: key, key: secret };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(created)))
}

/// `DELETE /api/admin/keys/{id}`: the key no longer holds; it stays in the list.
#[utoipa::path(
    delete,
    path = "/api/admin/keys/{id}",
    tag = "keys",
    summary = "Revoke an API key",
    description = "It stays in the list.",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It no longer holds")),
)]
pub(in crate::web) async fn revoke_key(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    end_key(&state, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a key, and a line in the log without it.
pub(in crate::web) async fn make_key(state: &AppState, caller: &Caller, name: &str) -> Result<NewKey, Problem> {
    let name = key_name(name);
    let name = name.ok_or_else(|| Problem::invalid_option("`name` must be one line of 1 to 100 characters"))?;
    let made = state.store.create_key(name).await?;
    tracing::info!(%caller, key = made.key.id, name, "API key created");
    Ok(made)
}

/// Revokes a key, and says so in the log.
pub(in crate::web) async fn end_key(state: &AppState, caller: &Caller, id: &str) -> Result<(), Problem> {
    if !state.store.revoke_key(id).await? {
        return Err(Problem::not_found("There is no valid key with this id."));
    }
    tracing::info!(%caller, key = id, "API key revoked");
    Ok(())
}
