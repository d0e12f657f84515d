//! Cross-entropy training: the loss of the next word, with label smoothing.

use super::network::Network;
use super::teacher::{Captions, Scored};
use crate::data::Inputs;
use crate::model::layers::project;
use crate::model::precision::product;
use tch::nn::Linear;
use tch::{Device, Kind, Tensor};

/// Kullback-Leibler divergence from a target that leaves a little to every other word.
#[derive(Clone, Copy, Debug)]
pub struct LabelSmoothing {
    /// What is left to all other words together; the right one gets the rest.
    pub smoothing: f64,
    /// Id of the padding, which is not scored.
    pub pad: i64,
}

/// Of the divergence, by what the last layer reads and by its parameters.
struct Gradients {
    states: Vec<Tensor>,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl LabelSmoothing {
    /// The divergence per word, where `last` scores the vocabulary (before softmax).
    ///
    /// The target's `V` probabilities are `1 - smoothing` once and `smoothing / (V - 1)` otherwise, so that the sum
    /// over the classes needs only the right word's log-probability and the sum of all; its derivative by a score is
    /// softmax minus target. So the gradients are computed with the loss, a few words at a time, and the scores
    /// `[words, V]`, by far the largest tensor of a step, are never there as a whole.
    pub(super) fn loss(&self, scored: &Scored, last: &Linear) -> Tensor {
        let words = scored.words.size()[0].max(1) as f64;
        let (divergence, gradients) = tch::no_grad(|| self.in_blocks(scored, last, block_size(last)));
        let value = divergence / words;
        let Some(gradients) = gradients else { return value };
        // Its derivatives are those gradients; its value becomes the loss.
        let mut carrier = (&scored.states * Tensor::cat(&gradients.states, 0)).sum(Kind::Float);
        carrier += (&last.ws * gradients.weight).sum(Kind::Float);
        if let (Some(bias), Some(gradient)) = (&last.bs, gradients.bias) {
            carrier += (bias * gradient).sum(Kind::Float);
        }
        let carrier = carrier / words;
        let correction = value - carrier.detach();
        carrier + correction
    }

    /// The sum of the divergences of all words, and its gradients where there are any to be had.
    fn in_blocks(&self, scored: &Scored, last: &Linear, block: i64) -> (Tensor, Option<Gradients>) {
        let (words, classes) = (scored.words.size()[0], last.ws.size()[0]);
        let (right, other) = (1. - self.smoothing, self.smoothing / (classes - 1).max(1) as f64);
        let entropy = words as f64 * (times_log(right) + (classes - 1) as f64 * times_log(other));
        let mut divergence = Tensor::from(entropy as f32).to_device(scored.states.device());
        let mut gradients = scored.states.requires_grad().then(|| Gradients {
            states: Vec::new(),
            weight: last.ws.zeros_like(),
            bias: last.bs.as_ref().map(Tensor::zeros_like),
        });
        for start in (0..words).step_by(block.max(1) as usize) {
            let rows = block.min(words - start);
            let states = scored.states.narrow(0, start, rows);
            let target = scored.words.narrow(0, start, rows).unsqueeze(1);
            let mut log_probs = project(last, &states).log_softmax(-1, Kind::Float);
            divergence -= log_probs.gather(-1, &target, false).sum(Kind::Float) * (right - other);
            divergence -= log_probs.sum(Kind::Float) * other;
            let Some(gradients) = &mut gradients else { continue };
            // Softmax minus target, by score.
            let mut by_score = log_probs.exp_();
            by_score -= other;
            let _ = by_score.scatter_add_(
                -1,
                &target,
                &by_score.new_full(target.size(), other - right, (Kind::Float, target.device())),
            );
            gradients.add(&by_score, &states, last);
        }
        (divergence, gradients)
    }
}

impl Gradients {
    /// Adds what a block of words gives: `by_score` `[rows, V]`, `states` `[rows, d]`.
    fn add(&mut self, by_score: &Tensor, states: &Tensor, last: &Linear) {
        self.states.push(product(by_score, &last.ws));
        self.weight += product(&by_score.transpose(0, 1), states);
        if let Some(bias) = &mut self.bias {
            *bias += by_score.sum_dim_intlist(0, false, None::<Kind>);
        }
    }
}

/// Words scored together, so that their scores stay in a CPU's caches (4 MB), or fill a GPU (256 MB).
fn block_size(last: &Linear) -> i64 {
    let scores = if last.ws.device() == Device::Cpu { 1 << 20 } else { 1 << 26 };
    (scores / last.ws.size()[0].max(1)).max(16)
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
    let captions = Captions { tokens, pads, feature_pads: &inputs.pads };
    labels.loss(&captions.decode(network, encoded, train), &network.decoder().vocab_linear)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A last layer that passes `classes` scores on.
    fn passing_on(classes: i64) -> Linear {
        Linear { ws: Tensor::eye(classes, (Kind::Float, Device::Cpu)), bs: None }
    }

    fn scored(states: Tensor, words: &[i64]) -> Scored {
        let words = Tensor::from_slice(words);
        Scored { states, rows: words.zeros_like(), words }
    }

    #[test]
    fn the_divergence_of_three_words_by_hand() {
        // One word over three classes with probabilities 0.5, 0.25, 0.25.
        let scored = scored(Tensor::from_slice(&[2f32, 1., 1.]).view([1, 3]) * 2f64.ln(), &[0]);
        let of = |smoothing| LabelSmoothing { smoothing, pad: 2 }.loss(&scored, &passing_on(3)).double_value(&[]);
        let by_hand = 0.8 * (0.8f64 / 0.5).ln() + 2. * 0.1 * (0.1f64 / 0.25).ln();
        assert!((of(0.2) - by_hand).abs() < 1e-6, "{} {by_hand}", of(0.2));
        assert!((of(0.) - 2f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_perfect_prediction_has_no_divergence() {
        let scores = Tensor::from_slice(&[0.9f64.ln(), 0.05f64.ln(), 0.05f64.ln()]).to_kind(Kind::Float);
        let loss = LabelSmoothing { smoothing: 0.1, pad: 2 }.loss(&scored(scores.view([1, 3]), &[0]), &passing_on(3));
        assert!(loss.double_value(&[]).abs() < 1e-6);
    }

    #[test]
    fn gradients_are_those_of_the_plain_formula_whatever_the_blocks() {
        tch::manual_seed(2);
        let leaf = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let (states, last) = (leaf(&[7, 4]), Linear { ws: leaf(&[5, 4]), bs: Some(leaf(&[5])) });
        let labels = LabelSmoothing { smoothing: 0.1, pad: 0 };
        let scored = scored(states.shallow_clone(), &[1, 2, 3, 4, 0, 1, 1]);

        let log_probs = project(&last, &states).log_softmax(-1, Kind::Float);
        let target = log_probs.full_like(0.1 / 4.).scatter_value(-1, &scored.words.unsqueeze(1), 0.9);
        let plain = (&target * (target.log() - log_probs)).sum(Kind::Float) / 7.;
        plain.backward();
        let bias = last.bs.as_ref().expect("it has one");
        let theirs = [&states, &last.ws, bias].map(|tensor| tensor.grad().copy());
        for tensor in [&states, &last.ws, bias] {
            let _ = tensor.grad().zero_();
        }
        let ours = labels.loss(&scored, &last);
        assert!((ours.double_value(&[]) - plain.double_value(&[])).abs() < 1e-6);
        ours.backward();
        for (tensor, theirs) in [&states, &last.ws, bias].into_iter().zip(&theirs) {
            assert!(tensor.grad().allclose(theirs, 1e-5, 1e-6, false));
        }
        for block in [1, 2, 7] {
            let (divergence, gradients) = tch::no_grad(|| labels.in_blocks(&scored, &last, block));
            assert!((divergence.double_value(&[]) / 7. - plain.double_value(&[])).abs() < 1e-6);
            let weight = gradients.expect("states have gradients").weight / 7.;
            assert!(weight.allclose(&theirs[1], 1e-5, 1e-6, false), "{block}");
        }
    }
}
