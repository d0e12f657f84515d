//! The handle to one model: its queue, its thread, and where the thread is.

use super::pace::Pace;
use super::{BatchSizes, CaptionError, Captioned, Loaded, Model, QueueSettings, Status, worker};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use trainer::captioner::{PreparedImage, SearchOptions};

/// How often a model is loaded again after its thread failed, before it is given up.
const RELOADS: usize = 3;

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
    batches: BatchSizes,
    timeout: Duration,
}

impl CaptionService {
    /// Starts the thread, which loads the model by `load` and then answers requests.
    ///
    /// Returns at once: see [`CaptionService::ready`]. `load` is called again if the thread fails in a way
    /// that a batch should not make it fail; photos that wait then are captioned afterwards.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<M, E>(
        settings: QueueSettings,
        load: impl FnMut() -> Result<M, E> + Send + 'static,
    ) -> std::io::Result<CaptionService>
    where
        M: Model + 'static,
        E: Display,
    {
        CaptionService::start_counting(settings, BatchSizes::new(settings.max_batch_size), load)
    }

    /// As [`CaptionService::start`], with batches counted together with another service's.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_counting<M, E>(
        settings: QueueSettings,
        batches: BatchSizes,
        load: impl FnMut() -> Result<M, E> + Send + 'static,
    ) -> std::io::Result<CaptionService>
    where
        M: Model + 'static,
        E: Display,
    {
        let (sender, receiver) = mpsc::channel(settings.capacity);
        let (tell, status) = watch::channel(Status::Loading);
        let pace = Arc::new(Pace::default());
        let thread = ModelThread {
            load,
            tell: Announcer(tell),
            queue: receiver,
            max_batch_size: settings.max_batch_size,
            pace: Arc::clone(&pace),
            batches: batches.clone(),
        };
        let thread = thread::Builder::new().name("model".to_owned()).spawn(move || thread.run())?;
        Ok(CaptionService {
            inner: Arc::new(Inner {
                queue: Some(sender),
                thread: Some(thread),
                status,
                pace,
                batches,
                timeout: settings.timeout,
            }),
        })
    }

    /// Photos that wait for the model.
    pub fn queue_length(&self) -> usize {
        self.inner.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Photos that may wait for the model.
    pub fn queue_capacity(&self) -> usize {
        self.inner.queue.as_ref().map_or(0, mpsc::Sender::max_capacity)
    }

    /// How many photos the model took at once.
    pub fn batch_sizes(&self) -> &BatchSizes {
        &self.inner.batches
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

    /// Waits until the model fails to load or its thread is given up; gives the reason. Holds no handle.
    pub fn failed(&self) -> impl Future<Output = String> + use<> {
        let mut status = self.inner.status.clone();
        async move {
            match status.wait_for(|status| matches!(status, Status::Failed(_))).await.as_deref() {
                Ok(Status::Failed(reason)) => reason.clone(),
                _ => THREAD_ENDED.to_owned(),
            }
        }
    }

    /// Waits until the model is gone, which is after the last handle. Holds no handle.
    pub fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut status = self.inner.status.clone();
        async move { while status.changed().await.is_ok() {} }
    }

    /// When a photo that comes in now must be done, every wait included.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.inner.timeout
    }

    /// Queues a photo and waits for its captions. Dropping the future takes the photo out of the queue.
    ///
    /// # Errors
    /// See [`CaptionError`].
    pub async fn caption(&self, image: PreparedImage, options: SearchOptions) -> Result<Captioned, CaptionError> {
        self.caption_until(self.deadline(), image, options).await
    }

    /// As [`CaptionService::caption`], for a photo that came in earlier.
    ///
    /// # Errors
    /// See [`CaptionError`].
    pub async fn caption_until(
        &self,
        deadline: Instant,
        image: PreparedImage,
        options: SearchOptions,
    ) -> Result<Captioned, CaptionError> {
        self.loaded()?;
        let queue = self.inner.queue.as_ref().ok_or(CaptionError::Stopped)?;
        let (reply, answer) = oneshot::channel();
        let request = worker::Request { image, options, queued: Instant::now(), deadline, reply };
        queue.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => CaptionError::QueueFull { retry_after: self.time_to_finish() },
            mpsc::error::TrySendError::Closed(_) => CaptionError::Stopped,
        })?;
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(CaptionError::Stopped),
            Err(_) => Err(CaptionError::TimedOut),
        }
    }

    /// When what waits and what is being captioned should be done, by the measured pace: 1 to 60 seconds.
    pub fn time_to_finish(&self) -> Duration {
        self.inner.pace.time_for(self.queue_length())
    }
}

impl Drop for Inner {
    /// Closes the queue; the thread skips what nobody waits for any more, and ends.
    fn drop(&mut self) {
        self.queue.take();
        let Some(thread) = self.thread.take() else { return };
        let join = move || {
            if thread.join().is_err() {
                tracing::error!("the model's thread panicked");
            }
        };
        // The last handle may be a request's: waiting for a batch must not hold up an async thread.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(join)),
            Err(_) => join(),
        }
    }
}

/// What the thread owns beside the model.
struct ModelThread<L> {
    load: L,
    tell: Announcer,
    queue: mpsc::Receiver<worker::Request>,
    max_batch_size: usize,
    pace: Arc<Pace>,
    batches: BatchSizes,
}

impl<L> ModelThread<L> {
    /// Loads the model and answers requests until the last handle is gone; loads it again after a panic.
    fn run<M: Model, E: Display>(mut self)
    where
        L: FnMut() -> Result<M, E>,
    {
        for _ in 0..=RELOADS {
            // The worker turns panics of the model into errors, so one that comes here is nobody's fault we
            // know of: only a fresh model is to be trusted.
            if catch_unwind(AssertUnwindSafe(|| self.load_and_work())).is_ok() || self.tell.loading() {
                return;
            }
            tracing::error!("the model's thread failed; loading the model again");
            self.tell.0.send_replace(Status::Loading);
        }
    }

    fn load_and_work<M: Model, E: Display>(&mut self)
    where
        L: FnMut() -> Result<M, E>,
    {
        match (self.load)() {
            Ok(model) => {
                let loaded = Loaded { info: model.info().clone(), prepare: model.prepare() };
                self.tell.0.send_replace(Status::Ready(Arc::new(loaded)));
                let ended = worker::run(&model, &mut self.queue, self.max_batch_size, &self.pace, &self.batches);
                if let Err(lost) = ended {
                    // To load it again would not help: whoever serves ends with this reason.
                    tracing::error!(%lost, "the model is given up");
                    self.tell.0.send_replace(Status::Failed(lost.to_string()));
                }
            }
            Err(error) => {
                self.tell.0.send_replace(Status::Failed(error.to_string()));
            }
        }
    }
}

const THREAD_ENDED: &str = "the model's thread ended unexpectedly";

/// Says that the thread is gone, however it goes.
struct Announcer(watch::Sender<Status>);

impl Announcer {
    fn loading(&self) -> bool {
        matches!(*self.0.borrow(), Status::Loading)
    }
}

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
