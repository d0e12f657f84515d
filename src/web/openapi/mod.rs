//! The API's description for programs (`/openapi.json`) and people (`/docs`), gathered from the handlers.

mod examples;
mod guards;
mod problems;
mod schemas;

pub(super) use schemas::{Binary, CaptionAnswer, ExportedCaptions, ServedModel, UploadForm};

use super::{api, health, metrics, problem};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header;
use axum::middleware;
use axum::response::{IntoResponse, Response};
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
        api::jobs::run_job_next,
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
        api::jobs::evaluations::file,
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
    let swagger: Router<S> = SwaggerUi::new("/docs").config(config).into();
    swagger.layer(middleware::map_response(as_a_page_of_ours))
}

/// What Swagger UI's page lacks: without a viewport, phones show it at a desk's width.
const VIEWPORT: &str = "<head>\n    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
const WAY_HOME: &str =
    "<body>\n    <div class=\"swagger-ui\"><div class=\"wrapper\"><p><a href=\"/\">ExpansionNet</a></p></div></div>";

/// More than Swagger UI's page has; it comes out of the program's memory.
const PAGE_BYTES: usize = 64 * 1024;

/// Gives the page, not the files beside it, what it lacks.
async fn as_a_page_of_ours(response: Response) -> Result<Response, problem::Problem> {
    if response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != "text/html") {
        return Ok(response);
    }
    let (mut head, body) = response.into_parts();
    let page = to_bytes(body, PAGE_BYTES).await.map_err(|error| problem::Problem::internal(&error))?;
    let page = String::from_utf8_lossy(&page).replacen("<head>", VIEWPORT, 1).replacen("<body>", WAY_HOME, 1);
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(page)))
}
