//! What the worker asks of a model, so that tests can put a fake one in its place.

use ::image::RgbImage;
use std::sync::Arc;
use trainer::captioner::{Caption, Captioner, Encoded, InferenceError, ModelInfo, PreparedImage, SearchOptions};
use trainer::image::ImageError;

/// Turns an upright picture into a model's input, on any thread.
pub type Prepare = Arc<dyn Fn(&RgbImage) -> Result<PreparedImage, ImageError> + Send + Sync>;

/// A captioning model, owned by one thread.
pub trait Model {
    /// Encoder outputs of a batch.
    type Encoded;

    /// What is loaded.
    fn info(&self) -> &ModelInfo;

    /// The preprocessing that belongs to this model.
    fn prepare(&self) -> Prepare;

    /// Backbone and encoder for a whole batch.
    ///
    /// # Errors
    /// When the computation fails.
    fn encode(&self, images: &[PreparedImage]) -> Result<Self::Encoded, InferenceError>;

    /// The encodings of some of the images, in the order asked.
    fn select(encoded: &Self::Encoded, images: &[usize]) -> Self::Encoded;

    /// All beams of each image, best first.
    ///
    /// # Errors
    /// When the computation fails.
    fn search(&self, encoded: &Self::Encoded, options: &SearchOptions) -> Result<Vec<Vec<Caption>>, InferenceError>;
}

impl Model for Captioner {
    type Encoded = Encoded;

    fn info(&self) -> &ModelInfo {
        self.info()
    }

    fn prepare(&self) -> Prepare {
        let preprocessor = self.preprocessor();
        Arc::new(move |image| preprocessor.prepare(image))
    }

    fn encode(&self, images: &[PreparedImage]) -> Result<Encoded, InferenceError> {
        self.encode(images)
    }

    fn select(encoded: &Encoded, images: &[usize]) -> Encoded {
        encoded.select(images)
    }

    fn search(&self, encoded: &Encoded, options: &SearchOptions) -> Result<Vec<Vec<Caption>>, InferenceError> {
        self.search(encoded, options)
    }
}
