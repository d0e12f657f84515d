//! Captions for photos: bytes come in by [`Intake`], wait in a bounded queue, and one thread that owns
//! the model answers them in batches.
//!
//! [`CaptionService`] is the handle to all of it: cheap to clone, and the last one to go ends the thread.

mod batch;
mod intake;
mod model;
mod worker;

pub use intake::{HeldPixels, Intake, IntakeError, Photo};
pub use model::{Model, Prepare};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use trainer::captioner::{Caption, InferenceError, ModelInfo, PreparedImage, SearchOptions};

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
    /// Every beam, best first; at least one.
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
        /// When the queue should have emptied, by the measured pace.
        retry_after: Duration,
    },
    /// The photo waited too long.
    #[error("the photo waited too long for the model")]
    TimedOut,
    /// The model failed on this photo.
    #[error(transparent)]
    Failed(#[from] InferenceError),
    /// The model's thread is gone.
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
    /// Reading weights and warming up.
    Loading,
    /// Captioning.
    Ready(Arc<Loaded>),
    /// Not to come up, or gone: the reason.
    Failed(String),
}

/// The handle to the model's thread.
#[derive(Clone)]
pub struct CaptionService {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Option<mpsc::Sender<worker::Request>>,
    thread: Option<JoinHandle<()>>,
    status: watch::Receiver<Status>,
    pace: Arc<Pace>,
    timeout: Duration,
}

impl CaptionService {
    /// Starts the thread, which loads the model by `load` and then answers requests.
    ///
    /// Returns at once: see [`CaptionService::ready`].
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<M, E>(
        settings: QueueSettings,
        load: impl FnOnce() -> Result<M, E> + Send + 'static,
    ) -> std::io::Result<CaptionService>
    where
        M: Model + 'static,
        E: std::fmt::Display,
    {
        let (sender, receiver) = mpsc::channel(settings.capacity);
        let (tell, status) = watch::channel(Status::Loading);
        let pace = Arc::new(Pace::default());
        let worker_pace = Arc::clone(&pace);
        let thread = thread::Builder::new().name("model".to_owned()).spawn(move || {
            let tell = Announcer(tell);
            match load() {
                Ok(model) => {
                    tell.0.send_replace(Status::Ready(Arc::new(Loaded {
                        info: model.info().clone(),
                        prepare: model.prepare(),
                    })));
                    worker::run(&model, receiver, settings.max_batch_size, &worker_pace);
                }
                Err(error) => {
                    tell.0.send_replace(Status::Failed(error.to_string()));
                }
            }
        })?;
        Ok(CaptionService {
            inner: Arc::new(Inner {
                queue: Some(sender),
                thread: Some(thread),
                status,
                pace,
                timeout: settings.timeout,
            }),
        })
    }

    /// Where the model's thread is now.
    pub fn status(&self) -> Status {
        self.inner.status.borrow().clone()
    }

    /// The loaded model.
    ///
    /// # Errors
    /// [`CaptionError::Loading`] or [`CaptionError::Stopped`].
    pub fn loaded(&self) -> Result<Arc<Loaded>, CaptionError> {
        match &*self.inner.status.borrow() {
            Status::Ready(loaded) => Ok(Arc::clone(loaded)),
            Status::Loading => Err(CaptionError::Loading),
            Status::Failed(_) => Err(CaptionError::Stopped),
        }
    }

    /// Waits until the model is loaded.
    ///
    /// # Errors
    /// The reason why it does not load.
    pub async fn ready(&self) -> Result<Arc<Loaded>, String> {
        let mut status = self.inner.status.clone();
        let settled = status.wait_for(|status| !matches!(status, Status::Loading)).await;
        match settled.as_deref() {
            Ok(Status::Ready(loaded)) => Ok(Arc::clone(loaded)),
            Ok(Status::Failed(reason)) => Err(reason.clone()),
            Ok(Status::Loading) | Err(_) => Err(THREAD_ENDED.to_owned()),
        }
    }

    /// Waits until the model fails to load or its thread dies; gives the reason.
    pub async fn failed(&self) -> String {
        let mut status = self.inner.status.clone();
        match status.wait_for(|status| matches!(status, Status::Failed(_))).await.as_deref() {
            Ok(Status::Failed(reason)) => reason.clone(),
            _ => THREAD_ENDED.to_owned(),
        }
    }

    /// Queues a photo and waits for its captions. Dropping the future takes the photo out of the queue.
    ///
    /// # Errors
    /// See [`CaptionError`].
    pub async fn caption(&self, image: PreparedImage, options: SearchOptions) -> Result<Captioned, CaptionError> {
        self.loaded()?;
        let queue = self.inner.queue.as_ref().ok_or(CaptionError::Stopped)?;
        let (reply, answer) = oneshot::channel();
        let queued = Instant::now();
        let deadline = queued + self.inner.timeout;
        let request = worker::Request { image, options, queued, deadline, reply };
        queue.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                CaptionError::QueueFull { retry_after: self.inner.pace.time_for(queue.max_capacity()) }
            }
            mpsc::error::TrySendError::Closed(_) => CaptionError::Stopped,
        })?;
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(CaptionError::Stopped),
            Err(_) => Err(CaptionError::TimedOut),
        }
    }
}

impl Drop for Inner {
    /// Closes the queue and waits for the thread: it skips what nobody waits for any more.
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the model's thread panicked");
        }
    }
}

/// Milliseconds with one decimal, which is what a clock on a busy machine is good for.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}

const THREAD_ENDED: &str = "the model's thread ended unexpectedly";

/// Says that the thread is gone, however it goes.
struct Announcer(watch::Sender<Status>);

impl Drop for Announcer {
    fn drop(&mut self) {
        self.0.send_if_modified(|status| {
            let still_up = !matches!(status, Status::Failed(_));
            if still_up {
                *status = Status::Failed(THREAD_ENDED.to_owned());
            }
            still_up
        });
    }
}

/// Measured seconds per photo, smoothed; tells refused clients when to come back.
struct Pace(AtomicU64);

impl Default for Pace {
    fn default() -> Pace {
        // A guess until the first batch is measured.
        Pace(AtomicU64::new(0.1_f64.to_bits()))
    }
}

impl Pace {
    /// Share of the newest batch in the average.
    const NEWEST: f64 = 0.2;

    fn record(&self, photos: usize, took: Duration) {
        let newest = took.as_secs_f64() / photos as f64;
        let before = f64::from_bits(self.0.load(Ordering::Relaxed));
        let after = before + Self::NEWEST * (newest - before);
        self.0.store(after.to_bits(), Ordering::Relaxed);
    }

    /// When that many photos should be done: whole seconds, 1 to 60.
    fn time_for(&self, photos: usize) -> Duration {
        let seconds = f64::from_bits(self.0.load(Ordering::Relaxed)) * photos as f64;
        Duration::from_secs(seconds.ceil().clamp(1.0, 60.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_what_is_measured() {
        let pace = Pace::default();
        assert_eq!(pace.time_for(64), Duration::from_secs(7), "a guess of 0.1 s a photo");
        for _ in 0..50 {
            pace.record(4, Duration::from_secs(2));
        }
        assert_eq!(pace.time_for(20), Duration::from_secs(10), "0.5 s a photo");
    }

    #[test]
    fn clients_are_asked_to_come_back_in_one_to_sixty_seconds() {
        let pace = Pace::default();
        assert_eq!(pace.time_for(1), Duration::from_secs(1));
        assert_eq!(pace.time_for(100_000), Duration::from_secs(60));
    }
}
