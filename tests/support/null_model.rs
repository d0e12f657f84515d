//! A model that prepares pictures as the real ones do and then does nothing: every photo gets the same caption.

use expansionnet::captioning::{Model, Prepare};
use std::sync::Arc;
use trainer::captioner::{Caption, InferenceError, ModelInfo, PreparedImage, Preprocessor, SearchOptions};
use trainer::image::Normalization;

/// The side of the square that pictures are brought to.
const IMAGE_SIZE: u32 = 224;

/// The model.
pub struct NullModel {
    info: ModelInfo,
}

impl NullModel {
    pub fn new() -> NullModel {
        let info = ModelInfo {
            id: "null".to_owned(),
            members: vec!["null".to_owned()],
            revision: "0000000000000000".to_owned(),
            backbone: "none".to_owned(),
            image_size: IMAGE_SIZE,
            vocab_size: 4,
            parameters: 0,
            max_length: 20,
            device: "cpu".to_owned(),
            precision: "float32".to_owned(),
        };
        NullModel { info }
    }
}

impl Model for NullModel {
    /// How many pictures.
    type Encoded = usize;

    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn prepare(&self) -> Prepare {
        let preprocessor = Preprocessor::new(IMAGE_SIZE, Normalization::CENTERED);
        Arc::new(move |image| preprocessor.prepare(image))
    }

    fn encode(&self, images: &[PreparedImage]) -> Result<usize, InferenceError> {
        Ok(images.len())
    }

    fn select(_: &usize, images: &[usize]) -> usize {
        images.len()
    }

    fn search(&self, encoded: &usize, options: &SearchOptions) -> Result<Vec<Vec<Caption>>, InferenceError> {
        let caption = |beam| Caption {
            caption: "A picture.".to_owned(),
            score: -0.5 - 0.25 * beam as f64,
            tokens: vec![1, 3, 2],
            log_probs: vec![-0.5; 3],
        };
        let beams: Vec<_> = (0..options.beam_size).map(caption).collect();
        Ok(vec![beams; *encoded])
    }
}
