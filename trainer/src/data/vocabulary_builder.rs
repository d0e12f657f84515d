//! The words that a model learns, from the captions that it learns from.

use super::caption_text;
use crate::vocabulary::{Vocabulary, VocabularyError};
use std::collections::HashMap;

/// Rarer words are `UNK` in the published models.
pub const MIN_OCCURRENCES: usize = 5;
/// How much longer than the longest training caption a caption may become.
const MORE_POSITIONS: usize = 20;
/// What is not a word of captions; these are in every vocabulary.
const SPECIAL: [&str; 4] = ["PAD", "SOS", "EOS", "UNK"];

/// A vocabulary, and how long captions are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingVocabulary {
    /// The words, in the order of their code points.
    pub vocabulary: Vocabulary,
    /// Words of the longest caption, `SOS` and `EOS` included.
    pub longest_caption: usize,
    /// Different words in the captions, rare ones included.
    pub distinct_words: usize,
}

impl TrainingVocabulary {
    /// Positions that a model of these captions needs.
    pub fn max_length(&self) -> usize {
        self.longest_caption + MORE_POSITIONS
    }
}

/// Collects the words that occur at least `min_occurrences` times.
///
/// # Errors
/// Never for captions in lower case; [`VocabularyError::Duplicate`] tells of a broken invariant.
pub fn build_vocabulary<'a>(
    captions: impl Iterator<Item = &'a str>,
    min_occurrences: usize,
) -> Result<TrainingVocabulary, VocabularyError> {
    let mut occurrences: HashMap<String, usize> = HashMap::new();
    let mut longest = 0;
    for caption in captions {
        let words = caption_text::words(caption);
        longest = longest.max(words.len());
        for word in words {
            *occurrences.entry(word).or_default() += 1;
        }
    }
    let distinct_words = occurrences.len();
    let frequent = occurrences.into_iter().filter(|(_, count)| *count >= min_occurrences).map(|(word, _)| word);
    let mut words: Vec<String> = SPECIAL.map(String::from).into_iter().chain(frequent).collect();
    words.sort_unstable();
    let vocabulary = Vocabulary::from_words(words)?;
    Ok(TrainingVocabulary { vocabulary, longest_caption: longest + 2, distinct_words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_words_are_kept_in_code_point_order() {
        let captions = ["A dog & a cat.", "a dog", "été", "été Zoo"];
        let built = build_vocabulary(captions.into_iter(), 2).expect("no word twice");
        let words = ["EOS", "PAD", "SOS", "UNK", "a", "dog", "été"];
        let expected = Vocabulary::from_words(words.map(String::from).to_vec()).expect("is one");
        assert_eq!(built.vocabulary, expected);
        assert_eq!((built.longest_caption, built.max_length(), built.distinct_words), (7, 27, 6));
    }
}
