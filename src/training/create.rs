//! A new job: checked, its folder made, its recipe written into it.

use super::Jobs;
use super::checkpoints::CheckpointFault;
use super::recipes::{self, RecipeFault};
use crate::store::{JobStatus, NewJob, PhaseStatus, StoreError, StoredJob, Work, new_job_id};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};
use tokio::task::JoinError;
use trainer::device::DeviceChoice;
use trainer::training::{Phase, Recipe};

/// What a training job is to be.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// In an admin's words; by default the recipe's name.
    #[serde(default)]
    pub name: Option<String>,
    /// `photos14k`, `photos14k-distilled`, `paper`, or `job:ID` for that of a former run.
    pub recipe: String,
    /// Values to change, by their keys: `{"data.dataset": "…", "xe.batch_size": 32}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Phases to run; all by default.
    #[serde(default)]
    pub phases: Option<Vec<String>>,
    /// Where to train.
    #[serde(default)]
    #[schema(value_type = String)]
    pub device: DeviceChoice,
    /// Whether it goes into the queue at once; else it waits to be resumed.
    #[serde(default = "yes")]
    pub start: bool,
}

fn yes() -> bool {
    true
}

/// Why there is no new job.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The recipe, or a value of it.
    #[error(transparent)]
    Recipe(#[from] RecipeFault),
    /// Something else that was asked for cannot be.
    #[error("{0}")]
    Invalid(String),
    /// A checkpoint that was named gives no model.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointFault),
    /// The folder cannot be made.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread that works at it died.
    #[error("working ended unexpectedly: {0}")]
    Died(#[from] JoinError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A recipe that was asked for.
pub(super) struct Chosen {
    pub recipe: Recipe,
    /// The shipped recipe that it began with.
    origin: String,
    cloned_from: Option<String>,
    /// Those to run, in the recipe's order.
    pub phases: Vec<String>,
}

impl Jobs {
    /// Makes a training job.
    ///
    /// # Errors
    /// See [`CreateError`]; nothing is left behind then.
    pub async fn create(&self, request: &JobRequest) -> Result<StoredJob, CreateError> {
        let Chosen { recipe, origin, cloned_from, phases } = self.choose(request).await?;
        let invalid = |error: toml::ser::Error| CreateError::Invalid(error.to_string());
        let toml = toml::to_string(&recipe).map_err(invalid)?;
        let device = device_name(request.device);
        let seconds = self.inner.measured(&toml, &device);
        let status = |phase: &Phase| {
            let selected = phases.iter().any(|name| name == phase.name());
            let mut status = PhaseStatus::waiting(phase.name(), phase.step(), selected);
            status.sees_captions = phase.sees_captions();
            status.expected_seconds = seconds.get(phase.name()).copied();
            status
        };
        let status = JobStatus { phases: recipe.phases.iter().map(status).collect(), ..JobStatus::default() };
        let (id, name) = (new_job_id(), job_name(request.name.as_deref(), &origin)?);
        let job = NewJob {
            folder: self.folder_for(&id, &name)?.display().to_string(),
            id,
            name,
            device,
            recipe: origin,
            cloned_from,
            work: Work::Train { phases },
            status,
            start: request.start,
        };
        self.keep(job, &[(recipes::FILE, toml)]).await
    }

    /// Makes a job's folder and files, keeps it, and wakes the queue.
    pub(super) async fn keep(&self, job: NewJob, files: &[(&str, String)]) -> Result<StoredJob, CreateError> {
        let folder = Path::new(&job.folder);
        let kept = async {
            write_all(folder, files).await?;
            Ok(self.inner.store.create_job(&job).await?)
        };
        match kept.await {
            Ok(job) => {
                self.inner.changed();
                self.inner.queue.notify_one();
                Ok(job)
            }
            Err(error) => {
                let _ = tokio::fs::remove_dir_all(folder).await;
                Err(error)
            }
        }
    }

    /// The recipe with the values, and the phases, as they are asked for.
    pub(super) async fn choose(&self, request: &JobRequest) -> Result<Chosen, CreateError> {
        let (text, origin, cloned_from) = match request.recipe.strip_prefix("job:") {
            None => (recipes::shipped(&request.recipe)?.to_owned(), request.recipe.clone(), None),
            Some(id) => {
                let job = self.inner.store.job(id).await?.filter(|job| matches!(job.work, Work::Train { .. }));
                let job = job.ok_or_else(|| RecipeFault::Unknown(request.recipe.clone()))?;
                let path = Path::new(&job.folder).join(recipes::FILE);
                let text = tokio::fs::read_to_string(&path).await;
                (text.map_err(|source| CreateError::Folder { path, source })?, job.recipe, Some(job.id))
            }
        };
        let recipe =
            recipes::with_values(&text, &request.settings, &self.inner.settings.roots, &self.inner.settings.directory)?;
        let phases = chosen_phases(&recipe, request.phases.as_deref())?;
        Ok(Chosen { recipe, origin, cloned_from, phases })
    }

    /// A folder that is not there yet, named so that people find it.
    pub(super) fn folder_for(&self, id: &str, name: &str) -> Result<PathBuf, CreateError> {
        let directory = &self.inner.settings.directory;
        let failed = |source| CreateError::Folder { path: directory.clone(), source };
        let random = id.rsplit('-').next().unwrap_or(id);
        Ok(std::path::absolute(directory).map_err(failed)?.join(format!("{}-{random}", slug(name))))
    }
}

async fn write_all(folder: &Path, files: &[(&str, String)]) -> Result<(), CreateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CreateError::Folder { path, source }
    };
    tokio::fs::create_dir_all(folder).await.map_err(failed(folder))?;
    for (name, text) in files {
        let path = folder.join(name);
        tokio::fs::write(&path, text).await.map_err(failed(&path))?;
    }
    Ok(())
}

/// Those that are asked for, in the recipe's order.
fn chosen_phases(recipe: &Recipe, asked: Option<&[String]>) -> Result<Vec<String>, CreateError> {
    let all: Vec<String> = recipe.phases.iter().map(|phase| phase.name().to_owned()).collect();
    let Some(asked) = asked else { return Ok(all) };
    if let Some(unknown) = asked.iter().find(|name| !all.contains(name)) {
        let known = all.join(", ");
        return Err(CreateError::Invalid(format!("phases: the recipe has no phase `{unknown}`; it has {known}")));
    }
    if asked.is_empty() {
        return Err(CreateError::Invalid("phases: choose one or more".to_owned()));
    }
    Ok(all.into_iter().filter(|name| asked.contains(name)).collect())
}

/// One line, or what stands in for it.
pub(super) fn job_name(name: Option<&str>, otherwise: &str) -> Result<String, CreateError> {
    let name = name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(otherwise);
    checked_name(name).ok_or_else(|| CreateError::Invalid(NAME.to_owned()))
}

/// A name that can be read on one line.
pub fn checked_name(name: &str) -> Option<String> {
    let name = name.trim();
    let sound = (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    sound.then(|| name.to_owned())
}

/// What is wrong with a name.
pub const NAME: &str = "`name` must be one line of 1 to 100 characters";

/// As the settings write it.
pub(super) fn device_name(device: DeviceChoice) -> String {
    match device {
        DeviceChoice::Auto => "auto",
        DeviceChoice::Cpu => "cpu",
        DeviceChoice::Cuda => "cuda",
    }
    .to_owned()
}

/// Letters, digits and dashes.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.to_lowercase().chars() {
        match letter.is_ascii_alphanumeric() {
            true => slug.push(letter),
            false if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            false => (),
        }
    }
    slug.truncate(40);
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "run".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_by_letters_digits_and_dashes() {
        assert_eq!(slug("My photos, 2nd try!"), "my-photos-2nd-try");
        assert_eq!(slug("../../etc"), "etc");
        assert_eq!(slug("照片"), "run");
        assert_eq!(slug(&"a b".repeat(50)).len(), 40);
    }

    #[test]
    fn phases_come_in_the_recipes_order() {
        let recipe = Recipe::parse(recipes::SHIPPED[0].toml, &[]).expect("a recipe");
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen_phases(&recipe, Some(&names)).map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&["xe", "features"]), Ok(vec!["features".to_owned(), "xe".to_owned()]));
        assert!(chosen(&["xxe"]).expect_err("unknown").contains("language, features, xe,"));
        assert!(chosen(&[]).is_err());
        assert_eq!(chosen_phases(&recipe, None).expect("all").len(), 7);
    }
}
