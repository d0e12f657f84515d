//! What a batch shows of its images, and where that is read: stored features, image files, or what people wrote.

use super::Image;
use super::augmentation::View;
use super::features::{FeatureError, FeatureReader};
use crate::image::{ImageError, Limits, Normalization, decode, normalize, resize_square};
use fastrand::Rng;
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
    /// Captions in place of their images: words by image and caption.
    Captions(Vec<Vec<Vec<i64>>>),
    /// Nothing, in this shape: stands for what is not there yet when paces are measured.
    Blank(Vec<i64>),
}

/// What a batch shows of its images.
#[derive(Debug)]
pub struct Inputs {
    /// Features `[images, tokens, channels]`, pixels `[images, 3, side, side]`, or words `[images, tokens]`.
    pub tensor: Tensor,
    /// Padded tokens at the end of each image's features or words; empty where nothing is padded.
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

    /// Whether they are words in place of images.
    pub fn are_words(&self) -> bool {
        self.tensor.kind() == Kind::Int64
    }

    /// Those of several images, the shorter ones filled up with zeros.
    pub(super) fn of(images: &[Tensor]) -> Result<Self, TchError> {
        let longest = images.iter().map(|image| image.size()[0]).max().unwrap_or(0);
        let pads: Vec<i64> = images.iter().map(|image| longest - image.size()[0]).collect();
        if pads.iter().all(|&pads| pads == 0) {
            return Ok(Inputs::unpadded(Tensor::f_stack(images, 0)?));
        }
        let at_the_end = |image: &Tensor, pads| [vec![0; 2 * image.dim() - 1], vec![pads]].concat();
        let filled = images.iter().zip(&pads).map(|(image, &pads)| image.f_constant_pad_nd(at_the_end(image, pads)));
        Ok(Inputs { tensor: Tensor::f_stack(&filled.collect::<Result<Vec<_>, _>>()?, 0)?, pads })
    }
}

impl InputSource {
    /// Whether there is something to read of an image; it may turn out to be damaged.
    pub(super) fn has(&self, images: &[Image], image: usize) -> bool {
        match self {
            InputSource::Features(reader) => reader.has(images[image].id, 0),
            InputSource::Images { paths, .. } => paths[image].is_file(),
            InputSource::Captions(captions) => !captions[image].is_empty(),
            InputSource::Blank(_) => true,
        }
    }

    /// One image in a view, of which stored features and captions only need the number: `[tokens, channels]` in the
    /// kind on disk, pixels `[3, side, side]`, or words `[tokens]`.
    pub(super) fn read(
        &self,
        images: &[Image],
        image: usize,
        (number, view): (u64, View),
    ) -> Result<Tensor, InputError> {
        match self {
            InputSource::Features(reader) => Ok(reader.read(images[image].id, number)?),
            InputSource::Captions(captions) => Ok(Tensor::f_from_slice(&some_words(&captions[image], number))?),
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

/// Parts of a caption's words that are seen.
const SEEN_WORDS: f64 = 0.7;

/// Words of one of an image's captions, drawn by the number, some of them left out; with number 0 all of the first.
fn some_words(captions: &[Vec<i64>], number: u64) -> Vec<i64> {
    let mut random = Rng::with_seed(number);
    let caption = if number == 0 { captions.first() } else { random.choice(captions) };
    let Some(caption) = caption else { return Vec::new() };
    let seen: Vec<i64> = caption.iter().copied().filter(|_| number == 0 || random.f64() < SEEN_WORDS).collect();
    if seen.is_empty() { caption.clone() } else { seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_captions_one_is_drawn_and_some_of_its_words_are_seen() {
        let captions = [(10..20).collect::<Vec<i64>>(), (20..30).collect()];
        assert_eq!(some_words(&captions, 0), captions[0]);
        let (mut first, mut words) = (0, 0);
        for number in 1..=200 {
            let seen = some_words(&captions, number);
            assert_eq!(seen, some_words(&captions, number));
            let of = usize::from(seen[0] >= 20);
            assert!(seen.is_sorted() && seen.iter().all(|word| captions[of].contains(word)), "{seen:?}");
            first += usize::from(of == 0);
            words += seen.len();
        }
        assert!((70..130).contains(&first), "{first} of 200");
        assert!((1_300..1_500).contains(&words), "{words} of 2,000");
        assert_eq!(some_words(&[vec![7]], 1), [7], "never nothing");
    }

    #[test]
    fn words_are_filled_up_as_features_are() {
        let inputs = Inputs::of(&[Tensor::from_slice(&[4i64, 5, 6]), Tensor::from_slice(&[7i64])]).expect("stacked");
        assert_eq!(inputs.tensor, Tensor::from_slice2(&[[4i64, 5, 6], [7, 0, 0]]));
        assert!(inputs.are_words() && inputs.pads == [0, 2]);
    }
}
