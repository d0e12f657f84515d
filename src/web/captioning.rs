//! One photo's walk: hash, store, intake, model, store, answer.

use super::AppState;
use super::answer::Answer;
use super::options::{CheckedOptions, RequestedOptions};
use super::problem::Problem;
use super::upload::UploadedPhoto;
use crate::captioning::{Captioned, HeldPixels, Photo};
use crate::store::{Candidate, NewCaption, NewImage, SearchKey, Timings, clean_copy};
use axum::body::Bytes;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use trainer::captioner::ModelInfo;

/// Captions a photo, or finds what the same photo, model and search gave before.
///
/// What is answered is in the store: a kill afterwards does not lose it.
pub(super) async fn caption_photo(
    state: &AppState,
    photo: UploadedPhoto,
    options: RequestedOptions,
) -> Result<Answer, Problem> {
    let UploadedPhoto { bytes: photo, file_name } = photo;
    let loaded = state.captions.loaded()?;
    let options = options.check(&state.config.captioning, loaded.info.max_length)?;
    let sha256 = hash(photo.clone()).await?;
    let key = search_key(&loaded.info, &options);
    if let Some(stored) = state.store.find_caption(&sha256, &key).await? {
        return Ok(Answer::new(stored, true).with_candidates(options.candidates));
    }
    let Photo { prepared, width, height, decode_ms, pixels } =
        state.intake.read(photo.clone(), Arc::clone(&loaded.prepare)).await?;
    // The copy is made and written while the photo waits for the model.
    let (kept, captioned) =
        tokio::join!(keep_copy(state, &sha256, photo, pixels), state.captions.caption(prepared, options.search),);
    let captioned = captioned?;
    let Kept { media_type, bytes } = kept?;
    let image = NewImage { sha256, file_name, media_type, width, height, bytes };
    let caption = new_caption(&loaded.info, key, captioned, decode_ms);
    let stored = state.store.add_caption(&image, &caption).await?;
    Ok(Answer::new(stored, false).with_candidates(options.candidates))
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

/// What the photo's row says of its stored copy.
struct Kept {
    media_type: &'static str,
    bytes: u64,
}

/// Makes the copy without metadata and, unless the photo is known already, writes its files.
async fn keep_copy(state: &AppState, sha256: &str, photo: Bytes, pixels: HeldPixels) -> Result<Kept, Problem> {
    let side = state.config.storage.thumbnail_side;
    let copying = tokio::task::spawn_blocking(move || clean_copy(&photo, &pixels.decoded, side));
    let copy = copying.await.map_err(|died| Problem::internal(&died))?;
    let copy = copy.map_err(|error| Problem::from(&error))?;
    let kept = Kept { media_type: copy.media_type, bytes: copy.bytes.len() as u64 };
    if !state.store.has_image(sha256).await? {
        state.store.keep_files(sha256, copy).await?;
    }
    Ok(kept)
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
