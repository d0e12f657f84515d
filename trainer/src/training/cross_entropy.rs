//! Cross-entropy training: the loss of the next word, with label smoothing.

use super::network::{Network, masks};
use crate::data::Inputs;
use tch::{Kind, Tensor};

/// Kullback-Leibler divergence from a target that leaves a little to every other word.
#[derive(Clone, Copy, Debug)]
pub struct LabelSmoothing {
    /// What is left to all other words together; the right one gets the rest.
    pub smoothing: f64,
    /// Id of the padding, which is not scored.
    pub pad: i64,
}

impl LabelSmoothing {
    /// The divergence per word, of scores `[batch, positions, vocab]` (before softmax) for the words
    /// `target` `[batch, positions]`.
    ///
    /// The target's `V` probabilities are `1 - smoothing` once and `smoothing / (V - 1)` otherwise, so
    /// that the sum over the classes needs only the right word's log-probability and the sum of all.
    pub fn loss(&self, scores: &Tensor, target: &Tensor) -> Tensor {
        let others = (scores.size().last().copied().unwrap_or(2) - 1) as f64;
        let (right, other) = (1. - self.smoothing, self.smoothing / others);
        let log_probs = scores.log_softmax(-1, Kind::Float);
        let of_target = log_probs.gather(-1, &target.unsqueeze(-1), false).squeeze_dim(-1);
        let of_all = log_probs.sum_dim_intlist(-1, false, None::<Kind>);
        let entropy = times_log(right) + others * times_log(other);
        let divergence = entropy - (of_target * (right - other) + of_all * other); // [batch, positions]

        let words = target.ne(self.pad).to_kind(Kind::Float);
        (divergence * &words).sum(Kind::Float) / words.sum(Kind::Float)
    }
}

fn times_log(p: f64) -> f64 {
    if p > 0. { p * p.ln() } else { 0. }
}

/// The loss of a batch of captions, as many of each image, side by side: `tokens` `[captions, length]`, SOS
/// to EOS, the last `pads` of each row padding. Each image is encoded once.
pub fn cross_entropy(
    network: &Network,
    inputs: &Inputs,
    tokens: &Tensor,
    pads: &[i64],
    labels: &LabelSmoothing,
    train: bool,
) -> Tensor {
    let encoded = network.encode(inputs, train);
    loss_of_captions(network, &encoded, inputs, tokens, pads, labels, train)
}

/// As [`cross_entropy`], of images that are encoded already: `encoded` `[images, tokens, d_model]`.
pub(super) fn loss_of_captions(
    network: &Network,
    encoded: &Tensor,
    inputs: &Inputs,
    tokens: &Tensor,
    pads: &[i64],
    labels: &LabelSmoothing,
    train: bool,
) -> Tensor {
    let positions = tokens.size()[1] - 1;
    let (words, next_words) = (tokens.narrow(1, 0, positions), tokens.narrow(1, 1, positions));
    let masks = masks(pads, positions, &inputs.pads, encoded.size()[1], encoded.device());
    labels.loss(&network.decoder().forward_t(&words, encoded, &masks, train), &next_words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn the_divergence_of_three_words_by_hand() {
        // One word over three classes with probabilities 0.5, 0.25, 0.25; a second one is padding.
        let scores = Tensor::from_slice(&[2f32, 1., 1., 7., 0., 0.]).view([1, 2, 3]) * 2f64.ln();
        let target = Tensor::from_slice(&[0i64, 2]).view([1, 2]);
        let smoothed = LabelSmoothing { smoothing: 0.2, pad: 2 }.loss(&scores, &target).double_value(&[]);
        let by_hand = 0.8 * (0.8f64 / 0.5).ln() + 2. * 0.1 * (0.1f64 / 0.25).ln();
        assert!((smoothed - by_hand).abs() < 1e-6, "{smoothed} {by_hand}");

        let plain = LabelSmoothing { smoothing: 0., pad: 2 }.loss(&scores, &target).double_value(&[]);
        assert!((plain - 2f64.ln()).abs() < 1e-6, "{plain}");
    }

    #[test]
    fn a_perfect_prediction_has_no_divergence() {
        let scores = Tensor::from_slice(&[0.9f64.ln(), 0.05f64.ln(), 0.05f64.ln()]).to_kind(Kind::Float);
        let target = Tensor::zeros([1, 1], (Kind::Int64, Device::Cpu));
        let loss = LabelSmoothing { smoothing: 0.1, pad: 2 }.loss(&scores.view([1, 1, 3]), &target);
        assert!(loss.double_value(&[]).abs() < 1e-6);
    }
}
