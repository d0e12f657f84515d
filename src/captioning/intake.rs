//! From uploaded bytes to a checked picture, ready for the model; a bounded number at a time.

use super::{Prepare, milliseconds};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trainer::captioner::PreparedImage;
use trainer::image::{DecodedImage, ImageError, Limits};

/// Decodes and prepares photos off the async threads. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    limits: Limits,
    /// One permit for each photo that may be in memory as pixels.
    slots: Arc<Semaphore>,
}

/// A photo that passed every check.
pub struct Photo {
    /// The model's input.
    pub prepared: PreparedImage,
    /// In pixels, upright.
    pub width: u32,
    /// In pixels, upright.
    pub height: u32,
    /// Time for decoding and preparing, in milliseconds.
    pub decode_ms: f64,
    /// For whoever needs the pixels too; to be dropped soon.
    pub pixels: HeldPixels,
}

/// A decoded picture, which counts among those in memory until it is dropped.
pub struct HeldPixels {
    /// The picture and its format.
    pub decoded: DecodedImage,
    _slot: OwnedSemaphorePermit,
}

/// Why a photo was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The picture is at fault.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The decoding thread died.
    #[error("decoding ended unexpectedly: {0}")]
    Died(String),
}

impl Intake {
    /// Bounds for one photo, and how many may be decoded at the same time.
    pub fn new(limits: Limits, max_concurrent_decodes: usize) -> Intake {
        Intake { limits, slots: Arc::new(Semaphore::new(max_concurrent_decodes)) }
    }

    /// Checks, decodes and prepares a photo.
    ///
    /// # Errors
    /// [`IntakeError::Image`] says what is wrong with the picture.
    pub async fn read<B>(&self, bytes: B, prepare: Prepare) -> Result<Photo, IntakeError>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|closed| IntakeError::Died(closed.to_string()))?;
        let limits = self.limits;
        // The slot goes along, so that it is held even when whoever asked is gone before the decoding ends.
        let decoding = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let decoded = trainer::image::decode(bytes.as_ref(), &limits)?;
            let prepared = prepare(&decoded.pixels)?;
            Ok(Photo {
                prepared,
                width: decoded.pixels.width(),
                height: decoded.pixels.height(),
                decode_ms: milliseconds(started.elapsed()),
                pixels: HeldPixels { decoded, _slot: slot },
            })
        });
        decoding.await.unwrap_or_else(|died| Err(IntakeError::Died(died.to_string())))
    }
}
