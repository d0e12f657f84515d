//! `/admin/models`: the model folders, and which of them is in service.

use crate::captioning::{FailedActivation, ListedModel, ModelState, RemoveError};
use crate::store::StoredJob;
use crate::web::AppState;
use crate::web::auth::Caller;
use crate::web::pages::{self, Frame, size_text};
use crate::web::problem::{Problem, accepts_pages};
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use std::fmt::Display;

#[derive(Template)]
#[template(path = "admin/models.html")]
struct ModelsPage {
    frame: Frame,
    /// What captions photos now; `None` while the server's first model loads.
    active: Option<String>,
    models: Vec<ModelRow>,
    loading: Vec<String>,
    failed: Option<FailedActivation>,
    /// Why what was wanted last was refused.
    refusal: Option<String>,
}

/// A model folder in words.
struct ModelRow {
    id: String,
    active: bool,
    loading: bool,
    broken: bool,
    /// Whether it may be deleted.
    deletable: bool,
    size_text: String,
    /// What is wrong; empty where nothing is.
    reason: String,
}

/// `GET /admin/models`
pub(in crate::web) async fn models(State(state): State<AppState>, frame: Frame) -> Result<Response, Problem> {
    models_page(&state, frame, None).await
}

/// The page, and why what was wanted last was refused.
async fn models_page(state: &AppState, frame: Frame, refusal: Option<String>) -> Result<Response, Problem> {
    let activation = state.models.activation();
    let active = state.models.active().status().info().map(|info| info.id.clone());
    pages::page(&ModelsPage {
        frame,
        active,
        models: state.models.list().await.into_iter().map(ModelRow::new).collect(),
        loading: activation.loading,
        failed: activation.failed,
        refusal,
    })
}

/// The page again, where there is more to do than on that of an error; programs are told as everywhere.
async fn refused(state: &AppState, frame: Frame, headers: &HeaderMap, problem: Problem) -> Result<Response, Problem> {
    if !accepts_pages(headers) {
        return Err(problem);
    }
    let page = models_page(state, frame, Some(problem.detail.clone())).await?;
    Ok(problem.on_page(page))
}

/// `POST /admin/models`: begins to load what was chosen; the page that follows shows how it goes.
///
/// The fields are `only` with one id, from the button beside it, or `models` once for each one selected.
pub(in crate::web) async fn activate_models(
    State(state): State<AppState>,
    caller: Caller,
    frame: Frame,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(fields) = fields?;
    let only = named(&fields, "only");
    let wanted = if only.is_empty() { named(&fields, "models") } else { only };
    tracing::info!(%caller, models = ?wanted, "another model is wanted");
    if wanted.is_empty() {
        return refused(&state, frame, &headers, Problem::invalid_option("select one or more models first")).await;
    }
    match state.models.begin_activation(&wanted) {
        Ok(_) => Ok(Redirect::to("/admin/models").into_response()),
        Err(error) => refused(&state, frame, &headers, error.into()).await,
    }
}

/// `POST /admin/models/delete`: removes the folder of the model in the field `delete`.
pub(in crate::web) async fn delete_model(
    State(state): State<AppState>,
    caller: Caller,
    frame: Frame,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(fields) = fields?;
    let id = named(&fields, "delete").into_iter().next().unwrap_or_default();
    match remove(&state, &id).await {
        Ok(()) => {
            tracing::info!(%caller, model = id, "model deleted");
            Ok(Redirect::to("/admin/models").into_response())
        }
        Err(problem) => refused(&state, frame, &headers, problem).await,
    }
}

/// Removes a model that neither captions photos nor is needed by an evaluation.
async fn remove(state: &AppState, id: &str) -> Result<(), Problem> {
    let folder = state.models.removable(id)?;
    let evaluations = state.jobs.evaluations_of(&folder).await?;
    if !evaluations.is_empty() {
        return Err(needed(id, &evaluations));
    }
    Ok(state.models.remove(id).await?)
}

/// An evaluation would fail in its turn without the model, or where it goes on.
fn needed(id: &str, evaluations: &[StoredJob]) -> Problem {
    let names = evaluations.iter().map(|job| format!("`{}` ({})", job.name, job.state.as_str()));
    let names = names.collect::<Vec<_>>().join(", ");
    in_use(format!(
        "the model `{id}` is needed by evaluations: {names}. Wait for their end, or stop them, which takes those that \
         wait out of the queue"
    ))
}

fn in_use(detail: impl Display) -> Problem {
    Problem::new(StatusCode::CONFLICT, "model-in-use", "The model is in use", detail)
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Problem {
        match error {
            RemoveError::Unknown(_) => Problem::invalid_option(&error),
            RemoveError::InUse(_) => in_use(&error),
            RemoveError::Io(_) => Problem::internal(&error),
        }
    }
}

/// A form's fields; some names come more than once.
type Fields = Vec<(String, String)>;

/// The values of the fields of this name.
fn named(fields: &[(String, String)], name: &str) -> Vec<String> {
    fields.iter().filter(|(field, _)| field == name).map(|(_, id)| id.clone()).collect()
}

impl ModelRow {
    fn new(model: ListedModel) -> ModelRow {
        ModelRow {
            active: model.state == ModelState::Active,
            loading: model.state == ModelState::Loading,
            broken: model.state == ModelState::Broken,
            deletable: !model.configured && !matches!(model.state, ModelState::Active | ModelState::Loading),
            size_text: size_text(usize::try_from(model.bytes).unwrap_or(usize::MAX)),
            reason: model.reason.unwrap_or_default(),
            id: model.id,
        }
    }
}
