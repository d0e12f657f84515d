//! Which model is in service, and which could be: another one is loaded beside it and then takes its place.
//!
//! A request takes the handle of the model in service once and keeps it, so that none is dropped or mixed by
//! a change; the old model goes with the last request that began with it.

mod catalog;
mod choice;
mod removal;

pub use catalog::Folders;
pub use removal::RemoveError;

use super::worker::panic_text;
use super::{BatchSizes, CaptionError, CaptionService, Loaded, Model, QueueSettings};
use crate::store::{Store, StoreError};
use catalog::{Found, without_path};
use serde::Serialize;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The most members of an ensemble.
pub const MAX_MEMBERS: usize = 8;

/// The models of a server. Cheap to clone.
#[derive(Clone)]
pub struct Models {
    inner: Arc<Inner>,
}

struct Inner {
    folders: Folders,
    start: StartService,
    store: Store,
    batches: BatchSizes,
    state: Mutex<State>,
    /// Counts the changes of the model in service.
    changes: watch::Sender<u64>,
}

struct State {
    service: CaptionService,
    activation: Activation,
}

/// What an admin should know of the last wish for another model.
#[derive(Clone, Debug, Default)]
pub struct Activation {
    /// The models that are being loaded; empty: none.
    pub loading: Vec<String>,
    /// The last wish, where it failed.
    pub failed: Option<FailedActivation>,
}

/// Starts a service with the first of the choices that loads; a choice is one folder, or those of an ensemble.
type StartService = Box<dyn Fn(Vec<Vec<PathBuf>>) -> std::io::Result<CaptionService> + Send + Sync>;

/// A model folder, as an admin sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ListedModel {
    /// The folder's name.
    pub id: String,
    /// Whether it is in service.
    pub state: ModelState,
    /// What is wrong with a broken one.
    pub reason: Option<String>,
    /// Bytes of its weights; 0 for a broken one.
    pub bytes: u64,
    /// Whether the settings name it.
    pub configured: bool,
}

/// Where a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// Could be loaded.
    OnDisk,
    /// Is being loaded.
    Loading,
    /// Captions photos, alone or in an ensemble.
    Active,
    /// Cannot be loaded.
    Broken,
}

/// An activation that came to nothing.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct FailedActivation {
    /// What was to be put into service.
    pub models: Vec<String>,
    /// Why it was not.
    pub reason: String,
}

/// Why another model was not put into service. The one before still is.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// No model, too many, or one named twice.
    #[error("name from 1 to {MAX_MEMBERS} different models")]
    Selection,
    /// One at a time.
    #[error("another model is being loaded: try again when it is in service")]
    InProgress,
    /// There is no such folder.
    #[error("there is no model `{0}`")]
    Unknown(String),
    /// The model does not load; the reason names no path.
    #[error("{reason}")]
    Unusable {
        /// What is wrong with it.
        reason: String,
    },
    /// The choice could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gave no thread, or the task that loads died.
    #[error("the model cannot be started: {0}")]
    Start(String),
}

impl Models {
    /// Starts the model that was put into service last, or the configured one. Returns before it is loaded.
    ///
    /// `load` loads one folder, or several as an ensemble, on the model's own thread.
    ///
    /// # Errors
    /// When the store fails or the system gives no thread.
    pub async fn start<M, E>(
        folders: Folders,
        queue: QueueSettings,
        store: Store,
        load: impl Fn(&[PathBuf]) -> Result<M, E> + Send + Sync + 'static,
    ) -> Result<Models, ActivateError>
    where
        M: Model + 'static,
        E: Display + 'static,
    {
        removal::finish_all(&folders).await;
        let batches = BatchSizes::new(queue.max_batch_size);
        let (load, counted) = (Arc::new(load), batches.clone());
        let start: StartService = Box::new(move |choices| {
            let load = Arc::clone(&load);
            CaptionService::start_counting(queue, counted.clone(), move || load_first(&choices, load.as_ref()))
        });
        let mut choices = vec![folders.configured.clone()];
        if let Some(chosen) = choice::recall(&store, &folders).await? {
            choices.insert(0, chosen);
        }
        let service = start(choices).map_err(|error| ActivateError::Start(error.to_string()))?;
        let state = Mutex::new(State { service, activation: Activation::default() });
        let changes = watch::Sender::new(0);
        Ok(Models { inner: Arc::new(Inner { folders, start, store, batches, state, changes }) })
    }

    /// The model in service: for one request from its beginning to its end.
    pub fn active(&self) -> CaptionService {
        self.inner.state().service.clone()
    }

    /// The model in service, where the request asks for it or for none.
    ///
    /// # Errors
    /// [`CaptionError::NotLoaded`] where it asks for another one; [`CaptionError::Loading`] or
    /// [`CaptionError::Stopped`] where it cannot be told.
    pub fn get(&self, wanted: Option<&str>) -> Result<CaptionService, CaptionError> {
        let service = self.active();
        if let Some(wanted) = wanted {
            let loaded = &service.loaded()?.info.id;
            if loaded != wanted {
                return Err(CaptionError::NotLoaded { wanted: wanted.to_owned(), loaded: loaded.clone() });
            }
        }
        Ok(service)
    }

    /// How many photos were taken at once, over every change of the model.
    pub fn batch_sizes(&self) -> &BatchSizes {
        &self.inner.batches
    }

    /// What an admin should know of the last wish for another model.
    pub fn activation(&self) -> Activation {
        self.inner.state().activation.clone()
    }

    /// The folder of a model; none where there is no such model.
    pub fn folder(&self, id: &str) -> Option<PathBuf> {
        self.inner.folders.folder(id)
    }

    /// Every model folder, by id.
    pub async fn list(&self) -> Vec<ListedModel> {
        let folders = self.inner.folders.clone();
        let found = tokio::task::spawn_blocking(move || folders.scan()).await.unwrap_or_else(|died| {
            tracing::error!(%died, "the model folders cannot be read");
            Vec::new()
        });
        let (active, activation) = (self.active().status(), self.activation());
        let state = |id: &String| match active.info() {
            _ if activation.loading.contains(id) => Some(ModelState::Loading),
            Some(info) if info.members.contains(id) => Some(ModelState::Active),
            _ => None,
        };
        found.into_iter().map(|found| ListedModel::new(state(&found.id), found)).collect()
    }

    /// Puts a model into service, or several as an ensemble: loads it, keeps the choice, and lets it take over.
    ///
    /// Goes on when the caller does not wait for the end.
    ///
    /// # Errors
    /// See [`ActivateError`]; what was in service still is.
    pub async fn activate(&self, ids: &[String]) -> Result<Arc<Loaded>, ActivateError> {
        let activating = self.begin_activation(ids)?;
        activating.await.unwrap_or_else(|died| Err(ActivateError::Start(died.to_string())))
    }

    /// As [`Models::activate`], without waiting: how it went is in [`Models::activation`].
    ///
    /// # Errors
    /// What can be told before anything is loaded.
    pub fn begin_activation(
        &self,
        ids: &[String],
    ) -> Result<JoinHandle<Result<Arc<Loaded>, ActivateError>>, ActivateError> {
        let distinct = ids.iter().enumerate().all(|(position, id)| !ids[..position].contains(id));
        if !distinct || !(1..=MAX_MEMBERS).contains(&ids.len()) {
            return Err(ActivateError::Selection);
        }
        let folder = |id: &String| self.inner.folders.folder(id).ok_or_else(|| ActivateError::Unknown(id.clone()));
        let folders = ids.iter().map(folder).collect::<Result<Vec<_>, _>>()?;
        let turn = Turn::take(&self.inner, ids)?;
        Ok(tokio::spawn(async move {
            let outcome = turn.load_and_change(folders).await;
            turn.end(&outcome);
            outcome
        }))
    }

    /// Waits until the model in service is given up; gives the reason.
    pub async fn failed(&self) -> String {
        let mut changes = self.inner.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let failed = self.active().failed();
            tokio::select! {
                // The end of a model that another has taken over from is no failure: a change is told before it.
                biased;
                _ = changes.changed() => (),
                reason = failed => return reason,
            }
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListedModel {
    fn new(state: Option<ModelState>, found: Found) -> ListedModel {
        let on_disk = if found.fault.is_some() { ModelState::Broken } else { ModelState::OnDisk };
        let Found { id, bytes, fault: reason, configured } = found;
        ListedModel { id, state: state.unwrap_or(on_disk), reason, bytes, configured }
    }
}

/// The right to change the model in service, which one at a time has.
struct Turn {
    inner: Arc<Inner>,
    models: Vec<String>,
}

impl Turn {
    fn take(inner: &Arc<Inner>, models: &[String]) -> Result<Turn, ActivateError> {
        let mut state = inner.state();
        if !state.activation.loading.is_empty() {
            return Err(ActivateError::InProgress);
        }
        state.activation = Activation { loading: models.to_vec(), failed: None };
        Ok(Turn { inner: Arc::clone(inner), models: models.to_vec() })
    }

    async fn load_and_change(&self, folders: Vec<PathBuf>) -> Result<Arc<Loaded>, ActivateError> {
        let service = (self.inner.start)(vec![folders.clone()]);
        let service = service.map_err(|error| ActivateError::Start(error.to_string()))?;
        let loaded = service.ready().await.map_err(|reason| {
            tracing::warn!(models = ?self.models, reason, "a model was not put into service");
            ActivateError::Unusable { reason: folders.iter().fold(reason, |text, folder| without_path(&text, folder)) }
        })?;
        // What is in service is what a restart brings back: a choice that cannot be kept is not made.
        choice::remember(&self.inner.store, &self.models, &self.inner.folders).await?;
        let before = std::mem::replace(&mut self.inner.state().service, service);
        self.inner.changes.send_modify(|changes| *changes += 1);
        tracing::info!(model = loaded.info.id, revision = loaded.info.revision, "put into service");
        drop(before);
        Ok(loaded)
    }

    fn end(&self, outcome: &Result<Arc<Loaded>, ActivateError>) {
        let failed = match outcome {
            Ok(_) => None,
            Err(ActivateError::Store(error)) => {
                tracing::error!(%error, "the choice of a model cannot be kept");
                Some("the choice cannot be kept".to_owned())
            }
            Err(error) => Some(error.to_string()),
        };
        self.inner.state().activation.failed =
            failed.map(|reason| FailedActivation { models: self.models.clone(), reason });
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.inner.state().activation.loading.clear();
    }
}

/// Loads the first of the choices that can be loaded; the error is that of the last.
fn load_first<M, E: Display>(
    choices: &[Vec<PathBuf>],
    load: &(impl Fn(&[PathBuf]) -> Result<M, E> + ?Sized),
) -> Result<M, String> {
    let mut reason = "there is no model to load".to_owned();
    for (position, folders) in choices.iter().enumerate() {
        // libtorch's plain operations panic for want of memory.
        match catch_unwind(AssertUnwindSafe(|| load(folders))) {
            Ok(Ok(model)) => return Ok(model),
            Ok(Err(error)) => reason = error.to_string(),
            Err(panic) => reason = panic_text(&*panic).to_owned(),
        }
        if position + 1 < choices.len() {
            let names: Vec<_> = folders.iter().map(|folder| Path::display(folder)).collect();
            tracing::warn!(?names, reason, "the model chosen last cannot be loaded: the configured one is");
        }
    }
    Err(reason)
}
