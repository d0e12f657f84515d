//! What a batch shows of its images, and where that is read: stored features, or image files.

use super::Image;
use super::augmentation::View;
use super::features::{FeatureError, FeatureReader};
use crate::image::{ImageError, Limits, Normalization, decode, normalize, resize_square};
use std::path::PathBuf;
use tch::{Device, Kind, TchError, Tensor};

/// Where a batch's images come from.
pub enum InputSource {
    /// Stored features.
    Features(FeatureReader),
    /// Image files, prepared for the backbone.
    Images {
        /// The file of each image.
        paths: Vec<PathBuf>,
        /// Side of the square input in pixels.
        size: u32,
        /// How the backbone wants its pixels.
        normalization: Normalization,
    },
    /// Nothing, in this shape: stands for what is not there yet when paces are measured.
    Blank(Vec<i64>),
}

/// What a batch shows of its images.
#[derive(Debug)]
pub struct Inputs {
    /// Features `[images, tokens, channels]`, or pixels `[images, 3, side, side]`.
    pub tensor: Tensor,
    /// Padded tokens at the end of each image's features; empty where nothing is padded.
    pub pads: Vec<i64>,
}

/// Why an image is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error(transparent)]
    Features(#[from] FeatureError),
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    #[error("{0}: {1}")]
    Image(String, ImageError),
    #[error(transparent)]
    Tensor(#[from] TchError),
}

impl Inputs {
    /// Inputs without padding.
    pub fn unpadded(tensor: Tensor) -> Self {
        Inputs { tensor, pads: Vec::new() }
    }

    /// Those of several images, the shorter features filled up with zeros.
    pub(super) fn of(images: &[Tensor]) -> Result<Self, TchError> {
        let longest = images.iter().map(|image| image.size()[0]).max().unwrap_or(0);
        let pads: Vec<i64> = images.iter().map(|image| longest - image.size()[0]).collect();
        if pads.iter().all(|&pads| pads == 0) {
            return Ok(Inputs::unpadded(Tensor::f_stack(images, 0)?));
        }
        let filled = images.iter().zip(&pads).map(|(image, &pads)| image.f_constant_pad_nd([0, 0, 0, pads]));
        Ok(Inputs { tensor: Tensor::f_stack(&filled.collect::<Result<Vec<_>, _>>()?, 0)?, pads })
    }
}

impl InputSource {
    /// Whether there is something to read of an image; it may turn out to be damaged.
    pub(super) fn has(&self, images: &[Image], image: usize) -> bool {
        match self {
            InputSource::Features(reader) => reader.has(images[image].id, 0),
            InputSource::Images { paths, .. } => paths[image].is_file(),
            InputSource::Blank(_) => true,
        }
    }

    /// One image in a view, of which stored features only need the number: `[tokens, channels]` in the kind on disk,
    /// or pixels `[3, side, side]`.
    pub(super) fn read(
        &self,
        images: &[Image],
        image: usize,
        (number, view): (u64, View),
    ) -> Result<Tensor, InputError> {
        match self {
            InputSource::Features(reader) => Ok(reader.read(images[image].id, number)?),
            InputSource::Blank(shape) => Ok(Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?),
            InputSource::Images { paths, size, normalization } => {
                let name = || images[image].name();
                let bytes = std::fs::read(&paths[image]).map_err(|error| InputError::File(name(), error))?;
                let failed = |error| InputError::Image(name(), error);
                let decoded = decode(&bytes, &Limits::default()).map_err(failed)?;
                let square = resize_square(&view.of(decoded.pixels), *size).map_err(failed)?;
                let side = i64::from(*size);
                Ok(Tensor::f_from_slice(&normalize(&square, normalization))?.f_view([3, side, side])?)
            }
        }
    }
}
