//! BLEU-1 to BLEU-4 as pycocoevalcap computes them: the closest reference counts for brevity, and two
//! tiny constants keep empty counts from dividing by zero.

use super::ngrams::{MAX_ORDER, NGrams, for_shared, order};
use std::ops::AddAssign;

/// What BLEU needs to know of a caption, or, added up, of a corpus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BleuStatistics {
    /// Words of the candidates.
    pub candidate_length: u64,
    /// Words of the references closest in length.
    pub reference_length: u64,
    /// N-grams of the candidates, by order.
    pub guesses: [u64; MAX_ORDER],
    /// Those of them that a reference has, as often as it has them.
    pub matches: [u64; MAX_ORDER],
}

impl BleuStatistics {
    /// Counts one candidate against its references, of which there must be one.
    pub fn of(candidate: &NGrams, references: &[NGrams]) -> Self {
        let length = candidate.words();
        let closest = references.iter().map(NGrams::words).min_by_key(|&words| (words.abs_diff(length), words));
        let mut most = vec![0; candidate.counts().len()];
        for reference in references {
            for_shared(candidate.counts(), reference.counts(), |place, _, &count| most[place] = count.max(most[place]));
        }
        let mut matches = [0; MAX_ORDER];
        for ((ngram, count), most) in candidate.counts().iter().zip(most) {
            matches[order(ngram)] += u64::from((*count).min(most));
        }
        BleuStatistics {
            candidate_length: length as u64,
            reference_length: closest.unwrap_or(0) as u64,
            guesses: std::array::from_fn(|order| length.saturating_sub(order) as u64),
            matches,
        }
    }

    /// BLEU-1 to BLEU-4.
    pub fn scores(&self) -> [f64; MAX_ORDER] {
        const SMALL: f64 = 1e-9;
        const TINY: f64 = 1e-15;
        let ratio = (self.candidate_length as f64 + TINY) / (self.reference_length as f64 + SMALL);
        let brevity = if ratio < 1.0 { (1.0 - 1.0 / ratio).exp() } else { 1.0 };
        let mut product = 1.0;
        std::array::from_fn(|order| {
            product *= (self.matches[order] as f64 + TINY) / (self.guesses[order] as f64 + SMALL);
            product.powf(1.0 / (order + 1) as f64) * brevity
        })
    }
}

impl AddAssign<&BleuStatistics> for BleuStatistics {
    fn add_assign(&mut self, other: &BleuStatistics) {
        self.candidate_length += other.candidate_length;
        self.reference_length += other.reference_length;
        for order in 0..MAX_ORDER {
            self.guesses[order] += other.guesses[order];
            self.matches[order] += other.matches[order];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(candidate: &[u32], references: &[&[u32]]) -> BleuStatistics {
        let references: Vec<NGrams> = references.iter().map(|words| NGrams::of(words)).collect();
        BleuStatistics::of(&NGrams::of(candidate), &references)
    }

    #[test]
    fn a_caption_equal_to_a_reference_scores_one() {
        let scores = statistics(&[1, 2, 3, 4, 5], &[&[9, 9], &[1, 2, 3, 4, 5]]).scores();
        assert!(scores.iter().all(|score| (score - 1.0).abs() < 1e-8), "{scores:?}");
    }

    #[test]
    fn repeated_words_match_no_more_often_than_in_one_reference() {
        let counts = statistics(&[1, 1, 1, 1], &[&[1, 2, 3, 1], &[1, 3]]);
        assert_eq!((counts.guesses, counts.matches), ([4, 3, 2, 1], [2, 0, 0, 0]));
    }

    #[test]
    fn the_closest_reference_counts_and_of_two_the_shorter() {
        assert_eq!(statistics(&[1, 2, 3], &[&[1], &[1, 2, 3, 4], &[1, 2]]).reference_length, 2);
        let scores = statistics(&[1, 2], &[&[1, 2, 3, 4]]).scores();
        // Both words and the pair match; half as long as the reference: exp(1 - 2).
        assert!((scores[0] - (-1.0f64).exp()).abs() < 1e-8 && (scores[1] - (-1.0f64).exp()).abs() < 1e-8);
    }

    #[test]
    fn an_empty_caption_scores_nothing() {
        assert!(statistics(&[], &[&[1, 2]]).scores().iter().all(|&score| score == 0.0));
    }
}
