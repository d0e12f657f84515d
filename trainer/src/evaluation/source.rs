//! The model's input for images of a dataset: pictures, or features that were made of them before.

use super::EvaluationError;
use super::log::io_error;
use crate::captioner::{Captioner, Encoded, InferenceError, PreparedImage, Preprocessor};
use crate::data::FeatureReader;
use crate::image::{Limits, decode};
use std::fs;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Where a model's input comes from, image by image.
pub enum Source {
    /// Pictures.
    Images {
        /// The file of each image.
        files: Vec<PathBuf>,
        /// To the model's input.
        preprocessor: Preprocessor,
        /// Bounds on one picture.
        limits: Limits,
    },
    /// A backbone's features.
    Features {
        /// The file of features.
        reader: FeatureReader,
        /// The number of each image.
        ids: Vec<i64>,
    },
}

/// The input for some images.
pub(super) enum Input {
    Images(Vec<PreparedImage>),
    /// `[images, tokens, channels]`
    Features(Tensor),
}

impl Source {
    /// Reads the images at these places.
    pub(super) fn read(&self, places: &[usize]) -> Result<Input, EvaluationError> {
        match self {
            Source::Images { files, preprocessor, limits } => {
                let prepare = |&place: &usize| prepare(&files[place], preprocessor, limits);
                Ok(Input::Images(places.iter().map(prepare).collect::<Result<_, _>>()?))
            }
            Source::Features { reader, ids } => {
                let ids: Vec<i64> = places.iter().map(|&place| ids[place]).collect();
                Ok(Input::Features(stack(reader, &ids)?))
            }
        }
    }
}

impl Input {
    pub(super) fn encode(&self, captioner: &Captioner) -> Result<Encoded, InferenceError> {
        match self {
            Input::Images(images) => captioner.encode(images),
            Input::Features(features) => captioner.encode_features(features),
        }
    }
}

fn prepare(file: &Path, preprocessor: &Preprocessor, limits: &Limits) -> Result<PreparedImage, EvaluationError> {
    let bytes = fs::read(file).map_err(io_error(file))?;
    decode(&bytes, limits)
        .and_then(|picture| preprocessor.prepare(&picture.pixels))
        .map_err(|source| EvaluationError::Image { path: file.to_owned(), source })
}

/// Features of at least one image as one tensor.
fn stack(reader: &FeatureReader, ids: &[i64]) -> Result<Tensor, EvaluationError> {
    let features = ids.iter().map(|&id| reader.read(id, 0)).collect::<Result<Vec<_>, _>>()?;
    for (matrix, &image) in features.iter().zip(ids) {
        if matrix.size() != features[0].size() {
            return Err(EvaluationError::Shapes { first: ids[0], image });
        }
    }
    Ok(Tensor::f_stack(&features, 0).map_err(InferenceError::from)?)
}
