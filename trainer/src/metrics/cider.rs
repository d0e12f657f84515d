//! CIDEr-D: how much a caption's n-grams, the rarer the weightier, are those of the references.

use super::ngrams::{MAX_ORDER, NGram, NGrams, for_shared, order};
use std::collections::HashMap;

/// Deviation of the penalty for a difference in length, in words.
const SIGMA: f64 = 6.0;
/// CIDEr is quoted times ten.
const SCALE: f64 = 10.0;

/// In how many images' references each n-gram occurs, and what it weighs for that.
#[derive(Clone, Debug)]
pub struct DocumentFrequencies {
    log_images: f64,
    images_with: HashMap<NGram, u32, foldhash::fast::FixedState>,
}

impl DocumentFrequencies {
    /// Counts over the references of all images.
    pub fn of<'a>(images: impl Iterator<Item = &'a [NGrams]>) -> Self {
        let mut counter = FrequencyCounter::default();
        images.for_each(|references| counter.add(references));
        counter.finish()
    }

    /// What an n-gram weighs: the less, the more images have it. One that none has counts as in one.
    fn weight(&self, ngram: &NGram) -> f64 {
        let images = self.images_with.get(ngram).copied().unwrap_or(0).max(1);
        self.log_images - f64::from(images).ln()
    }

    /// Vectors of a caption to compare.
    pub(super) fn weigh(&self, caption: &NGrams) -> Weighed {
        let mut squares = [0.0; MAX_ORDER];
        let weighed = caption.counts().iter().map(|(ngram, count)| {
            let weight = f64::from(*count) * self.weight(ngram);
            squares[order(ngram)] += weight * weight;
            (*ngram, weight)
        });
        let weights = weighed.collect();
        // The length is counted in bigrams, so that one word is as long as none.
        Weighed { weights, norms: squares.map(f64::sqrt), length: caption.words().saturating_sub(1) as f64 }
    }

    /// CIDEr-D of one candidate, of whose references there must be one.
    pub fn score(&self, candidate: &NGrams, references: &[NGrams]) -> f64 {
        let references: Vec<Weighed> = references.iter().map(|reference| self.weigh(reference)).collect();
        score(&self.weigh(candidate), &references)
    }
}

/// Counts image after image, where their n-grams are not all kept.
#[derive(Debug, Default)]
pub(super) struct FrequencyCounter {
    images: usize,
    images_with: HashMap<NGram, u32, foldhash::fast::FixedState>,
    ngrams: Vec<NGram>,
}

impl FrequencyCounter {
    /// Counts the references of one image.
    pub(super) fn add(&mut self, references: &[NGrams]) {
        self.ngrams.clear();
        self.ngrams.extend(references.iter().flat_map(|reference| reference.counts().iter().map(|(ngram, _)| *ngram)));
        self.ngrams.sort_unstable();
        self.ngrams.dedup();
        for &ngram in &self.ngrams {
            *self.images_with.entry(ngram).or_default() += 1;
        }
        self.images += 1;
    }

    pub(super) fn finish(self) -> DocumentFrequencies {
        DocumentFrequencies { log_images: (self.images as f64).ln(), images_with: self.images_with }
    }
}

/// A caption as four vectors, one an order, of its n-grams' weights.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    weights: Vec<(NGram, f64)>,
    norms: [f64; MAX_ORDER],
    length: f64,
}

/// CIDEr-D of a candidate: mean over orders and references of the clipped cosine, ten times.
pub(super) fn score(candidate: &Weighed, references: &[Weighed]) -> f64 {
    let total: f64 = references.iter().map(|reference| similarity(candidate, reference)).sum();
    SCALE * total / (MAX_ORDER * references.len()) as f64
}

/// Sum over the orders of the clipped cosine, less for a difference in length.
fn similarity(candidate: &Weighed, reference: &Weighed) -> f64 {
    let mut products = [0.0; MAX_ORDER];
    for_shared(&candidate.weights, &reference.weights, |place, ours, theirs| {
        // Clipped, so that repeating a word does not pay.
        products[order(&candidate.weights[place].0)] += ours.min(*theirs) * theirs;
    });
    let cosines = products.iter().zip(candidate.norms.iter().zip(&reference.norms)).map(|(product, (ours, theirs))| {
        let norms = ours * theirs;
        if norms == 0.0 { *product } else { product / norms }
    });
    let difference = candidate.length - reference.length;
    cosines.sum::<f64>() * (-(difference * difference) / (2.0 * SIGMA * SIGMA)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(captions: &[&[u32]]) -> Vec<Vec<NGrams>> {
        captions.iter().map(|words| vec![NGrams::of(words)]).collect()
    }

    fn frequencies(images: &[Vec<NGrams>]) -> DocumentFrequencies {
        DocumentFrequencies::of(images.iter().map(Vec::as_slice))
    }

    #[test]
    fn a_caption_equal_to_its_only_reference_scores_ten() {
        let images = images(&[&[1, 2, 3, 4], &[5, 6, 7, 8]]);
        assert!((frequencies(&images).score(&images[0][0], &images[0]) - 10.0).abs() < 1e-12);
    }

    #[test]
    fn what_all_images_have_weighs_nothing() {
        let images = images(&[&[1, 2], &[1, 3]]);
        let frequencies = frequencies(&images);
        assert_eq!(frequencies.weight(&[1, 0, 0, 0]), 0.0);
        assert!((frequencies.weight(&[2, 0, 0, 0]) - 2.0f64.ln()).abs() < 1e-15);
        assert!((frequencies.weight(&[9, 0, 0, 0]) - 2.0f64.ln()).abs() < 1e-15, "as if one image had it");
        assert_eq!(frequencies.score(&NGrams::of(&[1]), &images[0]), 0.0);
    }

    #[test]
    fn repetition_is_clipped_and_length_penalised() {
        let images = images(&[&[1], &[2]]);
        // Weights: 3 ln 2 against ln 2. Clipped product (ln 2)^2 over norms 3 (ln 2)^2 is 1/3, of unigrams
        // only, hence over 4 orders; two bigrams too many: exp(-4 / 72).
        let expected = 10.0 / 3.0 / 4.0 * (-4.0f64 / 72.0).exp();
        let score = frequencies(&images).score(&NGrams::of(&[1, 1, 1]), &images[0]);
        assert!((score - expected).abs() < 1e-12, "{score}");
    }
}
