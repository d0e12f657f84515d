//! The thread that owns the model: takes what waits, captions it as one batch, answers each request.

use super::batch::{self, Batch, Waiting};
use super::device::DeviceLost;
use super::pace::Pace;
use super::{BatchSizes, CaptionError, Captioned, Model, milliseconds};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use trainer::captioner::{Caption, InferenceError, PreparedImage, SearchOptions};

/// One photo waiting for the model.
pub(super) struct Request {
    pub image: PreparedImage,
    pub options: SearchOptions,
    pub queued: Instant,
    pub deadline: Instant,
    pub reply: oneshot::Sender<Result<Captioned, CaptionError>>,
}

impl Waiting for Request {
    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }
    fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Answers requests until every sender is gone and the queue is empty.
///
/// # Errors
/// When the model's device is lost: it would fail for every other photo, too.
pub(super) fn run<M: Model>(
    model: &M,
    queue: &mut mpsc::Receiver<Request>,
    max_batch_size: usize,
    pace: &Pace,
    batches: &BatchSizes,
) -> Result<(), DeviceLost> {
    while let Some(first) = queue.blocking_recv() {
        let next = || queue.try_recv().ok();
        let Batch { run, expired } = batch::collect(first, next, max_batch_size, Instant::now());
        for request in expired {
            answer(request.reply, Err(CaptionError::TimedOut));
        }
        if !run.is_empty() {
            let (photos, started) = (run.len(), Instant::now());
            batches.record(photos);
            pace.begin(photos);
            let captioned = caption_batch(model, run);
            pace.record(photos, started.elapsed());
            captioned?;
        }
    }
    Ok(())
}

/// The search result of one photo, with the time its batch took.
struct Finished {
    captions: Vec<Caption>,
    encode_ms: f64,
    search_ms: f64,
}

/// Captions a batch and answers every request in it.
///
/// When a batch fails, its photos are tried one by one, so that only the culprit's request fails.
fn caption_batch<M: Model>(model: &M, requests: Vec<Request>) -> Result<(), DeviceLost> {
    let started = Instant::now();
    let mut images = Vec::with_capacity(requests.len());
    let mut options = Vec::with_capacity(requests.len());
    let mut waiting = Vec::with_capacity(requests.len());
    for request in requests {
        images.push(request.image);
        options.push(request.options);
        waiting.push((request.reply, started.duration_since(request.queued)));
    }
    let mut outcomes: Vec<Result<Finished, InferenceError>> = match attempt(model, &images, &options) {
        Ok(finished) => finished.into_iter().map(Ok).collect(),
        Err(error) if images.len() == 1 => vec![Err(error)],
        Err(error) => {
            tracing::warn!(photos = images.len(), %error, "a batch failed; trying its photos one by one");
            let one_by_one = images.iter().zip(&options).map(|(image, options)| {
                attempt(model, slice::from_ref(image), slice::from_ref(options)).and_then(first)
            });
            one_by_one.collect()
        }
    };
    let lost = outcomes.iter().find_map(|outcome| DeviceLost::of(outcome.as_ref().err()?));
    for ((reply, queued), outcome) in waiting.into_iter().zip(outcomes.drain(..)) {
        let outcome = outcome.map_err(CaptionError::Failed).map(|finished| Captioned {
            captions: finished.captions,
            queue_ms: milliseconds(queued),
            encode_ms: finished.encode_ms,
            search_ms: finished.search_ms,
        });
        answer(reply, outcome);
    }
    lost.map_or(Ok(()), Err)
}

/// Runs the model over a batch; a panic in it becomes an error.
fn attempt<M: Model>(
    model: &M,
    images: &[PreparedImage],
    options: &[SearchOptions],
) -> Result<Vec<Finished>, InferenceError> {
    // The model keeps no state between calls that a panic could leave half-changed.
    catch_unwind(AssertUnwindSafe(|| forward(model, images, options)))
        .unwrap_or_else(|panic| Err(InferenceError(format!("panic: {}", panic_text(&*panic)))))
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Encodes all images together and searches each group of equal options together.
fn forward<M: Model>(
    model: &M,
    images: &[PreparedImage],
    options: &[SearchOptions],
) -> Result<Vec<Finished>, InferenceError> {
    let started = Instant::now();
    let encoded = model.encode(images)?;
    let encode_ms = milliseconds(started.elapsed());
    let mut finished: Vec<Option<Finished>> = images.iter().map(|_| None).collect();
    for (options, members) in batch::group_by_options(options) {
        let started = Instant::now();
        let found = if members.len() == images.len() {
            model.search(&encoded, &options)?
        } else {
            model.search(&M::select(&encoded, &members), &options)?
        };
        let search_ms = milliseconds(started.elapsed());
        for (position, captions) in members.into_iter().zip(found) {
            finished[position] = Some(Finished { captions, encode_ms, search_ms });
        }
    }
    let finished: Option<Vec<Finished>> = finished.into_iter().collect();
    finished.ok_or_else(|| InferenceError("the search left out a photo".to_owned()))
}

/// The only result of a batch of one.
fn first(finished: Vec<Finished>) -> Result<Finished, InferenceError> {
    let first = finished.into_iter().next();
    first.ok_or_else(|| InferenceError("the search gave no result".to_owned()))
}

/// Sends an outcome; whoever asked may be gone, which is fine.
fn answer(reply: oneshot::Sender<Result<Captioned, CaptionError>>, outcome: Result<Captioned, CaptionError>) {
    reply.send(outcome).ok();
}
