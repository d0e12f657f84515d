//! Language learned of captions alone: the images that they are of are not needed.
//!
//! The encoder reads words of one caption of an image, and the decoder learns to say what all captions of that image
//! say. The words' vectors, the order of words and what goes with what are then known when the first photo is seen.

use super::failure::TrainError;
use super::recipe::TrainingPhase;
use super::run::Run;
use crate::data::{Dataset, Image, InputSource, caption_text};
use crate::vocabulary::Vocabulary;
use std::borrow::Cow;
use std::collections::HashSet;

impl Run<'_> {
    /// What a phase is trained on: the dataset's images for training, of one folder where it has a `filepath`; or those
    /// of `data.captions`, if captions are what it sees, of which `tell` hears how many are left out.
    pub(super) fn training_images(
        &self,
        phase: &TrainingPhase,
        tell: impl FnOnce(String),
    ) -> Result<Cow<'_, [Image]>, TrainError> {
        let Some(path) = self.recipe.data.captions.as_ref().filter(|_| phase.sees_captions) else {
            return self.photos(phase);
        };
        let Dataset { validation, test, .. } = &self.dataset;
        let held_out: HashSet<&str> = validation.iter().chain(test).map(stem).collect();
        let mut images = Dataset::read(path)?.train;
        images.retain(|image| !held_out.contains(stem(image)));
        let all: usize = images.iter().map(|image| image.captions.len()).sum();
        let (mut left_out, mut example) = (0, None);
        for image in &mut images {
            for caption in image.captions.extract_if(.., |caption| !is_known(caption, &self.vocabulary)) {
                left_out += 1;
                example.get_or_insert(caption);
            }
        }
        images.retain(|image| !image.captions.is_empty());
        if let Some(example) = example {
            tell(format!(
                "{left_out} of {all} captions in {} are left out, as they have words that the vocabulary lacks, e.g. \
                 \"{example}\"",
                path.display()
            ));
        }
        Ok(Cow::Owned(images))
    }

    /// The captions of these images in their place.
    pub(super) fn caption_source(&self, images: &[Image]) -> InputSource {
        let ids = |caption: &String| self.known_words(caption);
        let of_image = |image: &Image| image.captions.iter().map(ids).filter(|ids| !ids.is_empty()).collect();
        InputSource::Captions(images.iter().map(of_image).collect())
    }

    /// The words of a caption that the model knows.
    pub(super) fn known_words(&self, caption: &str) -> Vec<i64> {
        caption_text::words(caption).iter().filter_map(|word| self.vocabulary.id(word)).collect()
    }
}

/// What should be said of images whose first caption is what is seen of them.
pub(super) fn without_first_captions(images: Vec<Image>) -> Vec<Image> {
    let others = |image: Image| Image { captions: image.captions.into_iter().skip(1).collect(), ..image };
    images.into_iter().map(others).collect()
}

/// The name of an image's file, which is the same in datasets that number their images otherwise or store them as
/// other files.
fn stem(image: &Image) -> &str {
    image.file.rsplit_once('.').map_or(image.file.as_str(), |(stem, _)| stem)
}

/// Whether the caption has no word that the vocabulary lacks: nothing is to be learned of those.
fn is_known(caption: &str, vocabulary: &Vocabulary) -> bool {
    let words = caption_text::words(caption);
    !words.is_empty() && words.iter().all(|word| vocabulary.id(word).is_some())
}
