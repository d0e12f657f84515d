//! `/api/models` and `/api/admin/models`: what is loaded, what there is, and putting another model into service.

use crate::captioning::{FailedActivation, ListedModel};
use crate::web::AppState;
use crate::web::auth::Caller;
use crate::web::openapi::ServedModel;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use trainer::captioner::ModelInfo;

/// What is loaded.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct LoadedModels {
    /// The one in service; none while it loads.
    #[schema(value_type = Vec<ServedModel>)]
    models: Vec<ModelInfo>,
}

/// Every model folder, for admins.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct ModelFolders {
    /// By id.
    models: Vec<ListedModel>,
    /// What captions photos now: a model, or an ensemble of several.
    #[schema(value_type = Option<ServedModel>)]
    active: Option<ModelInfo>,
    /// What is being loaded to take its place.
    loading: Vec<String>,
    /// The last wish for another model, where it failed.
    failed: Option<FailedActivation>,
}

/// What to put into service.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct ActivationRequest {
    /// One id, or those of an ensemble.
    models: Vec<String>,
}

/// What is in service now.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct Activated {
    #[schema(value_type = ServedModel)]
    active: ModelInfo,
}

/// `GET /api/models`: what is loaded; nothing while it loads.
#[utoipa::path(
    get,
    path = "/api/models",
    tag = "models",
    summary = "What is loaded",
    responses((status = 200, description = "The model in service; none while it loads", body = LoadedModels)),
)]
pub(in crate::web) async fn models(State(state): State<AppState>) -> Json<LoadedModels> {
    Json(LoadedModels { models: in_service(&state).into_iter().collect() })
}

/// `GET /api/admin/models`: the model folders, read anew.
#[utoipa::path(
    get,
    path = "/api/admin/models",
    tag = "models",
    summary = "Every model folder",
    responses((status = 200, description = "The folders, read anew", body = ModelFolders)),
)]
pub(in crate::web) async fn model_folders(State(state): State<AppState>) -> Json<ModelFolders> {
    let activation = state.models.activation();
    Json(ModelFolders {
        models: state.models.list().await,
        active: in_service(&state),
        loading: activation.loading,
        failed: activation.failed,
    })
}

/// `POST /api/admin/models/activate`: answers once the model is in service, or cannot be.
#[utoipa::path(
    post,
    path = "/api/admin/models/activate",
    tag = "models",
    summary = "Put another model into service",
    description = "Several ids are one ensemble. Answers once the model is in service, or cannot be; until then, \
        and if it cannot be, the one before captions the photos.",
    request_body = ActivationRequest,
    responses((status = 200, description = "It is in service", body = Activated)),
)]
pub(in crate::web) async fn activate_models(
    State(state): State<AppState>,
    caller: Caller,
    request: Result<Json<ActivationRequest>, JsonRejection>,
) -> Result<Json<Activated>, Problem> {
    let Json(request) = request?;
    tracing::info!(%caller, models = ?request.models, "another model is wanted");
    let loaded = state.models.activate(&request.models).await?;
    Ok(Json(Activated { active: loaded.info.clone() }))
}

fn in_service(state: &AppState) -> Option<ModelInfo> {
    state.models.active().status().info().cloned()
}
