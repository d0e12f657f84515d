//! A set of candidates with their references, tokenised and counted.

use super::rouge::rouge_l;
use super::{BleuStatistics, DocumentFrequencies, NGrams, Words, tokenizer};
use rayon::prelude::*;

/// A caption to judge, and what people wrote of the same image.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The caption, as the model or a person wrote it.
    pub caption: &'a str,
    /// The references.
    pub references: &'a [String],
}

/// The same as words separated by spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizedCandidate {
    /// The caption.
    pub caption: String,
    /// The references.
    pub references: Vec<String>,
}

/// Why captions can't be judged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CorpusError {
    /// There are no captions.
    #[error("there are no captions to judge")]
    Empty,
    /// An image has nothing to compare with.
    #[error("caption {place} (counted from 0) has no references to compare it with")]
    NoReferences {
        /// Place of the candidate in the list.
        place: usize,
    },
}

/// Tokenises all captions, on all cores.
///
/// # Errors
/// When there are none, or one has no references.
pub fn tokenize_all(candidates: &[Candidate]) -> Result<Vec<TokenizedCandidate>, CorpusError> {
    if candidates.is_empty() {
        return Err(CorpusError::Empty);
    }
    if let Some(place) = candidates.iter().position(|candidate| candidate.references.is_empty()) {
        return Err(CorpusError::NoReferences { place });
    }
    let tokenize = |candidate: &Candidate| TokenizedCandidate {
        caption: tokenizer::tokenize(candidate.caption),
        references: candidate.references.iter().map(|reference| tokenizer::tokenize(reference)).collect(),
    };
    Ok(candidates.par_iter().map(tokenize).collect())
}

/// Words and n-grams of a set of candidates and references.
#[derive(Debug)]
pub struct Corpus {
    candidates: Vec<Counted>,
}

#[derive(Debug)]
struct Counted {
    caption: Vec<u32>,
    references: Vec<Vec<u32>>,
    caption_ngrams: NGrams,
    reference_ngrams: Vec<NGrams>,
}

impl Corpus {
    /// Counts words and n-grams.
    pub fn new(candidates: &[TokenizedCandidate]) -> Self {
        let mut words = Words::default();
        let candidates = candidates.iter().map(|candidate| {
            let (caption, caption_ngrams) = count(&candidate.caption, &mut words);
            let references = candidate.references.iter().map(|reference| count(reference, &mut words));
            let (references, reference_ngrams) = references.unzip();
            Counted { caption, references, caption_ngrams, reference_ngrams }
        });
        Corpus { candidates: candidates.collect() }
    }

    /// What BLEU needs of each caption.
    pub fn bleu(&self) -> Vec<BleuStatistics> {
        let statistics = |counted: &Counted| BleuStatistics::of(&counted.caption_ngrams, &counted.reference_ngrams);
        self.candidates.par_iter().map(statistics).collect()
    }

    /// ROUGE-L of each caption.
    pub fn rouge_l(&self) -> Vec<f64> {
        self.candidates.par_iter().map(|counted| rouge_l(&counted.caption, &counted.references)).collect()
    }

    /// CIDEr-D of each caption, with the document frequencies of these references.
    pub fn cider_d(&self) -> Vec<f64> {
        let references = self.candidates.iter().map(|counted| counted.reference_ngrams.as_slice());
        let frequencies = DocumentFrequencies::of(references);
        let score = |counted: &Counted| frequencies.score(&counted.caption_ngrams, &counted.reference_ngrams);
        self.candidates.par_iter().map(score).collect()
    }
}

/// Words for ROUGE-L, which splits at spaces only and takes nothing for one empty word, and n-grams
/// for the others, which split at no-break spaces too.
fn count(caption: &str, words: &mut Words) -> (Vec<u32>, NGrams) {
    let split = words.intern(caption.split(' '));
    let ngrams = match caption.is_empty() || caption.contains('\u{a0}') {
        true => NGrams::of(&words.intern(caption.split_whitespace())),
        false => NGrams::of(&split),
    };
    (split, ngrams)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_without_references_are_refused() {
        let some = ["A dog.".to_owned()];
        let candidates = [Candidate { caption: "a", references: &some }, Candidate { caption: "b", references: &[] }];
        assert_eq!(tokenize_all(&candidates), Err(CorpusError::NoReferences { place: 1 }));
        assert_eq!(tokenize_all(&[]), Err(CorpusError::Empty));
    }

    #[test]
    fn a_fraction_is_one_word_to_rouge_and_two_to_the_others() {
        let (split, ngrams) = count("1\u{a0}1/2 cups", &mut Words::default());
        assert_eq!((split.len(), ngrams.words()), (2, 3));
        let (split, ngrams) = count("", &mut Words::default());
        assert_eq!((split.len(), ngrams.words()), (1, 0));
    }
}
