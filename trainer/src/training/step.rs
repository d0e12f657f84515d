//! The two kinds of steps: what is learned from a batch.

use super::cross_entropy::{LabelSmoothing, cross_entropy, taught_cross_entropy};
use super::distillation::Teachers;
use super::failure::TrainError;
use super::network::Network;
use super::self_critical::{baselines, roll_out, self_critical_loss};
use crate::data::Batch;
use crate::data::batches::to_device;
use crate::decoding::SamplingOptions;
use crate::device::sent;
use crate::metrics::CiderReward;
use crate::vocabulary::Vocabulary;
use tch::{Device, Kind, Tensor};

/// How a batch becomes a loss.
pub(super) enum Step {
    /// By the words people wrote, and by what teachers would say.
    CrossEntropy(LabelSmoothing, Option<Teachers>),
    /// By the rewards of drawn captions.
    SelfCritical(Box<Rewarded>),
}

/// What drawn captions are drawn and judged by.
pub(super) struct Rewarded {
    pub reward: CiderReward,
    pub vocabulary: Vocabulary,
    pub options: SamplingOptions,
}

/// What an iteration gives: a loss with gradients, and figures to report.
pub(super) struct StepOutcome {
    pub loss: Tensor,
    /// Of the drawn captions, in self-critical training.
    pub rewards: Option<MeanRewards>,
}

/// Means over the drawn captions of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MeanRewards {
    pub reward: f64,
    /// What each reward is compared with: the mean reward of the image's other captions.
    pub baseline: f64,
}

impl StepOutcome {
    /// The loss without its graph, in double precision for sums.
    pub fn loss_value(&self) -> Tensor {
        self.loss.detach().to_kind(Kind::Double)
    }
}

impl Step {
    /// The name in recipes and events.
    pub fn name(&self) -> &'static str {
        match self {
            Step::CrossEntropy(..) => "cross-entropy",
            Step::SelfCritical(_) => "self-critical",
        }
    }

    /// What the weights of its teachers are known by.
    pub fn teachers(&self) -> Option<&str> {
        match self {
            Step::CrossEntropy(_, teachers) => teachers.as_ref().map(Teachers::digest),
            Step::SelfCritical(_) => None,
        }
    }

    /// The loss of a batch.
    pub fn run(&self, network: &Network, batch: &Batch, device: Device) -> Result<StepOutcome, TrainError> {
        let inputs = to_device(&batch.inputs, device)?;
        match self {
            Step::CrossEntropy(labels, teachers) => {
                let tokens = batch.tokens.as_ref().ok_or(TrainError::BatchThread)?;
                let on_device = sent(&tokens.tensor, device)?;
                let (tokens, pads) = (&on_device, &tokens.pads);
                let loss = match teachers {
                    Some(teachers) => taught_cross_entropy(network, &inputs, tokens, pads, labels, teachers),
                    None => cross_entropy(network, &inputs, tokens, pads, labels, true),
                };
                Ok(StepOutcome { loss, rewards: None })
            }
            Step::SelfCritical(rewarded) => {
                let Rewarded { reward, vocabulary, options } = rewarded.as_ref();
                let (sos, eos) = (vocabulary.sos(), vocabulary.eos());
                // The pass with gradients is under way on a GPU while the rewards are computed here.
                let rollout = roll_out(network, &inputs, sos, eos, options, true)?;
                let rewards = reward.rewards(&batch.images, &words(vocabulary, &rollout.captions, &batch.mirrored))?;
                let loss = self_critical_loss(&rollout.log_probs, &rewards);
                Ok(StepOutcome { loss, rewards: Some(means(&rewards)) })
            }
        }
    }
}

/// Means of the rewards `[images][samples]` and of their baselines.
fn means(rewards: &[Vec<f64>]) -> MeanRewards {
    let drawn = rewards.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let baselines = rewards.iter().flat_map(|rewards| baselines(rewards));
    MeanRewards { reward: rewards.iter().flatten().sum::<f64>() / drawn, baseline: baselines.sum::<f64>() / drawn }
}

/// The captions drawn of each image as words, without SOS, as they would be of an image that was not mirrored.
fn words<'a>(vocabulary: &'a Vocabulary, captions: &[Vec<Vec<i64>>], mirrored: &[bool]) -> Vec<Vec<Vec<&'a str>>> {
    let word = |token: i64, mirrored: bool| match vocabulary.word(token).unwrap_or("UNK") {
        "left" if mirrored => "right",
        "right" if mirrored => "left",
        word => word,
    };
    let of_image = |(captions, &mirrored): (&Vec<Vec<i64>>, &bool)| {
        let caption = |tokens: &Vec<i64>| tokens.iter().skip(1).map(|&token| word(token, mirrored)).collect();
        captions.iter().map(caption).collect()
    };
    captions.iter().zip(mirrored).map(of_image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_of_a_mirrored_image_is_judged_as_of_the_image() {
        let words = ["PAD", "SOS", "EOS", "UNK", "dog", "left", "right"].map(String::from).to_vec();
        let vocabulary = Vocabulary::from_words(words).expect("is one");
        let (dog, sides) = (4, [5, 6]);
        let caption = vec![vec![vocabulary.sos(), sides[0], dog, sides[1], vocabulary.eos()]];
        let judged = super::words(&vocabulary, &[caption.clone(), caption], &[true, false]);
        assert_eq!(judged, [[["right", "dog", "left", "EOS"]], [["left", "dog", "right", "EOS"]]]);
    }
}
