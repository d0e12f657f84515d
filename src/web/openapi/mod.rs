//! The API's description for programs (`/openapi.json`) and people (`/docs`), gathered from the handlers.

mod examples;
mod guards;
mod problems;
mod schemas;

pub(super) use schemas::{Binary, CaptionAnswer, ServedModel, UploadForm};

use super::{api, health, metrics, problem};
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

#[derive(OpenApi)]
#[openapi(
    info(title = "ExpansionNet", description = TEXT),
    servers((url = "/", description = "This server")),
    paths(
        api::caption::caption,
        api::captions::captions,
        api::captions::stored_caption,
        api::captions::edit_caption,
        api::captions::delete_caption,
        api::captions::restore_caption,
        api::captions::delete_captions,
        api::captions::restore_captions,
        api::export::export,
        api::images::image,
        api::images::again,
        api::models::models,
        api::models::model_folders,
        api::models::activate_models,
        api::keys::keys,
        api::keys::create_key,
        api::keys::revoke_key,
        api::jobs::jobs,
        api::jobs::job,
        api::jobs::create_job,
        api::jobs::check_job,
        api::jobs::edit_job,
        api::jobs::delete_job,
        api::jobs::stop_job,
        api::jobs::resume_job,
        api::jobs::retry_job,
        api::jobs::events::events,
        api::jobs::figures::series,
        api::jobs::figures::samples,
        api::jobs::figures::sample_photo,
        api::jobs::files::recipe,
        api::jobs::files::log,
        api::jobs::checkpoints::list,
        api::jobs::checkpoints::download,
        api::jobs::checkpoints::activate,
        api::jobs::evaluations::create_evaluation,
        api::jobs::evaluations::evaluation,
        api::jobs::compare::compare,
        api::training::recipes,
        api::training::folders,
        api::training::device,
        health::live,
        health::ready,
        metrics::metrics,
    ),
    components(schemas(problem::ProblemJson)),
    tags(
        (name = "captioning", description = "Photos in, captions out"),
        (name = "history", description = "Past captions and their photos"),
        (name = "models", description = "What captions the photos"),
        (name = "training", description = "Training and evaluation jobs, for admins"),
        (name = "keys", description = "Keys of client apps, for admins"),
        (name = "operations", description = "For whoever watches the server"),
    ),
)]
struct ApiDoc;

/// The document for people is part of the one for programs. `/docs` shows it on a page without the site's own head.
const TEXT: &str = concat!("[Caption photos](/) · [History](/history)\n\n", include_str!("../../../docs/API.md"));

/// The document, made once.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut document = serde_json::to_value(ApiDoc::openapi()).unwrap_or_else(|error| {
        tracing::error!(%error, "the API's description cannot be written");
        Value::Null
    });
    guards::describe(&mut document);
    problems::describe(&mut document);
    examples::describe(&mut document, TEXT);
    document.to_string()
});

/// `GET /openapi.json`
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], DOCUMENT.as_str())
}

/// `/docs`: the document to read and try, from files inside the program.
pub(super) fn docs<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let config = Config::from("/openapi.json").use_base_layout().try_it_out_enabled(true).validator_url("none");
    SwaggerUi::new("/docs").config(config).into()
}
