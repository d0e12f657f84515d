//! One photo's walk: hash, store, intake, model, store, answer.

use super::AppState;
use super::answer::Answer;
use super::health::check_space;
use super::options::{CheckedOptions, RequestedOptions};
use super::problem::Problem;
use super::upload::{PhotoSource, UploadedPhoto};
use super::upload_memory;
use crate::captioning::{CaptionError, CaptionService, Captioned, HeldPixels, Loaded, Photo};
use crate::store::{
    Candidate, FileKind, NewCaption, NewImage, SearchKey, StagedFiles, StoredImage, Timings, clean_copy,
};
use axum::body::Bytes;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Instant;
use trainer::captioner::ModelInfo;

/// Captions a photo that was sent, or that is to be fetched.
pub(super) async fn caption_source(
    state: &AppState,
    model: &CaptionService,
    source: PhotoSource,
    options: &RequestedOptions,
) -> Result<Answer, Problem> {
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
    let (deadline, loaded) = (model.deadline(), model.loaded()?);
    let options = options.check(&state.config.captioning, loaded.info.max_length)?;
    let sha256 = hash(photo.clone()).await?;
    let key = search_key(&loaded.info, &options);
    if let Some(stored) = state.store.find_caption(&sha256, &key).await? {
        state.metrics.answered_from_store();
        let stored = state.store.name_photo(stored, file_name).await?;
        return Ok(Answer::new(stored, true).with_candidates(options.candidates));
    }
    check_space(state)?;
    let Photo { prepared, width, height, decode_ms, pixels } = take_in(state, photo.clone(), &loaded, deadline).await?;
    // The copy is made and written while the photo waits for the model.
    let captioning = model.caption_until(deadline, prepared, options.search);
    let (files, captioned) = tokio::join!(stage_copy(state, &sha256, photo, pixels), captioning);
    let captioned = captioned?;
    let image = NewImage { sha256, file_name, width, height, files: files? };
    let caption = new_caption(&loaded.info, key, captioned, decode_ms);
    state.metrics.captioned(&caption.timings);
    let stored = state.store.add_caption(image, caption).await?;
    Ok(Answer::new(stored, false).with_candidates(options.candidates))
}

/// Captions a stored photo again, with other options or another model than before.
pub(super) async fn caption_again(
    state: &AppState,
    image: &StoredImage,
    options: RequestedOptions,
) -> Result<Answer, Problem> {
    let gone = || Problem::not_found("The photo is no longer there.");
    let model = options.model(state)?;
    let (deadline, loaded) = (model.deadline(), model.loaded()?);
    let options = options.check(&state.config.captioning, loaded.info.max_length)?;
    let key = search_key(&loaded.info, &options);
    if let Some(stored) = state.store.find_caption(&image.sha256, &key).await? {
        state.metrics.answered_from_store();
        return Ok(Answer::new(stored, true).with_candidates(options.candidates));
    }
    check_space(state)?;
    let _memory = upload_memory::for_bytes(state, state.config.server.max_upload_bytes as u64)?;
    let photo = state.store.read_file(image, FileKind::Photo).await?.ok_or_else(gone)?;
    // The pixels are dropped at once: only the model's input waits in the queue.
    let Photo { prepared, decode_ms, .. } = take_in(state, photo, &loaded, deadline).await?;
    let captioned = model.caption_until(deadline, prepared, options.search).await?;
    let caption = new_caption(&loaded.info, key, captioned, decode_ms);
    state.metrics.captioned(&caption.timings);
    let stored = state.store.add_caption_of(image, &caption).await?.ok_or_else(gone)?;
    Ok(Answer::new(stored, false).with_candidates(options.candidates))
}

/// Checks, decodes and prepares a photo; the wait for a place among those being decoded counts too.
async fn take_in<B>(state: &AppState, photo: B, model: &Loaded, deadline: Instant) -> Result<Photo, Problem>
where
    B: AsRef<[u8]> + Send + 'static,
{
    let reading = state.intake.read(photo, Arc::clone(&model.prepare));
    let read = tokio::time::timeout_at(deadline.into(), reading).await;
    Ok(read.map_err(|_| CaptionError::TimedOut)??)
}

/// SHA-256 of the upload, in hexadecimal: tens of milliseconds for a large one, so off the async threads.
async fn hash(photo: Bytes) -> Result<String, Problem> {
    let hashing = tokio::task::spawn_blocking(move || {
        let hash = Sha256::digest(&photo);
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    });
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
