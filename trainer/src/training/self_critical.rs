//! Self-critical training (Rennie et al., 2017): captions are drawn, and those that score better
//! than the image's others become likelier.
//!
//! The original decodes with gradients, word by word. Drawing needs none: captions come from the
//! incremental decoder, and one teacher-forced pass over them gives the log-probabilities whose
//! gradients are wanted. With no dropout that is the same loss and the same gradients.

use super::network::Network;
use super::teacher_forcing::{Captions, sum_by_caption};
use crate::data::Inputs;
use crate::decoding::{IncrementalDecoder, JoinedProjections, SamplingOptions, sample};
use crate::device::numbers_on;
use crate::model::layers::project;
use crate::model::precision::multiplying_in;
use tch::{Kind, TchError, Tensor};

/// Captions drawn for a batch, and what their gradients will flow through.
pub struct Rollout {
    /// Tokens by `[images][samples]`, SOS to EOS (or the length limit).
    pub captions: Vec<Vec<Vec<i64>>>,
    /// Sum of the log-probabilities of each caption's words, with gradients: `[images * samples]`.
    pub log_probs: Tensor,
}

/// Draws captions of each image and scores them, encoding the images once for both.
///
/// # Errors
/// What libtorch says, e.g. of memory.
pub fn roll_out(
    network: &Network,
    inputs: &Inputs,
    sos: i64,
    eos: i64,
    options: &SamplingOptions,
    train: bool,
) -> Result<Rollout, TchError> {
    let encoded = network.encode(inputs, train);
    let decoder = network.decoder();
    // Drawn as the model is, whatever the precision of the pass with gradients.
    let draw = || {
        let joined = JoinedProjections::of(decoder);
        let images = encoded.size()[0] as usize;
        sample(&IncrementalDecoder::new(decoder, &joined), &encoded.detach(), images, sos, eos, options)
    };
    let captions = tch::no_grad(|| multiplying_in(None, draw))?;
    let log_probs = log_probs(network, inputs, &encoded, &captions, options.temperature, train);
    Ok(Rollout { captions, log_probs })
}

/// Sums of log-probabilities `[images * samples]` at the temperature that they were drawn at, by one pass over all
/// captions.
fn log_probs(
    network: &Network,
    inputs: &Inputs,
    encoded: &Tensor,
    captions: &[Vec<Vec<i64>>],
    temperature: f64,
    train: bool,
) -> Tensor {
    let rows: Vec<&Vec<i64>> = captions.iter().flatten().collect();
    let longest = rows.iter().map(|row| row.len()).max().unwrap_or(1);
    let pads: Vec<i64> = rows.iter().map(|row| (longest - row.len()) as i64).collect();
    let filled: Vec<i64> =
        rows.iter().flat_map(|row| row.iter().copied().chain(std::iter::repeat(0)).take(longest)).collect();
    let tokens = numbers_on(encoded.device(), &filled).view([rows.len() as i64, longest as i64]);

    let captions = Captions { tokens: &tokens, pads: &pads, feature_pads: &inputs.pads };
    let scored = captions.decode(network, encoded, train);
    let scores = project(&network.decoder().vocab_linear, &scored.states);
    let scores = if temperature == 1. { scores } else { scores / temperature };
    let log_probs = scores.log_softmax(-1, Kind::Float);
    let of_words = log_probs.gather(-1, &scored.words.unsqueeze(-1), false).squeeze_dim(-1);
    sum_by_caption(&of_words, &scored.rows, rows.len())
}

/// The loss: each caption's advantage over the mean of its image's others, times minus its
/// log-probability; the mean over all captions. `rewards` is `[images][samples]`, two samples or more.
pub fn self_critical_loss(log_probs: &Tensor, rewards: &[Vec<f64>]) -> Tensor {
    let advantages: Vec<f32> = rewards.iter().flat_map(|rewards| advantages(rewards)).collect();
    let advantages = numbers_on(log_probs.device(), &advantages);
    -(advantages * log_probs).mean(Kind::Float)
}

/// Each reward minus the mean of the others.
fn advantages(rewards: &[f64]) -> impl Iterator<Item = f32> {
    rewards.iter().zip(baselines(rewards)).map(|(reward, baseline)| (reward - baseline) as f32)
}

/// What each reward of an image is compared with: the mean of the others, 0 where there are none.
pub fn baselines(rewards: &[f64]) -> impl Iterator<Item = f64> {
    let sum: f64 = rewards.iter().sum();
    let others = rewards.len().saturating_sub(1).max(1) as f64;
    rewards.iter().map(move |reward| (sum - reward) / others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advantages_are_over_the_others_of_the_same_image() {
        let advantages: Vec<f32> = advantages(&[1., 2., 6.]).collect();
        assert_eq!(advantages, [-3., -1.5, 4.5]);
    }

    #[test]
    fn the_loss_by_hand() {
        let log_probs = Tensor::from_slice(&[-1f32, -2., -3., -4.]);
        let loss = self_critical_loss(&log_probs, &[vec![1., 0.], vec![2., 5.]]).double_value(&[]);
        // (1 * 1 - 1 * 2 - 3 * 3 + 3 * 4) / 4
        assert!((loss - 0.5).abs() < 1e-6, "{loss}");
    }
}
