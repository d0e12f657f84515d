//! What a search needs of a model: scores for the next word, one position at a time.

use tch::{TchError, Tensor};

/// A model (or an ensemble of models) that continues captions word by word.
///
/// Call order: `start` once, then `step` and `reorder` in turn. Rows stand grouped by image,
/// the same number for each: one at the first step, `beam_size` from the first `reorder` on.
pub trait StepDecoder {
    /// What is known of a batch of images: the encoder's output.
    type Source;
    /// What is kept between steps.
    type State;

    /// Prepares `images` for captions of at most `max_length` tokens in at most `beam_size` rows each.
    fn start(&self, source: &Self::Source, beam_size: i64, max_length: i64) -> Result<Self::State, TchError>;

    /// Log-probabilities `[rows, vocab_size]` of the word after `tokens` (one a row).
    fn step(&self, state: &mut Self::State, tokens: &[i64]) -> Result<Tensor, TchError>;

    /// Goes on with the images at `images` (indices into the present ones, not descending; one may come
    /// several times) and, for each of them, with rows that continue the rows `parents` (indices within the image).
    fn reorder(&self, state: &mut Self::State, images: &[i64], parents: &[Vec<i64>]) -> Result<(), TchError>;
}
