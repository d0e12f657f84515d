//! Captions for photos: bytes come in by [`Intake`], wait in a bounded queue, and one thread that owns
//! the model answers them in batches.
//!
//! [`CaptionService`] is the handle to one model's queue and thread: cheap to clone, and the last one to go
//! ends the thread. [`Models`] knows which model is in service, and changes it while the server runs.

mod batch;
mod batch_sizes;
mod device;
mod intake;
mod model;
mod models;
mod pace;
mod service;
mod worker;

pub use batch_sizes::BatchSizes;
pub use intake::{HeldPixels, Intake, IntakeError, Photo};
pub use model::{Model, Prepare};
pub use models::{
    ActivateError, Activation, FailedActivation, Folders, ListedModel, MAX_MEMBERS, ModelState, Models, RemoveError,
};
pub use service::CaptionService;

use std::sync::Arc;
use std::time::Duration;
use trainer::captioner::{Caption, InferenceError, ModelInfo};

/// How the queue and the worker behave.
#[derive(Clone, Copy, Debug)]
pub struct QueueSettings {
    /// Photos that may wait; more are refused.
    pub capacity: usize,
    /// Photos captioned at once.
    pub max_batch_size: usize,
    /// How long a caption may take, waiting included.
    pub timeout: Duration,
}

/// A photo's captions and where the time went.
#[derive(Clone, Debug)]
pub struct Captioned {
    /// Every beam, in the order of the search; at least one.
    pub captions: Vec<Caption>,
    /// Time in the queue, in milliseconds.
    pub queue_ms: f64,
    /// Time in the backbone and encoder, for the whole batch.
    pub encode_ms: f64,
    /// Time in the search, for all photos with the same options.
    pub search_ms: f64,
}

/// Why a photo got no caption.
#[derive(Debug, thiserror::Error)]
pub enum CaptionError {
    /// The model is still loading.
    #[error("the model is still loading")]
    Loading,
    /// Too many photos wait already.
    #[error("too many photos are waiting; come back in {} s", retry_after.as_secs())]
    QueueFull {
        /// When what waits should be done, by the measured pace.
        retry_after: Duration,
    },
    /// The photo waited too long.
    #[error("the photo waited too long for the model")]
    TimedOut,
    /// The request asks for a model that is not in service.
    #[error("the model `{wanted}` is not loaded; `{loaded}` is")]
    NotLoaded {
        /// What the request asked for.
        wanted: String,
        /// What there is.
        loaded: String,
    },
    /// The model failed on this photo.
    #[error(transparent)]
    Failed(#[from] InferenceError),
    /// The model did not load, or its thread is gone.
    #[error("the model is not running")]
    Stopped,
}

/// A model that is loaded: what others may know and use of it.
#[derive(Clone)]
pub struct Loaded {
    /// What is loaded.
    pub info: ModelInfo,
    /// The preprocessing that belongs to it.
    pub prepare: Prepare,
}

/// Where the model's thread is.
#[derive(Clone)]
pub enum Status {
    /// Reading weights and warming up; also again, after the thread failed.
    Loading,
    /// Captioning.
    Ready(Arc<Loaded>),
    /// Not to come up, or gone: the reason.
    Failed(String),
}

impl Status {
    /// The model, while it captions.
    pub fn info(&self) -> Option<&ModelInfo> {
        match self {
            Status::Ready(loaded) => Some(&loaded.info),
            Status::Loading | Status::Failed(_) => None,
        }
    }
}

/// Milliseconds with one decimal, which is what a clock on a busy machine is good for.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}
