//! One photo's walk: hash, store, intake, model, store, answer.

use super::AppState;
use super::answer::Answer;
use super::health::check_space;
use super::in_progress::{Outcome, Wanted};
use super::options::{CheckedOptions, RequestedOptions};
use super::problem::Problem;
use super::upload::{PhotoSource, UploadedPhoto};
use super::upload_memory;
use crate::captioning::{CaptionError, CaptionService, Captioned, HeldPixels, Loaded, Photo};
use crate::store::{
    Candidate, FileKind, NewCaption, NewImage, SearchKey, StagedFiles, StoredCaption, StoredImage, Timings, clean_copy,
};
use axum::body::Bytes;
use axum::http::StatusCode;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Instant;
use trainer::captioner::{ModelInfo, SearchOptions};

/// Captions a photo that was sent, or that is to be fetched.
pub(super) async fn caption_source(
    state: &AppState,
    model: &CaptionService,
    source: PhotoSource,
    options: &RequestedOptions,
) -> Result<Answer, Problem> {
    let _memory = upload_memory::for_photo(state, &source)?;
    let photo = source.photo(state.fetcher.as_ref()).await?;
    caption_photo(state, model, photo, options).await
}

/// Captions a photo, or finds what the same photo, model and search gave before.
///
/// `model` is the one that was in service when the request came in: see [`RequestedOptions::model`]. What is
/// answered is in the store: a kill afterwards does not lose it.
pub(super) async fn caption_photo(
    state: &AppState,
    model: &CaptionService,
    photo: UploadedPhoto,
    options: &RequestedOptions,
) -> Result<Answer, Problem> {
    let UploadedPhoto { bytes: photo, file_name } = photo;
    let (task, options) = Task::new(state, model.clone(), options)?;
    let wanted = (hash(photo.clone()).await?, search_key(&task.loaded.info, &options));
    let make = || task.clone().new_photo(wanted.clone(), photo.clone(), file_name.clone());
    let (stored, cached) = once(state, &wanted, make).await?;
    let stored = named(state, stored, file_name.clone()).await;
    Ok(Answer::new(stored, cached).with_candidates(options.candidates))
}

/// The caption of a photo that goes by this name now. Where the name cannot be kept, the caption is there all the same.
async fn named(state: &AppState, stored: StoredCaption, file_name: Option<String>) -> StoredCaption {
    match state.store.name_photo(stored.clone(), file_name).await {
        Ok(named) => named,
        Err(error) => {
            tracing::warn!(%error, image = stored.image_id, "a photo keeps its former name");
            stored
        }
    }
}

/// Captions a stored photo again: with other options than before, or by the model that is in service now.
pub(super) async fn caption_again(
    state: &AppState,
    image: &StoredImage,
    options: RequestedOptions,
) -> Result<Answer, Problem> {
    let (task, options) = Task::new(state, options.model(state)?, &options)?;
    let wanted = (image.sha256.clone(), search_key(&task.loaded.info, &options));
    let (stored, cached) = once(state, &wanted, || task.clone().stored_photo(wanted.clone(), image.clone())).await?;
    Ok(Answer::new(stored, cached).with_candidates(options.candidates))
}

/// Makes a caption, unless the store has it or it is being made for somebody else.
async fn once<W>(state: &AppState, wanted: &Wanted, make: impl Fn() -> W) -> Outcome
where
    W: Future<Output = Outcome> + Send + 'static,
{
    loop {
        let joined = state.in_progress.join(wanted, &make);
        let others = joined.others;
        let outcome = joined.outcome().await;
        match &outcome {
            Ok((_, true)) => state.metrics.answered_from_store(),
            Ok((_, false)) if others => state.metrics.answered_with_others(),
            // Theirs alone: their time was over, which began earlier, or their stored photo was deleted.
            Err(problem) if others && [NOT_FOUND, TIMED_OUT].contains(&problem.status) => continue,
            _ => (),
        }
        return outcome;
    }
}

const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
const TIMED_OUT: StatusCode = StatusCode::GATEWAY_TIMEOUT;

/// What the captioning of one photo needs, whoever waits for it.
#[derive(Clone)]
struct Task {
    state: AppState,
    model: CaptionService,
    loaded: Arc<Loaded>,
    search: SearchOptions,
    deadline: Instant,
}

impl Task {
    fn new(
        state: &AppState,
        model: CaptionService,
        options: &RequestedOptions,
    ) -> Result<(Task, CheckedOptions), Problem> {
        let (deadline, loaded) = (model.deadline(), model.loaded()?);
        let options = options.check(&state.config.captioning, loaded.info.max_length)?;
        Ok((Task { state: state.clone(), model, loaded, search: options.search, deadline }, options))
    }

    /// Captions a photo that was uploaded, unless the store has this caption.
    async fn new_photo(self, (sha256, key): Wanted, photo: Bytes, file_name: Option<String>) -> Outcome {
        let state = &self.state;
        if let Some(stored) = state.store.find_caption(&sha256, &key).await? {
            self.bring_files_back(&stored, photo).await;
            return Ok((stored, true));
        }
        check_space(state)?;
        let Photo { prepared, width, height, decode_ms, pixels } = self.take_in(photo.clone()).await?;
        // The copy is made and written while the photo waits for the model.
        let captioning = self.model.caption_until(self.deadline, prepared, self.search);
        let (files, captioned) = tokio::join!(stage_copy(state, &sha256, photo, pixels), captioning);
        let captioned = captioned?;
        let image = NewImage { sha256, file_name, width, height, files: files? };
        let caption = new_caption(&self.loaded.info, key, captioned, decode_ms);
        state.metrics.captioned(&caption.timings);
        Ok((state.store.add_caption(image, caption).await?, false))
    }

    /// Makes the files of a known photo anew if somebody removed them. Its caption is there whether that works or not.
    async fn bring_files_back(&self, stored: &StoredCaption, photo: Bytes) {
        if let Err(problem) = self.mend_files(stored, photo).await {
            tracing::warn!(image = stored.image_id, detail = problem.detail, "the files of a photo stay lost");
        }
    }

    async fn mend_files(&self, stored: &StoredCaption, photo: Bytes) -> Result<(), Problem> {
        let state = &self.state;
        if state.store.has_files(&stored.image_id).await? {
            return Ok(());
        }
        check_space(state)?;
        let Photo { pixels, .. } = self.take_in(photo.clone()).await?;
        let files = stage_copy(state, &stored.sha256, photo, pixels).await?;
        Ok(state.store.bring_files_back(&stored.image_id, files).await?)
    }

    /// Captions a photo that is in the store, unless it has this caption as well.
    async fn stored_photo(self, (_, key): Wanted, image: StoredImage) -> Outcome {
        let gone = || Problem::not_found("The photo is no longer there.");
        let state = &self.state;
        if let Some(stored) = state.store.find_caption(&image.sha256, &key).await? {
            return Ok((stored, true));
        }
        check_space(state)?;
        let _memory = upload_memory::for_bytes(state, state.config.server.max_upload_bytes as u64)?;
        let photo = state.store.read_file(&image, FileKind::Photo).await?.ok_or_else(gone)?;
        // The pixels are dropped at once: only the model's input waits in the queue.
        let Photo { prepared, decode_ms, .. } = self.take_in(photo).await?;
        let captioned = self.model.caption_until(self.deadline, prepared, self.search).await?;
        let caption = new_caption(&self.loaded.info, key, captioned, decode_ms);
        state.metrics.captioned(&caption.timings);
        let stored = state.store.add_caption_of(&image, &caption).await?.ok_or_else(gone)?;
        Ok((stored, false))
    }

    /// Checks, decodes and prepares a photo; the wait for a place among those being decoded counts too.
    async fn take_in<B>(&self, photo: B) -> Result<Photo, Problem>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        let reading = self.state.intake.read(photo, Arc::clone(&self.loaded.prepare));
        let read = tokio::time::timeout_at(self.deadline.into(), reading).await;
        Ok(read.map_err(|_| CaptionError::TimedOut)??)
    }
}

/// SHA-256 of the upload, in hexadecimal: tens of milliseconds for a large one, so off the async threads.
async fn hash(photo: Bytes) -> Result<String, Problem> {
    let hashing = tokio::task::spawn_blocking(move || format!("{:x}", Sha256::digest(&photo)));
    hashing.await.map_err(|died| Problem::internal(&died))
}

fn search_key(model: &ModelInfo, options: &CheckedOptions) -> SearchKey {
    SearchKey {
        model_revision: model.revision.clone(),
        precision: model.precision.clone(),
        beam_size: options.search.beam_size,
        max_length: options.search.max_length,
    }
}

/// Makes the copy without metadata and writes its files, which are in their place once the caption is stored.
async fn stage_copy(state: &AppState, sha256: &str, photo: Bytes, pixels: HeldPixels) -> Result<StagedFiles, Problem> {
    let side = state.config.storage.thumbnail_side;
    let copying = tokio::task::spawn_blocking(move || clean_copy(&photo, &pixels.decoded, side));
    let copy = copying.await.map_err(|died| Problem::internal(&died))?;
    let copy = copy.map_err(|error| Problem::from(&error))?;
    Ok(state.store.stage_files(sha256, copy).await?)
}

fn new_caption(model: &ModelInfo, key: SearchKey, captioned: Captioned, decode_ms: f64) -> NewCaption {
    let candidates =
        captioned.captions.into_iter().map(|found| Candidate { caption: found.caption, score: found.score });
    NewCaption {
        model_id: model.id.clone(),
        key,
        candidates: candidates.collect(),
        timings: Timings {
            decode: decode_ms,
            queue: captioned.queue_ms,
            encode: captioned.encode_ms,
            search: captioned.search_ms,
        },
    }
}
