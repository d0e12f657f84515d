//! The reward of self-critical training: CIDEr-D against the training captions, with their end as a word.

use super::cider::{FrequencyCounter, score};
use super::{DocumentFrequencies, NGrams, Words};
use crate::data::caption_text;
use rayon::prelude::*;

/// What to print with every self-critical result: how captions were sampled, rewarded and compared.
pub const SACRE_EOS: &str = "STANDARDwInit+Cider-D[n4,s6.0]+average[nspi5]+1.0.0";

/// Scores sampled captions against the training captions, whose document frequencies are fixed.
pub struct CiderReward {
    words: Words,
    /// By image and caption the numbers of its words, its end included. The n-grams of all training
    /// captions would take ten times the memory and are counted again in little time.
    references: Vec<Vec<Vec<u32>>>,
    frequencies: DocumentFrequencies,
}

/// Why captions can't be scored.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RewardError {
    /// The images of a batch are not those of its captions.
    #[error("{images} images but captions for {captions}")]
    Lengths {
        /// Images named.
        images: usize,
        /// Images with captions.
        captions: usize,
    },
    /// There is no such training image.
    #[error("there is no training image {image}, only {images} from 0 on")]
    NoSuchImage {
        /// The image asked for.
        image: usize,
        /// Training images.
        images: usize,
    },
    /// A training image has nothing to compare with.
    #[error("the training image at place {image} (counted from 0) has no captions")]
    NoReferences {
        /// Its place among the training images, which is not the number that the dataset gives it.
        image: usize,
    },
}

impl CiderReward {
    /// Prepares the training captions as they stand in the dataset, a list an image; `eos` is the vocabulary's word
    /// for their end.
    ///
    /// # Errors
    /// When an image has no captions.
    pub fn new<C: AsRef<str>>(captions: &[Vec<C>], eos: &str) -> Result<Self, RewardError> {
        let mut words = Words::default();
        let mut counter = FrequencyCounter::default();
        let mut references = Vec::with_capacity(captions.len());
        for (image, captions) in captions.iter().enumerate() {
            if captions.is_empty() {
                return Err(RewardError::NoReferences { image });
            }
            let numbers = captions.iter().map(|caption| {
                let text = caption_text::words(caption.as_ref());
                words.intern(text.iter().map(String::as_str).filter(|word| !word.trim().is_empty()).chain([eos]))
            });
            let numbers: Vec<Vec<u32>> = numbers.collect();
            counter.add(&numbers.iter().map(|caption| NGrams::of(caption)).collect::<Vec<_>>());
            references.push(numbers);
        }
        Ok(CiderReward { words, references, frequencies: counter.finish() })
    }

    /// Rewards of the captions sampled for each of these training images, given as words without the one for the start
    /// and, where the caption ended, with the one for the end.
    ///
    /// # Errors
    /// When the lists differ in length or there is no such image.
    pub fn rewards<W: AsRef<str> + Sync>(
        &self,
        images: &[usize],
        captions: &[Vec<Vec<W>>],
    ) -> Result<Vec<Vec<f64>>, RewardError> {
        if images.len() != captions.len() {
            return Err(RewardError::Lengths { images: images.len(), captions: captions.len() });
        }
        let score_image = |(&image, captions): (&usize, &Vec<Vec<W>>)| {
            let no_such = RewardError::NoSuchImage { image, images: self.references.len() };
            let references = self.references.get(image).ok_or(no_such)?;
            let references: Vec<_> =
                references.iter().map(|words| self.frequencies.weigh(&NGrams::of(words))).collect();
            let scores = captions.iter().map(|caption| {
                let words = self.words.lookup(caption.iter().map(AsRef::as_ref));
                score(&self.frequencies.weigh(&NGrams::of(&words)), &references)
            });
            Ok(scores.collect())
        };
        images.par_iter().zip(captions).map(score_image).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reward() -> CiderReward {
        reward_with("EOS")
    }

    /// With this word for the end of captions.
    fn reward_with(eos: &str) -> CiderReward {
        let captions = vec![vec!["A dog runs.", "dog runs"], vec!["Two cats sleep"]];
        CiderReward::new(&captions, eos).expect("every image has captions")
    }

    #[test]
    fn a_training_caption_with_its_end_is_worth_most() {
        let captions = vec![vec![
            vec!["two", "cats", "sleep", "EOS"],
            vec!["two", "cats", "sleep"],
            vec!["two", "cats", "cats", "EOS"],
            vec!["a", "dog", "runs", "EOS"],
        ]];
        let rewards = reward().rewards(&[1], &captions).expect("the image is there").remove(0);
        assert!((rewards[0] - 10.0).abs() < 1e-12, "{rewards:?}");
        assert!(rewards.is_sorted_by(|better, worse| better > worse), "{rewards:?}");
        assert_eq!(rewards[3], 0.0);
    }

    #[test]
    fn the_end_counts_by_whatever_name_the_vocabulary_has_for_it() {
        let of_a_reference = |reward: &CiderReward, end: &str| {
            let captions = [vec![vec!["two", "cats", "sleep", end]]];
            reward.rewards(&[1], &captions).expect("the image is there")[0][0]
        };
        let otherwise = reward_with("</s>");
        let (full, same) = (of_a_reference(&reward(), "EOS"), of_a_reference(&otherwise, "</s>"));
        assert!((full - 10.0).abs() < 1e-12 && (same - full).abs() < 1e-12, "{same} instead of {full}");
        assert!(of_a_reference(&otherwise, "EOS") < full, "a word that its vocabulary lacks");
    }

    #[test]
    fn wrong_batches_are_refused() {
        let caption = vec![vec!["a"]];
        let wrong = reward().rewards(&[7], std::slice::from_ref(&caption)).unwrap_err();
        assert_eq!(wrong, RewardError::NoSuchImage { image: 7, images: 2 });
        let wrong = reward().rewards(&[0, 1], &[caption]).unwrap_err();
        assert_eq!(wrong, RewardError::Lengths { images: 2, captions: 1 });
        let none: Vec<Vec<&str>> = vec![vec!["a"], vec![]];
        let wrong = CiderReward::new(&none, "EOS").err().expect("an image has no captions");
        assert_eq!(wrong, RewardError::NoReferences { image: 1 });
        assert_eq!(wrong.to_string(), "the training image at place 1 (counted from 0) has no captions");
    }
}
