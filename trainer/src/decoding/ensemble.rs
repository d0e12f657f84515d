//! Several models as one: their word probabilities are averaged, then logged, as in the original.

use super::step::StepDecoder;
use tch::{TchError, Tensor};

/// Decoders that share a vocabulary and vote on every word.
pub struct Ensemble<D>(pub Vec<D>);

impl<D: StepDecoder> StepDecoder for Ensemble<D> {
    /// One source a model.
    type Source = Vec<D::Source>;
    type State = Vec<D::State>;

    fn start(&self, sources: &Self::Source, beam_size: i64, max_length: i64) -> Result<Self::State, TchError> {
        if sources.len() != self.0.len() {
            return Err(TchError::Shape(format!("{} models but {} encodings", self.0.len(), sources.len())));
        }
        self.0.iter().zip(sources).map(|(model, source)| model.start(source, beam_size, max_length)).collect()
    }

    fn step(&self, states: &mut Self::State, tokens: &[i64]) -> Result<Tensor, TchError> {
        let mut probabilities = Vec::with_capacity(self.0.len());
        for (model, state) in self.0.iter().zip(states) {
            probabilities.push(model.step(state, tokens)?.exp());
        }
        Ok(Tensor::f_stack(&probabilities, 0)?.mean_dim(0, false, None).log())
    }

    fn reorder(&self, states: &mut Self::State, images: &[i64], parents: &[Vec<i64>]) -> Result<(), TchError> {
        for (model, state) in self.0.iter().zip(states) {
            model.reorder(state, images, parents)?;
        }
        Ok(())
    }
}
