//! An evaluation as a job: `expansionnet evaluate` on models or checkpoints, alone or as an ensemble.

use super::Jobs;
use super::checkpoints::{self, CheckpointFault, CheckpointName};
use super::create::{CreateError, device_name, job_name};
use super::folders::confine;
use super::process::EVALUATION;
use crate::store::{JobStatus, NewJob, PhaseStatus, StoredJob, Work, new_job_id};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use trainer::device::DeviceChoice;

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

/// The most models of an ensemble.
const MOST_MODELS: usize = 8;

/// What the paper reports, in parts of one: a single model and an ensemble.
const PAPER: [(&str, f64, f64); 6] = [
    ("BLEU-1", 0.828, 0.835),
    ("BLEU-4", 0.415, 0.427),
    ("METEOR", 0.303, 0.306),
    ("ROUGE-L", 0.605, 0.611),
    ("CIDEr-D", 1.404, 1.437),
    ("SPICE", 0.245, 0.247),
];

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
        let mut job = NewJob {
            id: new_job_id(),
            name: job_name(request.name.as_deref(), &short(&names.join(" + ")))?,
            folder: String::new(),
            device: device_name(request.device),
            recipe: String::new(),
            cloned_from: None,
            work: Work::Train { phases: Vec::new() },
            status: JobStatus {
                phases: vec![PhaseStatus::waiting("captions", "evaluation", true)],
                ..JobStatus::default()
            },
            start: true,
        };
        let folder = self.folder_for(&job)?;
        let mut folders: Vec<PathBuf> = models.to_vec();
        match package_all(runs, folder.join("models")).await {
            Ok(packaged) => folders.extend(packaged),
            Err(error) => {
                let _ = tokio::fs::remove_dir_all(&folder).await;
                return Err(error);
            }
        }
        let text = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        job.work = Work::Evaluate {
            models: folders.iter().map(|folder| text(folder)).collect(),
            names,
            dataset: text(&request.dataset),
            images: text(&request.images),
            split: request.split.clone(),
            beam_sizes: request.beam_sizes.clone(),
            limit: request.limit,
        };
        self.keep(job, folder, &[]).await
    }

    async fn runs_of(&self, request: &EvaluationRequest) -> Result<Vec<(StoredJob, CheckpointName)>, CreateError> {
        let mut runs = Vec::new();
        for one in &request.checkpoints {
            let job = self.inner.store.job(&one.job).await?;
            let job = job.ok_or_else(|| CreateError::Invalid(format!("checkpoints: there is no job `{}`", one.job)))?;
            runs.push((job, one.clone()));
        }
        Ok(runs)
    }

    fn check_evaluation(&self, request: &EvaluationRequest, names: &[String]) -> Result<(), CreateError> {
        let invalid = |text: &str| Err(CreateError::Invalid(text.to_owned()));
        let distinct = names.iter().enumerate().all(|(place, name)| !names[..place].contains(name));
        if !(1..=MOST_MODELS).contains(&names.len()) || !distinct {
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

async fn package_all(runs: Vec<(StoredJob, CheckpointName)>, into: PathBuf) -> Result<Vec<PathBuf>, CreateError> {
    let packaging = tokio::task::spawn_blocking(move || {
        let package =
            |(job, one): &(StoredJob, CheckpointName)| checkpoints::package(job, &one.phase, &one.name, &into);
        runs.iter().map(package).collect::<Result<Vec<_>, CheckpointFault>>()
    });
    let packaged = packaging.await.map_err(|died| CreateError::Invalid(died.to_string()))?;
    packaged.map_err(|fault| CreateError::Invalid(fault.to_string()))
}

/// At most as long as a name may be.
fn short(text: &str) -> String {
    match text.chars().count() {
        0..=80 => text.to_owned(),
        _ => text.chars().take(79).chain(['…']).collect(),
    }
}

/// The report of a finished evaluation, with the paper's figures; none where there is no report yet. Blocks.
pub fn report(job: &StoredJob) -> Option<Value> {
    let text = std::fs::read(Path::new(&job.folder).join(EVALUATION).join("report.json")).ok()?;
    let mut report: Value = serde_json::from_slice(&text).ok().filter(Value::is_object)?;
    let column = |pick: fn(&(&str, f64, f64)) -> f64| -> Value {
        PAPER.iter().map(|line| (line.0.to_owned(), json!(pick(line)))).collect::<serde_json::Map<_, _>>().into()
    };
    report["paper"] = json!({"single": column(|line| line.1), "ensemble": column(|line| line.2)});
    Some(report)
}
