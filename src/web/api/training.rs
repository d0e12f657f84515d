//! What training begins with: recipes, files on the server, and the machine itself.

use crate::store::Work;
use crate::training::device::Reading;
use crate::training::folders::{self, FileKind, FolderError, Listing};
use crate::training::recipes::{self, SHIPPED};
use crate::web::AppState;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use trainer::training::recipe::fields::{Field, fields};
use trainer::training::{Phase, Recipe};

/// Recipes to begin with.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct RecipeList {
    recipes: Vec<OfferedRecipe>,
}

/// A recipe to begin with.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct OfferedRecipe {
    /// For `POST /api/admin/jobs`: `photos14k`, or `job:ID`.
    name: String,
    /// For people.
    title: String,
    /// What it is for.
    description: String,
    /// The whole of it.
    toml: String,
    /// In order.
    phases: Vec<OfferedPhase>,
    /// Every value, with its label, help, unit, kind, and the paper's value.
    #[schema(value_type = Vec<Object>)]
    fields: Vec<Field>,
}

/// A phase of a recipe.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct OfferedPhase {
    name: String,
    /// `features`, `cross-entropy` or `self-critical`.
    step: String,
}

/// `?job=ID`
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct RecipesQuery {
    /// Only the recipe of this run.
    job: Option<String>,
}

/// `GET /api/admin/recipes`
#[utoipa::path(
    get,
    path = "/api/admin/recipes",
    tag = "training",
    summary = "Recipes to begin with",
    params(RecipesQuery),
    responses((status = 200, description = "The shipped ones, or that of a run", body = RecipeList)),
)]
pub(in crate::web) async fn recipes(
    State(state): State<AppState>,
    query: Result<Query<RecipesQuery>, QueryRejection>,
) -> Result<Json<RecipeList>, Problem> {
    let Query(RecipesQuery { job }) = query?;
    let recipes = match job {
        None => {
            let offer = |shipped: &recipes::Shipped| {
                let (name, title) = (shipped.name.to_owned(), shipped.title.to_owned());
                offered(name, title, shipped.description.to_owned(), shipped.toml.to_owned())
            };
            SHIPPED.iter().filter_map(offer).collect()
        }
        Some(id) => {
            let job = super::jobs::find(&state, &id).await?;
            let none = || Problem::not_found("This job has no recipe.");
            if !matches!(job.work, Work::Train { .. }) {
                return Err(none());
            }
            let toml = tokio::fs::read_to_string(PathBuf::from(&job.folder).join(recipes::FILE)).await;
            let toml = toml.map_err(|_| none())?;
            let description = format!("As it was in this run, which began with {}.", job.recipe);
            vec![offered(format!("job:{id}"), job.name, description, toml).ok_or_else(none)?]
        }
    };
    Ok(Json(RecipeList { recipes }))
}

/// None where the text is no recipe.
fn offered(name: String, title: String, description: String, toml: String) -> Option<OfferedRecipe> {
    let recipe = Recipe::parse(&toml, &[]).ok()?;
    let phase = |phase: &Phase| OfferedPhase { name: phase.name().to_owned(), step: phase.step().to_owned() };
    let phases = recipe.phases.iter().map(phase).collect();
    Some(OfferedRecipe { name, title, description, phases, fields: fields(&recipe), toml })
}

/// Where to look, and for what.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct FoldersQuery {
    /// The folder; without, the roots of the settings.
    #[serde(default)]
    path: String,
    /// What is looked for beside folders.
    #[serde(default)]
    #[param(inline)]
    kind: FileKind,
}

/// `GET /api/admin/folders`: nothing outside of `training.roots`.
#[utoipa::path(
    get,
    path = "/api/admin/folders",
    tag = "training",
    summary = "Files and folders on the server",
    description = "Below the folders of the setting `training.roots`.",
    params(FoldersQuery),
    responses((status = 200, description = "What is in the folder", body = Listing)),
)]
pub(in crate::web) async fn folders(
    State(state): State<AppState>,
    query: Result<Query<FoldersQuery>, QueryRejection>,
) -> Result<Json<Listing>, Problem> {
    let Query(FoldersQuery { path, kind }) = query?;
    let roots = state.jobs.roots().to_vec();
    let listing = tokio::task::spawn_blocking(move || folders::list(&roots, &path, kind));
    match listing.await.map_err(|died| Problem::internal(&died))? {
        Ok(listing) => Ok(Json(listing)),
        Err(error @ FolderError::Outside) => Err(Problem::not_found(error)),
        Err(error @ FolderError::Io(_)) => Err(Problem::invalid_option(error)),
    }
}

/// `GET /api/admin/device`
#[utoipa::path(
    get,
    path = "/api/admin/device",
    tag = "training",
    summary = "How busy the machine is",
    responses((status = 200, description = "Now", body = Reading)),
)]
pub(in crate::web) async fn device(State(state): State<AppState>) -> Result<Json<Reading>, Problem> {
    let jobs = state.jobs.clone();
    let reading = tokio::task::spawn_blocking(move || jobs.sampler().read(jobs.directory()));
    Ok(Json(reading.await.map_err(|died| Problem::internal(&died))?))
}
