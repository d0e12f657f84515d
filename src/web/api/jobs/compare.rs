//! `/api/admin/compare`: runs side by side.

use super::{find, view};
use crate::store::{FigureRange, StoredJob, Work};
use crate::training::recipes;
use crate::training::view::Job;
use crate::web::AppState;
use crate::web::problem::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The most jobs that are compared.
const MOST: usize = 12;

/// `?jobs=ID,ID`
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct CompareQuery {
    /// Ids of from 1 to 12 jobs, with commas between them.
    jobs: String,
}

/// Jobs side by side.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct Comparison {
    /// As they were asked for.
    jobs: Vec<Job>,
    /// Only those that differ.
    settings: Vec<ComparedSetting>,
    /// The newest and the best value of every figure.
    metrics: Vec<ComparedMetric>,
}

/// A value of the recipes.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct ComparedSetting {
    key: String,
    /// In the order of the jobs; null where a recipe has none.
    #[schema(value_type = Vec<Object>)]
    values: Vec<Value>,
}

/// A figure.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::web) struct ComparedMetric {
    phase: String,
    name: String,
    /// The newest, in the order of the jobs; null where a job has none.
    values: Vec<Option<f64>>,
    /// The best so far: the lowest of a loss, the highest of a metric or reward. Null also for figures that are none of
    /// these.
    best: Vec<Option<f64>>,
}

/// `GET /api/admin/compare`
#[utoipa::path(
    get,
    path = "/api/admin/compare",
    operation_id = "compare_jobs",
    tag = "training",
    summary = "Jobs side by side",
    params(CompareQuery),
    responses((status = 200, description = "What differs, and how good they are", body = Comparison)),
)]
pub(in crate::web) async fn compare(
    State(state): State<AppState>,
    query: Result<Query<CompareQuery>, QueryRejection>,
) -> Result<Json<Comparison>, Problem> {
    let Query(CompareQuery { jobs: ids }) = query?;
    let ids: Vec<&str> = ids.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    if !(1..=MOST).contains(&ids.len()) {
        return Err(Problem::invalid_option(format!("`jobs` must name from 1 to {MOST} jobs")));
    }
    let (mut jobs, mut recipes, mut figures) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        let job = find(&state, id).await?;
        recipes.push(flat_recipe(&job));
        figures.push(state.store.job_figures(id).await?);
        jobs.push(view(&state, job).await?);
    }
    Ok(Json(Comparison { jobs, settings: differing(&recipes), metrics: side_by_side(&figures) }))
}

fn flat_recipe(job: &StoredJob) -> BTreeMap<String, Value> {
    match &job.work {
        Work::Train { .. } => {
            recipes::of_run(Path::new(&job.folder)).map(|recipe| recipes::flatten(&recipe)).unwrap_or_default()
        }
        Work::Evaluate { names, dataset, images, split, beam_sizes, limit, .. } => BTreeMap::from([
            ("models".to_owned(), names.clone().into()),
            ("dataset".to_owned(), dataset.clone().into()),
            ("images".to_owned(), images.clone().into()),
            ("split".to_owned(), split.clone().into()),
            ("beam_sizes".to_owned(), beam_sizes.clone().into()),
            ("limit".to_owned(), (*limit).into()),
        ]),
    }
}

fn differing(recipes: &[BTreeMap<String, Value>]) -> Vec<ComparedSetting> {
    let keys: BTreeSet<&String> = recipes.iter().flat_map(BTreeMap::keys).collect();
    let of = |key: &String| recipes.iter().map(|recipe| recipe.get(key).cloned().unwrap_or(Value::Null)).collect();
    let settings = keys.into_iter().map(|key| ComparedSetting { key: key.clone(), values: of(key) });
    settings.filter(|setting| setting.values.iter().any(|value| *value != setting.values[0])).collect()
}

/// Device readings say nothing of a model.
const OF_THE_DEVICE: [&str; 4] = ["cpu_percent", "memory_bytes", "gpu_percent", "gpu_memory_bytes"];

/// Settings that change with the iterations, and what follows from the device: more is neither better nor worse.
const OF_THE_WAY: [&str; 3] = ["learning_rate", "gradient_norm", "per_second"];

/// What a job has told, by phase and name.
type Figures = BTreeMap<(String, String), FigureRange>;

fn side_by_side(figures: &[Figures]) -> Vec<ComparedMetric> {
    let keys: BTreeSet<&(String, String)> = figures.iter().flat_map(BTreeMap::keys).collect();
    let of_models = keys.into_iter().filter(|(_, name)| !OF_THE_DEVICE.contains(&name.as_str()));
    let compared = |key: &(String, String)| {
        let ranges: Vec<Option<&FigureRange>> = figures.iter().map(|figures| figures.get(key)).collect();
        ComparedMetric {
            phase: key.0.clone(),
            name: key.1.clone(),
            values: ranges.iter().map(|range| Some((*range)?.newest)).collect(),
            best: ranges.iter().map(|range| best(&key.1, (*range)?)).collect(),
        }
    };
    of_models.map(compared).collect()
}

fn best(name: &str, range: &FigureRange) -> Option<f64> {
    match name {
        name if OF_THE_WAY.contains(&name) => None,
        name if name.contains("loss") => Some(range.least),
        _ => Some(range.most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_told_and_what_is_missing_is_null() {
        let recipe = |pairs: &[(&str, i64)]| pairs.iter().map(|&(key, value)| (key.to_owned(), json!(value))).collect();
        let settings =
            differing(&[recipe(&[("seed", 1), ("xe.epochs", 2)]), recipe(&[("seed", 1), ("scst.epochs", 3)])]);
        let told: Vec<_> = settings.iter().map(|setting| (setting.key.as_str(), setting.values.clone())).collect();
        assert_eq!(told, [("scst.epochs", vec![Value::Null, json!(3)]), ("xe.epochs", vec![json!(2), Value::Null])]);
    }

    #[test]
    fn the_best_is_the_lowest_loss_and_the_highest_metric() {
        let figures = |name: &str| {
            let range = FigureRange { newest: 0.5, least: 0.25, most: 1. };
            BTreeMap::from([(("xe".to_owned(), name.to_owned()), range)])
        };
        for (name, best) in [("validation_loss", Some(0.25)), ("CIDEr-D", Some(1.)), ("learning_rate", None)] {
            let metrics = side_by_side(&[figures(name), figures("cpu_percent")]);
            assert_eq!(
                (metrics.len(), &metrics[0].values, &metrics[0].best),
                (1, &vec![Some(0.5), None], &vec![best, None])
            );
        }
    }
}
