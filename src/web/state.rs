//! What every handler can reach.

use super::in_progress::InProgress;
use super::limits::Limits;
use super::upload_memory::UploadMemory;
use crate::captioning::{Intake, Models};
use crate::config::Config;
use crate::fetch::Fetcher;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::training::{Jobs, Program};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Settings and services; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub(super) config: Arc<Config>,
    pub(super) models: Models,
    pub(super) intake: Intake,
    pub(super) store: Store,
    pub(super) jobs: Jobs,
    pub(super) metrics: Metrics,
    /// Captions that are being made.
    pub(super) in_progress: InProgress,
    /// None where photos are not fetched by their address.
    pub(super) fetcher: Option<Fetcher>,
    /// For the uploads that are being received and answered.
    pub(super) upload_memory: Arc<UploadMemory>,
    /// How much one client may ask for.
    pub(super) limits: Arc<Limits>,
    /// The permit for noting when a key was used last.
    pub(super) key_notes: Arc<Semaphore>,
}

impl AppState {
    /// Puts the services together by the settings.
    ///
    /// # Panics
    /// Never for a program that passes its tests: see [`Metrics::new`].
    pub fn new(config: Config, models: Models, store: Store) -> AppState {
        let decodes = config.image.max_concurrent_decodes;
        AppState {
            intake: Intake::new(config.image_limits(), decodes),
            upload_memory: Arc::new(UploadMemory::new(&config.server)),
            limits: Arc::new(Limits::new(&config.limits)),
            key_notes: Arc::new(Semaphore::new(1)),
            jobs: Jobs::new(&config.training, store.clone(), program(&config)),
            config: Arc::new(config),
            metrics: Metrics::new(models.batch_sizes()).expect("sound names of metrics"),
            models,
            in_progress: InProgress::default(),
            store,
            fetcher: None,
        }
    }

    /// Takes the place of the jobs that [`AppState::new`] made: with another program, for tests.
    pub fn with_jobs(self, jobs: Jobs) -> AppState {
        AppState { jobs, ..self }
    }

    /// The jobs: whoever serves starts and closes them.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Says whether and how photos are fetched by their address: not at all, if nothing is said.
    pub fn with_fetcher(self, fetcher: Option<Fetcher>) -> AppState {
        AppState { fetcher, ..self }
    }
}

/// This program, as it lies on disk now: an update takes effect with the next job.
fn program(config: &Config) -> Program {
    let path = std::env::current_exe().unwrap_or_else(|error| {
        tracing::error!(%error, "jobs cannot be started: where this program lies is not known");
        PathBuf::new()
    });
    let jars = std::path::absolute(&config.evaluation.jars).unwrap_or_else(|_| config.evaluation.jars.clone());
    Program { path, jars }
}
