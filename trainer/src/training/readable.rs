//! Batches of which nothing can be read: a damaged image or two are passed over, a disk that has gone is not.

use crate::data::{Batch, BatchError};

/// Batches one after another of which no image can be read, until it must be more than a bad image or two.
const MOST_UNREADABLE: u32 = 8;

/// How many batches could not be read, up to now and one after another.
#[derive(Debug, Default)]
pub(super) struct Readable {
    unreadable: u32,
}

impl Readable {
    /// The batch; none if no image of it can be read. `warn` is told of every image that is left out.
    ///
    /// # Errors
    /// When that goes on: what is learned or stored of a part of the images would pass for all.
    pub fn pass(
        &mut self,
        batch: Result<Batch, BatchError>,
        mut warn: impl FnMut(String),
    ) -> Result<Option<Batch>, BatchError> {
        match batch {
            Err(error @ BatchError::NoImages(_)) if self.unreadable < MOST_UNREADABLE => {
                self.unreadable += 1;
                warn(format!("left out: {error}"));
                Ok(None)
            }
            batch => {
                self.unreadable = 0;
                let batch = batch?;
                batch.skipped.iter().for_each(|skipped| warn(format!("left out: {skipped}")));
                Ok(Some(batch))
            }
        }
    }
}
