//! Jobs: runs of the trainer and evaluations, each a process of its own that this server starts, watches and stops.
//!
//! [`Jobs`] is the handle. What an admin wishes changes a job's state in the store ([`state`]); `supervisor` takes
//! what is queued in turn, `process` starts it, `recorder` reads what it tells from a file, and `ending` says
//! how it ended. A server that is restarted finds its processes again, or what became of them.

pub mod checkpoints;
mod create;
pub mod device;
mod ending;
pub mod evaluate;
pub mod folders;
mod leftovers;
pub mod logs;
pub mod preflight;
mod process;
pub mod recipes;
mod recorder;
pub mod state;
mod supervisor;
pub mod view;
mod webhook;

pub use create::{CreateError, JobRequest, NAME, checked_name};
pub use ending::STOPPED;
pub use process::Program;
pub use state::Action;

use crate::config::TrainingConfig;
use crate::store::{Change, JobState, Store, StoreError, StoredJob};
use device::Sampler;
use preflight::Measured;
use process::Identity;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, Notify, watch};
use view::Job;

/// The jobs of a server. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

struct Inner {
    settings: TrainingConfig,
    store: Store,
    program: Program,
    sampler: Sampler,
    /// Counts the changes of any job.
    changes: watch::Sender<u64>,
    /// Somebody is wanted in the queue.
    queue: Notify,
    /// Held by the check that measures the device.
    measuring: Mutex<()>,
    /// What it found last.
    measured: std::sync::Mutex<Measured>,
    closing: watch::Sender<bool>,
}

/// Why a job was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// There is none, or no longer.
    #[error("there is no job with this id")]
    Unknown,
    /// Its state does not allow it: somebody was faster, or the page is old.
    #[error("the job is {}: it cannot be {} now", .state.as_str(), .action.verb())]
    State {
        /// The state it is in.
        state: JobState,
        /// What was wanted.
        action: Action,
    },
    /// Its files could not be removed.
    #[error("its files cannot be removed: {0}")]
    Files(#[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Jobs {
    /// A handle; nothing runs before [`Jobs::start`].
    pub fn new(settings: &TrainingConfig, store: Store, program: Program) -> Jobs {
        let inner = Inner {
            settings: settings.clone(),
            store,
            program,
            sampler: Sampler::new(),
            changes: watch::Sender::new(0),
            queue: Notify::new(),
            measuring: Mutex::new(()),
            measured: std::sync::Mutex::default(),
            closing: watch::Sender::new(false),
        };
        Jobs { inner: Arc::new(inner) }
    }

    /// Takes the jobs of the server before over, clears away what it left, and starts the jobs that wait, in turn,
    /// until [`Jobs::close`]. For whoever has the storage alone, before any request.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start(&self) -> Result<(), StoreError> {
        leftovers::remove(&self.inner).await;
        supervisor::start(&self.inner).await
    }

    /// Ends streams and stops watching. Processes go on: the next server finds them.
    pub fn close(&self) {
        self.inner.closing.send_replace(true);
    }

    /// Waits for [`Jobs::close`].
    pub async fn closed(&self) {
        let mut closing = self.inner.closing.subscribe();
        // The sender lives as long as this handle.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Tells of every change of any job.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// The machine.
    pub fn sampler(&self) -> &Sampler {
        &self.inner.sampler
    }

    /// Folder of the runs.
    pub fn directory(&self) -> &Path {
        &self.inner.settings.directory
    }

    /// Folders to choose files from.
    pub fn roots(&self) -> &[PathBuf] {
        &self.inner.settings.roots
    }

    /// Stops, resumes or tries again; gives the job as it is then.
    ///
    /// # Errors
    /// See [`ActionError`]; the job is then as it was.
    pub async fn act(&self, id: &str, action: Action) -> Result<StoredJob, ActionError> {
        let job = self.find(id).await?;
        let refused = |state| ActionError::State { state, action };
        let to = action.leads(job.state).ok_or_else(|| refused(job.state))?;
        if action == Action::ForceStop {
            self.inner.store.ask_job_kill(id).await?;
        }
        if !self.inner.store.move_job(id, &[job.state], to, &Change::default()).await? {
            return Err(refused(self.find(id).await?.state));
        }
        let job = self.find(id).await?;
        self.inner.signal(&job);
        if to == JobState::Cancelled {
            // It left the queue: there is no process whose end would be told.
            self.inner.announce(job.clone());
        }
        self.inner.changed();
        self.inner.queue.notify_one();
        Ok(job)
    }

    /// Puts a job that waits before all others.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn run_next(&self, id: &str) -> Result<StoredJob, ActionError> {
        let moved = self.inner.store.put_job_first(id).await?;
        let job = self.find(id).await?;
        if !moved {
            return Err(ActionError::State { state: job.state, action: Action::RunNext });
        }
        self.inner.changed();
        Ok(job)
    }

    /// Gives a job another name.
    ///
    /// # Errors
    /// [`ActionError::Unknown`], [`ActionError::Store`].
    pub async fn rename(&self, id: &str, name: &str) -> Result<StoredJob, ActionError> {
        self.inner.store.rename_job(id, name).await?;
        self.inner.changed();
        self.find(id).await
    }

    /// Forgets a job, and removes its folder where that is wanted.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn delete(&self, id: &str, files: bool) -> Result<(), ActionError> {
        let job = self.find(id).await?;
        if !self.inner.store.delete_job(id, Action::Delete.from()).await? {
            return Err(ActionError::State { state: self.find(id).await?.state, action: Action::Delete });
        }
        self.inner.changed();
        if !files {
            return Ok(());
        }
        let deleting = tokio::task::spawn_blocking(move || crate::leftovers::delete(Path::new(&job.folder)));
        deleting.await.unwrap_or_else(|died| Err(std::io::Error::other(died))).map_err(ActionError::Files)
    }

    async fn find(&self, id: &str) -> Result<StoredJob, ActionError> {
        self.inner.store.job(id).await?.ok_or(ActionError::Unknown)
    }
}

impl Inner {
    /// Wakes whoever looks at jobs.
    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Tells the webhook of a job's end.
    fn announce(&self, job: StoredJob) {
        webhook::announce(&self.settings.webhook, Job::of(job, &[]));
    }

    /// Tells a job's process what its row says.
    fn signal(&self, job: &StoredJob) {
        let process = job.process.as_deref().and_then(Identity::read);
        let Some(process) = process.filter(|_| job.state == JobState::Stopping) else { return };
        match job.kill_asked {
            true => process.kill(),
            false => process.terminate(),
        }
    }
}
