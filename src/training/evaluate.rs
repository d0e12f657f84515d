//! An evaluation as a job: `expansionnet evaluate` on models or checkpoints, alone or as an ensemble.

use super::Jobs;
use super::checkpoints::{self, CheckpointFault, CheckpointName};
use super::create::{CreateError, device_name, job_name};
use super::folders::confine;
use super::process::EVALUATION;
use crate::captioning::MAX_MEMBERS;
use crate::store::{JobState, JobStatus, NewJob, PhaseStatus, Store, StoreError, StoredJob, Work, new_job_id};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use trainer::device::DeviceChoice;
use trainer::metrics::PAPER;

/// What is to be judged.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationRequest {
    /// In an admin's words; by default the models' names.
    #[serde(default)]
    pub name: Option<String>,
    /// Checkpoints of runs.
    #[serde(default)]
    pub checkpoints: Vec<CheckpointName>,
    /// Ids of model folders. With several models, they are one ensemble.
    #[serde(default)]
    pub models: Vec<String>,
    /// The dataset's file.
    #[schema(value_type = String)]
    pub dataset: PathBuf,
    /// Folder of its images.
    #[schema(value_type = String)]
    pub images: PathBuf,
    /// `val`, `test` or `both`.
    #[serde(default = "validation")]
    pub split: String,
    /// Beams of the searches; each makes a column of its own.
    #[serde(default = "five_beams")]
    pub beam_sizes: Vec<usize>,
    /// Only the first images of each split.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Where to compute.
    #[serde(default)]
    #[schema(value_type = String)]
    pub device: DeviceChoice,
}

fn validation() -> String {
    "val".to_owned()
}

fn five_beams() -> Vec<usize> {
    vec![5]
}

/// Folder of the models that are made of checkpoints, in the evaluation's own.
const MODELS: &str = "models";

impl Jobs {
    /// Makes an evaluation. `models` are the folders of the request's models, in their order.
    ///
    /// # Errors
    /// See [`CreateError`]; nothing is left behind then.
    pub async fn evaluate(&self, request: &EvaluationRequest, models: &[PathBuf]) -> Result<StoredJob, CreateError> {
        let runs = self.runs_of(request).await?;
        let mut names = request.models.clone();
        names.extend(runs.iter().map(|(job, one)| checkpoints::model_name(job, &one.phase, &one.name)));
        self.check_evaluation(request, &names)?;
        let (id, name) = (new_job_id(), job_name(request.name.as_deref(), &short(&names.join(" + ")))?);
        let folder = self.folder_for(&id, &name)?;
        let packaged = package_all(runs, folder.join(MODELS)).await;
        if packaged.is_err() {
            let _ = tokio::fs::remove_dir_all(&folder).await;
        }
        let job = NewJob {
            id,
            name,
            folder: folder.display().to_string(),
            device: device_name(request.device),
            recipe: String::new(),
            cloned_from: None,
            work: work(request, names, &[models, &packaged?].concat()),
            status: JobStatus {
                phases: vec![PhaseStatus::waiting("captions", "evaluation", true)],
                ..JobStatus::default()
            },
            start: true,
        };
        self.keep(job, &[]).await
    }

    /// Evaluations that wait or are at work and need the model in this folder, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evaluations_of(&self, model: &Path) -> Result<Vec<StoredJob>, StoreError> {
        let mut jobs = self.inner.store.jobs(&[JobState::Queued, JobState::Running, JobState::Stopping]).await?;
        let model = place(model);
        jobs.retain(|job| judges(job, &model));
        Ok(jobs)
    }

    async fn runs_of(&self, request: &EvaluationRequest) -> Result<Vec<(StoredJob, CheckpointName)>, CreateError> {
        let mut runs = Vec::new();
        for one in &request.checkpoints {
            runs.push((run_of(&self.inner.store, one).await?, one.clone()));
        }
        Ok(runs)
    }

    fn check_evaluation(&self, request: &EvaluationRequest, names: &[String]) -> Result<(), CreateError> {
        let invalid = |text: &str| Err(CreateError::Invalid(text.to_owned()));
        let distinct = names.iter().enumerate().all(|(place, name)| !names[..place].contains(name));
        if !(1..=MAX_MEMBERS).contains(&names.len()) || !distinct {
            return invalid("name from 1 to 8 different models or checkpoints");
        }
        if !["val", "test", "both"].contains(&request.split.as_str()) {
            return invalid("`split` must be val, test or both");
        }
        let beams = 1..=20;
        if request.beam_sizes.is_empty() || !request.beam_sizes.iter().all(|size| beams.contains(size)) {
            return invalid("`beam_sizes` must be numbers from 1 to 20");
        }
        for (key, path) in [("dataset", &request.dataset), ("images", &request.images)] {
            if confine(self.roots(), path).is_none() {
                return invalid(&format!("`{key}`: there is no {} below training.roots", path.display()));
            }
        }
        Ok(())
    }
}

/// The run of a checkpoint that is to be judged.
async fn run_of(store: &Store, checkpoint: &CheckpointName) -> Result<StoredJob, CreateError> {
    let job = store.job(&checkpoint.job).await?;
    job.ok_or_else(|| CreateError::Invalid(format!("checkpoints: there is no job `{}`", checkpoint.job)))
}

/// Whether this is an evaluation of the model that lies at a place.
fn judges(job: &StoredJob, model: &Path) -> bool {
    match &job.work {
        Work::Evaluate { models, .. } => models.iter().any(|folder| place(Path::new(folder)) == model),
        Work::Train { .. } => false,
    }
}

/// A path without links, where there is something.
fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// What the evaluation's process is to do, with absolute paths: it works in a folder of its own.
fn work(request: &EvaluationRequest, names: Vec<String>, models: &[PathBuf]) -> Work {
    let text = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    // Model folders come first.
    let folders = request.models.iter().map(|_| None);
    Work::Evaluate {
        models: models.iter().map(|folder| text(folder)).collect(),
        names,
        checkpoints: folders.chain(request.checkpoints.iter().cloned().map(Some)).collect(),
        dataset: text(&request.dataset),
        images: text(&request.images),
        split: request.split.clone(),
        beam_sizes: request.beam_sizes.clone(),
        limit: request.limit,
    }
}

async fn package_all(runs: Vec<(StoredJob, CheckpointName)>, into: PathBuf) -> Result<Vec<PathBuf>, CreateError> {
    let packaging = tokio::task::spawn_blocking(move || {
        let package =
            |(job, one): &(StoredJob, CheckpointName)| checkpoints::package(job, &one.phase, &one.name, &into);
        runs.iter().map(package).collect::<Result<Vec<_>, CheckpointFault>>()
    });
    Ok(packaging.await??)
}

/// Removes the models that were made for an evaluation which has judged them. One that was stopped or has failed may go
/// on, and its run may have removed the checkpoints since.
pub(super) async fn remove_models(job: &StoredJob, state: JobState) {
    let Some(folder) = unneeded_models(job, state) else { return };
    match tokio::fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(%error, job = job.id, "the models of an evaluation cannot be removed");
        }
        _ => (),
    }
}

/// The folder of an evaluation's own models, once it is complete.
pub(super) fn unneeded_models(job: &StoredJob, state: JobState) -> Option<PathBuf> {
    let complete = matches!(job.work, Work::Evaluate { .. }) && state == JobState::Completed;
    complete.then(|| Path::new(&job.folder).join(MODELS))
}

/// At most as long as a name may be.
fn short(text: &str) -> String {
    match text.chars().count() {
        0..=80 => text.to_owned(),
        _ => text.chars().take(79).chain(['…']).collect(),
    }
}

/// The report of a finished evaluation, with the paper's figures and the names of its files; none where there is no
/// report yet. Blocks.
pub fn report(job: &StoredJob) -> Option<Value> {
    let text = fs::read(Path::new(&job.folder).join(EVALUATION).join("report.json")).ok()?;
    let mut report: Value = serde_json::from_slice(&text).ok().filter(Value::is_object)?;
    let column = |column: usize| -> Value {
        let figures = PAPER.iter().map(|(metric, figures)| ((*metric).to_owned(), json!(figures[column])));
        figures.collect::<serde_json::Map<_, _>>().into()
    };
    report["paper"] = json!({"single": column(0), "ensemble": column(1)});
    report["files"] = json!(report_files(job));
    Some(report)
}

/// The files of an evaluation's reports, by name.
fn report_files(job: &StoredJob) -> Vec<String> {
    let entries = fs::read_dir(Path::new(&job.folder).join(EVALUATION)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_report(name)).collect();
    names.sort();
    names
}

/// One of the files of an evaluation's reports; none where it has no such file. Blocks.
pub fn report_file(job: &StoredJob, name: &str) -> Option<File> {
    if !matches!(job.work, Work::Evaluate { .. }) || !is_report(name) {
        return None;
    }
    let path = Path::new(&job.folder).join(EVALUATION).join(name);
    // A link would lead out of the folder.
    path.symlink_metadata().ok()?.is_file().then(|| File::open(&path).ok()).flatten()
}

/// Whether a file is one of the reports: a name, never a path.
fn is_report(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let captions = name.starts_with("captions_") && name.ends_with("_results.json");
    plain && (captions || ["report.html", "report.json", "predictions.json"].contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_names_and_nothing_else() {
        for name in ["report.html", "report.json", "predictions.json", "captions_val_beam5_results.json"] {
            assert!(is_report(name), "{name}");
        }
        for name in ["", "captions.jsonl", "../report.html", "captions_/../x_results.json", "captions_é_results.json"]
        {
            assert!(!is_report(name), "{name}");
        }
    }
}
