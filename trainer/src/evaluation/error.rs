//! Why a dataset's images can't be captioned.

use crate::captioner::InferenceError;
use crate::data::FeatureError;
use crate::image::ImageError;
use std::io;
use std::path::PathBuf;

/// Why a dataset's images can't be captioned. What was captioned before stays in the log.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A picture can't be decoded.
    #[error("{path}: {source}")]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
    /// The features can't be read.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// Features of images that are to go together differ in shape.
    #[error("the features of image {image} differ in shape from those of image {first}")]
    Shapes {
        /// An image's number.
        first: i64,
        /// One with other features.
        image: i64,
    },
    /// The log is of another evaluation.
    #[error("{path} holds captions of another evaluation ({difference}): name another folder, or delete this file")]
    OtherOrigin {
        /// The log.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// The log has a line that is none of ours.
    #[error("{path}, line {line}: {reason}")]
    Log {
        /// The log.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What was expected.
        reason: String,
    },
    /// Another process appends to the log.
    #[error("{path} is being written by another evaluation")]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// The model failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// A thread that reads images has panicked.
    #[error("reading the images ended unexpectedly")]
    ReaderDied,
}
