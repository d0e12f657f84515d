//! `/admin/models`: the model folders, and which of them is in service.

use crate::captioning::{FailedActivation, ListedModel, ModelState, Status};
use crate::web::AppState;
use crate::web::auth::Caller;
use crate::web::pages::{self, Frame, size_text};
use crate::web::problem::Problem;
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{Redirect, Response};

#[derive(Template)]
#[template(path = "admin/models.html")]
struct ModelsPage {
    frame: Frame,
    /// What captions photos now; `None` while the server's first model loads.
    active: Option<String>,
    models: Vec<ModelRow>,
    loading: Vec<String>,
    failed: Option<FailedActivation>,
}

/// A model folder in words.
struct ModelRow {
    id: String,
    active: bool,
    loading: bool,
    broken: bool,
    size_text: String,
    /// What is wrong; empty where nothing is.
    reason: String,
}

/// `GET /admin/models`
pub(in crate::web) async fn models(State(state): State<AppState>, frame: Frame) -> Result<Response, Problem> {
    let activation = state.models.activation();
    let active = match state.models.active().status() {
        Status::Ready(loaded) => Some(loaded.info.id.clone()),
        Status::Loading | Status::Failed(_) => None,
    };
    pages::page(&ModelsPage {
        frame,
        active,
        models: state.models.list().await.into_iter().map(ModelRow::new).collect(),
        loading: activation.loading,
        failed: activation.failed,
    })
}

/// `POST /admin/models`: begins to load what was chosen; the page that follows shows how it goes.
///
/// The fields are `only` with one id, from the button beside it, or `models` once for each one selected.
pub(in crate::web) async fn activate_models(
    State(state): State<AppState>,
    caller: Caller,
    fields: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(fields) = fields.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let named = |name: &str| -> Vec<String> {
        fields.iter().filter(|(field, _)| field == name).map(|(_, id)| id.clone()).collect()
    };
    let only = named("only");
    let wanted = if only.is_empty() { named("models") } else { only };
    tracing::info!(%caller, models = ?wanted, "another model is wanted");
    state.models.begin_activation(&wanted)?;
    Ok(Redirect::to("/admin/models"))
}

impl ModelRow {
    fn new(model: ListedModel) -> ModelRow {
        ModelRow {
            active: model.state == ModelState::Active,
            loading: model.state == ModelState::Loading,
            broken: model.state == ModelState::Broken,
            size_text: size_text(usize::try_from(model.bytes).unwrap_or(usize::MAX)),
            reason: model.reason.unwrap_or_default(),
            id: model.id,
        }
    }
}
