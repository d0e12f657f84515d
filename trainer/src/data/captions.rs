//! The captions of a dataset as tokens, one by one or in groups of the same image.

use super::batches::{Item, mixed};
use super::{Image, caption_text};
use crate::vocabulary::{Vocabulary, VocabularyError};
use tch::{TchError, Tensor};

/// Captions as tokens, filled up to the longest.
#[derive(Debug)]
pub struct Tokens {
    /// SOS, words, EOS, padding: `[rows, length]`; as many rows of each image, side by side. An image with
    /// fewer captions has rows of padding alone.
    pub tensor: Tensor,
    /// Padding at the end of each row.
    pub pads: Vec<i64>,
    /// Rows that are captions.
    pub captions: usize,
}

/// The captions of a list of images as tokens.
pub struct CaptionSet {
    /// By image and caption.
    captions: Vec<Vec<Vec<i64>>>,
    /// Captions of an image that are learned together, at most.
    per_image: usize,
    pad: i64,
    /// "left" and "right", which a mirrored image exchanges; none where one of them is no word of the vocabulary.
    sides: Option<[i64; 2]>,
}

impl CaptionSet {
    /// Words to tokens, unknown ones to the vocabulary's own for them; captions are cut so that they have `max_length` tokens, and
    /// learned in groups of at most `per_image` of the same image.
    ///
    /// # Errors
    /// When the vocabulary has nothing for padding or unknown words.
    pub fn new(
        images: &[Image],
        vocabulary: &Vocabulary,
        max_length: usize,
        per_image: usize,
    ) -> Result<Self, VocabularyError> {
        let (pad, unknown) = (vocabulary.pad()?, vocabulary.unk()?);
        let tokens = |caption: &String| {
            let words = caption_text::words(caption);
            let words = words.iter().take(max_length.saturating_sub(2));
            let words = words.map(|word| vocabulary.id(word).unwrap_or(unknown));
            std::iter::once(vocabulary.sos()).chain(words).chain([vocabulary.eos()]).collect()
        };
        let captions = images.iter().map(|image| image.captions.iter().map(tokens).collect()).collect();
        let sides = vocabulary.id("left").zip(vocabulary.id("right")).map(<[i64; 2]>::from);
        Ok(CaptionSet { captions, per_image: per_image.max(1), pad, sides })
    }

    /// The token of padding.
    pub fn pad(&self) -> i64 {
        self.pad
    }

    /// Every group of captions, as its image and its place among the image's groups.
    pub fn items(&self) -> Vec<Item> {
        let groups = |captions: &Vec<_>| captions.len().div_ceil(self.per_image);
        let of = |(image, captions)| (0..groups(captions)).map(move |group| (image, Some(group)));
        self.captions.iter().enumerate().flat_map(of).collect()
    }

    /// The captions of these groups, of which the images of some are mirrored; none where the items are images
    /// alone. `seed` says which captions of an image go together, where it has more than one group.
    pub(super) fn batch(&self, items: &[Item], mirrored: &[bool], seed: u64) -> Result<Option<Tokens>, TchError> {
        let group = |&(image, group): &Item| group.map(|group| self.group(image, group, seed));
        let groups: Option<Vec<Vec<&[i64]>>> = items.iter().map(group).collect();
        let Some(groups) = groups else { return Ok(None) };
        let rows = groups.iter().map(Vec::len).max().unwrap_or(0);
        let longest = groups.iter().flatten().map(|caption| caption.len()).max().unwrap_or(0);
        let filled_up = |(group, &mirrored): (&Vec<&'_ [i64]>, &bool)| -> Vec<Vec<i64>> {
            let captions = group.iter().copied().chain(std::iter::repeat(&[][..])).take(rows);
            captions.map(|caption| if mirrored { self.mirrored(caption) } else { caption.to_vec() }).collect()
        };
        let captions: Vec<Vec<i64>> = groups.iter().zip(mirrored).flat_map(filled_up).collect();
        let pads = captions.iter().map(|caption| (longest - caption.len()) as i64).collect();
        let padding = std::iter::repeat(self.pad);
        let filled = captions.iter().flat_map(|caption| caption.iter().copied().chain(padding.clone()).take(longest));
        let shape = [captions.len() as i64, longest as i64];
        let tensor = Tensor::f_from_slice(&filled.collect::<Vec<_>>())?.f_view(shape)?;
        Ok(Some(Tokens { tensor, pads, captions: groups.iter().map(Vec::len).sum() }))
    }

    /// What is said of the same image, mirrored.
    fn mirrored(&self, caption: &[i64]) -> Vec<i64> {
        let Some([left, right]) = self.sides else { return caption.to_vec() };
        let exchanged = |&token: &i64| match token {
            _ if token == left => right,
            _ if token == right => left,
            _ => token,
        };
        caption.iter().map(exchanged).collect()
    }

    /// One group of an image's captions; the groups differ in size by one at most.
    fn group(&self, image: usize, group: usize, seed: u64) -> Vec<&[i64]> {
        let captions = &self.captions[image];
        let groups = captions.len().div_ceil(self.per_image);
        let mut order: Vec<usize> = (0..captions.len()).collect();
        if self.per_image > 1 && groups > 1 {
            fastrand::Rng::with_seed(mixed(seed, image as u64)).shuffle(&mut order);
        }
        order.iter().skip(group).step_by(groups.max(1)).map(|&caption| captions[caption].as_slice()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images: the first has five captions, `a` once to five times; the second has one.
    fn captions(per_image: usize) -> CaptionSet {
        let image = |captions: std::ops::RangeInclusive<usize>| Image {
            id: 1,
            folder: String::new(),
            file: String::new(),
            captions: captions.map(|words| "a ".repeat(words)).collect(),
        };
        let words = ["PAD", "SOS", "EOS", "UNK", "a"].map(String::from).to_vec();
        let vocabulary = Vocabulary::from_words(words).expect("is one");
        CaptionSet::new(&[image(1..=5), image(2..=2)], &vocabulary, 9, per_image).expect("has PAD and UNK")
    }

    /// Words of each caption of the first image's groups.
    fn lengths(set: &CaptionSet, seed: u64) -> Vec<Vec<usize>> {
        let first = set.items().into_iter().filter(|&(image, _)| image == 0);
        let words = |caption: &[i64]| caption.len() - 2;
        first
            .map(|(image, group)| set.group(image, group.unwrap_or(0), seed).into_iter().map(words).collect())
            .collect()
    }

    #[test]
    fn every_caption_is_in_one_group_whatever_their_size() {
        for per_image in 1..=6 {
            let groups = lengths(&captions(per_image), 3);
            assert_eq!(groups.len(), 5usize.div_ceil(per_image));
            assert!(groups.iter().all(|group| group.len() <= per_image));
            let mut all = groups.concat();
            all.sort_unstable();
            assert_eq!(all, [1, 2, 3, 4, 5], "{per_image}");
        }
    }

    #[test]
    fn groups_change_with_the_seed_and_single_captions_keep_their_places() {
        assert_eq!(lengths(&captions(2), 3), lengths(&captions(2), 3));
        assert!((0..9).any(|seed| lengths(&captions(2), seed) != lengths(&captions(2), 3)));
        assert_eq!(lengths(&captions(1), 3), [[1], [2], [3], [4], [5]]);
        assert_eq!(lengths(&captions(5), 3), [[1, 2, 3, 4, 5]]);
    }

    #[test]
    fn a_mirrored_image_exchanges_left_and_right() {
        let words = ["PAD", "SOS", "EOS", "UNK", "dog", "left", "right"].map(String::from).to_vec();
        let image = |caption: &str| Image {
            id: 1,
            folder: String::new(),
            file: String::new(),
            captions: vec![caption.to_owned()],
        };
        let images = [image("Left dog, right dog."), image("dog left")];
        let batch = |words: Vec<String>, mirrored| {
            let vocabulary = Vocabulary::from_words(words).expect("is one");
            let set = CaptionSet::new(&images, &vocabulary, 9, 1).expect("has PAD and UNK");
            let batch = set.batch(&set.items(), mirrored, 3).expect("made").expect("captions were asked for");
            Vec::<i64>::try_from(batch.tensor.flatten(0, 1)).expect("integers")
        };
        assert_eq!(batch(words.clone(), &[true, false]), [1, 6, 4, 5, 4, 2, 1, 4, 5, 2, 0, 0]);
        assert_eq!(batch(words[..6].to_vec(), &[true, true])[..6], [1, 5, 4, 3, 4, 2], "it has no word for one side");
    }

    #[test]
    fn smaller_groups_are_filled_up_with_rows_of_padding() {
        let set = captions(2);
        let alone = set.items().len() - 1; // the second image's only group
        let batch = set
            .batch(&[(0, Some(0)), set.items()[alone]], &[false; 2], 3)
            .expect("made")
            .expect("captions were asked for");
        assert_eq!((batch.tensor.size()[0], batch.captions), (4, 3));
        let length = batch.tensor.size()[1];
        assert_eq!(batch.pads[2..], [length - 4, length]);
        let padding = Vec::<i64>::try_from(batch.tensor.get(3)).expect("integers");
        assert!(padding.iter().all(|&token| token == 0), "{padding:?}");
        assert!(set.batch(&[(0, None)], &[false], 3).expect("made").is_none());
    }
}
