//! Cross-entropy training: the loss of the next word, with label smoothing, and with what teachers would say.

use super::distillation::{SoftTargets, Teachers};
use super::network::Network;
use super::teacher_forcing::{Captions, Scored};
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
    /// over the classes needs only the right word's log-probability and the sum of all, unless teachers have a say in
    /// it; its derivative by a score is softmax minus target. So the gradients are computed with the loss, a few words
    /// at a time, and the scores `[words, V]`, by far the largest tensor of a step, are never there as a whole.
    pub(super) fn loss(&self, scored: &Scored, last: &Linear, soft: Option<&SoftTargets>) -> Tensor {
        let words = scored.words.size()[0].max(1) as f64;
        let (divergence, gradients) = tch::no_grad(|| self.in_blocks(scored, last, soft, block_size(last)));
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
    fn in_blocks(
        &self,
        scored: &Scored,
        last: &Linear,
        soft: Option<&SoftTargets>,
        block: i64,
    ) -> (Tensor, Option<Gradients>) {
        let words = scored.words.size()[0];
        let mut divergence = Tensor::zeros([], (Kind::Float, scored.states.device()));
        let mut gradients = scored.states.requires_grad().then(|| Gradients {
            states: Vec::new(),
            weight: last.ws.zeros_like(),
            bias: last.bs.as_ref().map(Tensor::zeros_like),
        });
        for start in (0..words).step_by(block.max(1) as usize) {
            let rows = block.min(words - start);
            let states = scored.states.narrow(0, start, rows);
            let word = scored.words.narrow(0, start, rows).unsqueeze(1);
            let mut log_probs = project(last, &states).log_softmax(-1, Kind::Float);
            let target = soft.map(|soft| self.mixed_with(soft.probabilities(start, rows), soft.weight, &word));
            divergence += match &target {
                Some(target) => (target.xlogy(target) - target * &log_probs).sum(Kind::Float),
                None => self.divergence(&log_probs, &word),
            };
            let Some(gradients) = &mut gradients else { continue };
            let by_score = match target {
                Some(target) => log_probs.exp_() - target,
                None => self.minus_target(log_probs.exp_(), &word),
            };
            gradients.add(&by_score, &states, last);
        }
        (divergence, gradients)
    }

    /// The target's probabilities of the right word and of each other one.
    fn probabilities(&self, classes: i64) -> (f64, f64) {
        (1. - self.smoothing, self.smoothing / (classes - 1).max(1) as f64)
    }

    /// Of the target from probabilities whose logarithms are `[rows, V]`, summed; `word` `[rows, 1]`.
    fn divergence(&self, log_probs: &Tensor, word: &Tensor) -> Tensor {
        let (rows, classes) = (log_probs.size()[0], log_probs.size()[1]);
        let (right, other) = self.probabilities(classes);
        let entropy = rows as f64 * (times_log(right) + (classes - 1) as f64 * times_log(other));
        let right = log_probs.gather(-1, word, false).sum(Kind::Float) * (right - other);
        entropy - right - log_probs.sum(Kind::Float) * other
    }

    /// Probabilities `[rows, V]` minus the target's.
    fn minus_target(&self, mut probabilities: Tensor, word: &Tensor) -> Tensor {
        let (right, other) = self.probabilities(probabilities.size()[1]);
        probabilities -= other;
        let less = probabilities.new_full(word.size(), other - right, (Kind::Float, word.device()));
        probabilities.scatter_add_(-1, word, &less)
    }

    /// The target with a share of `votes` `[rows, V]` in it.
    fn mixed_with(&self, mut votes: Tensor, share: f64, word: &Tensor) -> Tensor {
        let (right, other) = self.probabilities(votes.size()[1]);
        votes *= share;
        votes += (1. - share) * other;
        let more = votes.new_full(word.size(), (1. - share) * (right - other), (Kind::Float, word.device()));
        votes.scatter_add_(-1, word, &more)
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

/// As [`cross_entropy`] in training, where teachers have a say in the target.
pub(super) fn taught_cross_entropy(
    network: &Network,
    inputs: &Inputs,
    tokens: &Tensor,
    pads: &[i64],
    labels: &LabelSmoothing,
    teachers: &Teachers,
) -> Tensor {
    let captions = Captions { tokens, pads, feature_pads: &inputs.pads };
    let soft = teachers.soft_targets(inputs, &captions);
    let encoded = network.encode(inputs, true);
    let scored = captions.decode(network, &encoded, true);
    labels.loss(&scored, &network.decoder().vocab_linear, Some(&soft))
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
    labels.loss(&captions.decode(network, encoded, train), &network.decoder().vocab_linear, None)
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
        let of = |smoothing| LabelSmoothing { smoothing, pad: 2 }.loss(&scored, &passing_on(3), None).double_value(&[]);
        let by_hand = 0.8 * (0.8f64 / 0.5).ln() + 2. * 0.1 * (0.1f64 / 0.25).ln();
        assert!((of(0.2) - by_hand).abs() < 1e-6, "{} {by_hand}", of(0.2));
        assert!((of(0.) - 2f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_perfect_prediction_has_no_divergence() {
        let scores = Tensor::from_slice(&[0.9f64.ln(), 0.05f64.ln(), 0.05f64.ln()]).to_kind(Kind::Float);
        let loss =
            LabelSmoothing { smoothing: 0.1, pad: 2 }.loss(&scored(scores.view([1, 3]), &[0]), &passing_on(3), None);
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
        let ours = labels.loss(&scored, &last, None);
        assert!((ours.double_value(&[]) - plain.double_value(&[])).abs() < 1e-6);
        ours.backward();
        for (tensor, theirs) in [&states, &last.ws, bias].into_iter().zip(&theirs) {
            assert!(tensor.grad().allclose(theirs, 1e-5, 1e-6, false));
        }
        for block in [1, 2, 7] {
            let (divergence, gradients) = tch::no_grad(|| labels.in_blocks(&scored, &last, None, block));
            assert!((divergence.double_value(&[]) / 7. - plain.double_value(&[])).abs() < 1e-6);
            let weight = gradients.expect("states have gradients").weight / 7.;
            assert!(weight.allclose(&theirs[1], 1e-5, 1e-6, false), "{block}");
        }
    }

    #[test]
    fn teachers_have_their_share_of_the_target_by_hand() {
        // The model says 0.5, 0.25, 0.25; two teachers say 1, 0, 0 (nearly) and 0, 0.5, 0.5.
        let scores = |probabilities: [f64; 3]| Tensor::from_slice(&probabilities.map(|p| p.ln() as f32)).view([1, 3]);
        let last = passing_on(3);
        let states = [scores([1., 1e-9, 1e-9]), scores([1e-9, 0.5, 0.5])];
        let soft = |weight| SoftTargets {
            weight,
            states: states.iter().map(|state| (state.shallow_clone(), &last)).collect(),
        };
        let scored = scored(scores([0.5, 0.25, 0.25]).set_requires_grad(true), &[1]);
        let labels = LabelSmoothing { smoothing: 0., pad: 0 };
        let loss = labels.loss(&scored, &last, Some(&soft(0.5)));
        // Half of "the second word" and half of 0.5, 0.25, 0.25: 0.25, 0.625, 0.125.
        let target = [0.25, 0.625, 0.125];
        let by_hand: f64 = target.iter().zip([0.5, 0.25, 0.25]).map(|(&t, p): (&f64, f64)| t * (t / p).ln()).sum();
        assert!((loss.double_value(&[]) - by_hand).abs() < 1e-6, "{loss:?} {by_hand}");
        loss.backward();
        let gradient = Vec::<f32>::try_from(scored.states.grad().flatten(0, 1)).expect("numbers");
        for (gradient, by_hand) in gradient.into_iter().zip([0.25, -0.375, 0.125]) {
            assert!((gradient - by_hand).abs() < 1e-6, "{gradient} {by_hand}");
        }
        let alone = labels.loss(&scored, &last, Some(&soft(1.))).double_value(&[]);
        assert!(alone.abs() < 1e-6, "the teachers together say what the model says: {alone}");
    }

    #[test]
    fn soft_targets_are_the_same_whatever_the_blocks() {
        tch::manual_seed(3);
        let made = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let last = Linear { ws: made(&[5, 4]), bs: Some(made(&[5])) };
        let soft = SoftTargets { weight: 0.4, states: vec![(made(&[7, 4]), &last), (made(&[7, 4]), &last)] };
        let scored = scored(made(&[7, 4]).set_requires_grad(true), &[1, 2, 3, 4, 0, 1, 1]);
        let labels = LabelSmoothing { smoothing: 0.1, pad: 0 };

        let log_probs = project(&last, &scored.states).log_softmax(-1, Kind::Float);
        let of_people = log_probs.full_like(0.1 / 4.).scatter_value(-1, &scored.words.unsqueeze(1), 0.9);
        let target = of_people * 0.6 + soft.probabilities(0, 7) * 0.4;
        let plain = (&target * (target.log() - log_probs)).sum(Kind::Float);
        let by_state = Tensor::run_backward(&[&plain], &[&scored.states], false, false).remove(0);
        for block in [1, 2, 7] {
            let (divergence, gradients) = tch::no_grad(|| labels.in_blocks(&scored, &last, Some(&soft), block));
            assert!((divergence.double_value(&[]) - plain.double_value(&[])).abs() < 1e-5, "{block}");
            let states = Tensor::cat(&gradients.expect("states have gradients").states, 0);
            assert!(states.allclose(&by_state, 1e-5, 1e-6, false), "{block}");
        }
    }
}
