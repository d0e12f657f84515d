//! The phases of a recipe, and what each may say.

use super::super::precision::Precision;
use super::super::schedule::Schedule;
use crate::data::augmentation::Variety;
use crate::data::{FeatureKind, Image};
use crate::model::Dropouts;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Phase {
    /// Every image once through the backbone, onto the disk.
    Features(FeaturesPhase),
    /// Training on the captions people wrote.
    CrossEntropy(TrainingPhase),
    /// Training on the rewards of drawn captions.
    SelfCritical(TrainingPhase),
}

/// Features of every image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeaturesPhase {
    /// What other phases call it.
    pub name: String,
    /// `pretrained`, the phase that trained the backbone, or `checkpoint:` and a path.
    pub backbone: String,
    /// Number format on disk.
    #[serde(default)]
    pub kind: FeatureKind,
    /// Images that go through the backbone together.
    #[serde(default = "thirty_two")]
    pub batch_size: usize,
    /// Views of each training image that are stored, the plain one among them, for phases with `augment`.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub views: u64,
    /// How far the other views are from the plain one.
    #[serde(default = "usual_crop", skip_serializing_if = "is_usual_crop")]
    pub smallest_crop: f64,
    /// As in [`TrainingPhase`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub colour: f64,
}

/// Steps of the optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingPhase {
    /// What other phases call it.
    pub name: String,
    /// The phase whose features are read; without, images are, and the backbone is trained too.
    #[serde(default)]
    pub features: Option<String>,
    /// Where the backbone's weights come from: `pretrained`, a phase, or `checkpoint:` and a path; fresh ones by default.
    /// Of several joined by ` + `, the mean (Wortsman et al., 2022, "Model soups").
    #[serde(default)]
    pub backbone: Option<String>,
    /// Where the body's weights come from, likewise.
    #[serde(default)]
    pub body: Option<String>,
    /// Times that every image (self-critical) or caption (cross-entropy) is seen.
    pub epochs: u64,
    /// Images of an iteration; in cross-entropy each with `captions_per_image` of its captions.
    pub batch_size: usize,
    /// Captions that an image is read and encoded for at once, in cross-entropy. With 1, as in the original,
    /// an iteration is of captions, and an image with five is encoded five times an epoch; with more, an
    /// epoch goes through every caption all the same, a smaller batch at its end included.
    #[serde(default = "one_caption", skip_serializing_if = "is_one")]
    pub captions_per_image: usize,
    /// Iterations whose gradients make one step.
    #[serde(default = "one")]
    pub accumulate: u64,
    /// See [`Schedule`].
    pub learning_rate: f64,
    /// See [`Schedule`].
    #[serde(default = "smallest_rate")]
    pub min_learning_rate: f64,
    /// See [`Schedule`].
    #[serde(default = "one")]
    pub warmup_iterations: u64,
    /// See [`Schedule`].
    #[serde(default = "unchanged")]
    pub anneal: f64,
    /// See [`Schedule`].
    #[serde(default = "one")]
    pub anneal_every_epochs: u64,
    /// What is dropped, by the original's names.
    #[serde(default)]
    pub dropouts: PhaseDropouts,
    /// What the target leaves to all other words together.
    #[serde(default = "tenth")]
    pub label_smoothing: f64,
    /// Captions drawn of each image.
    #[serde(default = "five")]
    pub samples: usize,
    /// What scores are divided by before captions are drawn and scored, by [`SamplingOptions`]. The original's is 1; a
    /// model trained with label smoothing draws a word out of nowhere in most captions then.
    ///
    /// [`SamplingOptions`]: crate::decoding::SamplingOptions
    #[serde(default = "unchanged", skip_serializing_if = "is_one")]
    pub temperature: f64,
    /// Words drawn at most.
    #[serde(default = "twenty")]
    pub sample_length: usize,
    /// What matrices are multiplied in: `float32`, `tf32` (on CUDA) or `bfloat16`.
    #[serde(default, skip_serializing_if = "Precision::is_float32")]
    pub precision: Precision,
    /// Whether the backbone's activations are computed twice rather than kept, where it is trained: less memory, more
    /// time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checkpoint_activations: bool,
    /// Whether the running means and variances of a backbone's batch norms are left as they are where it is trained,
    /// and used as in inference; batches of its kind are too small to tell them. Swin has none.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub freeze_batch_norm: bool,
    /// Whether images are seen otherwise in each epoch: one of two is mirrored, with "left" and "right" exchanged in
    /// its captions, each side is cropped, and with `colour` the light is another. A phase that reads features sees one
    /// of the views that these have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub augment: bool,
    /// With `augment`, the shortest side of a crop, as a part of the photo's.
    #[serde(default = "usual_crop", skip_serializing_if = "is_usual_crop")]
    pub smallest_crop: f64,
    /// With `augment`, how much brightness, contrast and saturation become more or less at most, as a part of
    /// themselves.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub colour: f64,
    /// Side of the images in training, where the backbone is trained; by default, as in evaluations and everywhere
    /// later, the model's. Crops show things larger than they will be, which fewer pixels make up for, at less cost
    /// (Touvron et al., 2019, "Fixing the train-test resolution discrepancy").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<i64>,
    /// Pieces of the backbone, from the images on, that are left as they are where it is trained: the stem and each
    /// block of an EfficientNet, the patches and each block of Swin. The first ones see edges and colours of any photo,
    /// and cost most of a step's time and memory.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub frozen_segments: usize,
    /// Whether captions stand for their images, so that language is learned of captions alone: the encoder reads words
    /// of one caption of an image, and the decoder learns all of them. For cross-entropy, without `features`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sees_captions: bool,
    /// Only images with this `filepath` in the dataset are learned of and evaluated, and only their captions tell rewards
    /// which words are rare; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filepath: Option<String>,
    /// Models, trained before, whose votes on each word are learned beside what people wrote, in cross-entropy: one or
    /// several, as [`TrainingPhase::body`] names them, joined by ` + `. They see the same views, so that where features
    /// are read, these must be what they were trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teachers: Option<String>,
    /// Their share of the target.
    #[serde(default = "half", skip_serializing_if = "is_half")]
    pub teachers_weight: f64,
    /// With more than 0, how much of a moving average of the weights is kept at each step (Polyak and Juditsky, 1992):
    /// what is judged, saved as the model and taken by later phases is that average then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ema_decay: f64,
    /// Longest gradient allowed; none by default.
    #[serde(default)]
    pub clip_gradients: Option<f64>,
    /// Minutes between two checkpoints, besides those at the ends of epochs.
    #[serde(default = "fifteen")]
    pub save_every_minutes: f64,
    /// Checkpoints kept, besides the best.
    #[serde(default = "two")]
    pub keep_checkpoints: usize,
    /// Iterations between two evaluations, besides those at the ends of epochs.
    #[serde(default)]
    pub evaluate_every: Option<u64>,
    /// Validation images of an evaluation; 0 for none.
    #[serde(default = "five_hundred")]
    pub evaluation_images: usize,
    /// Beams of an evaluation.
    #[serde(default = "three")]
    pub beam_size: usize,
    /// Images captioned together in an evaluation; 16 by default. Beams take memory, too.
    #[serde(default)]
    pub evaluation_batch_size: Option<usize>,
}

/// [`Dropouts`] of which any may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct PhaseDropouts {
    pub encoder: f64,
    pub decoder: f64,
    pub encoder_input: f64,
    pub decoder_input: f64,
    pub other: f64,
    pub drop_path: f64,
}

fn one() -> u64 {
    1
}

fn one_caption() -> usize {
    1
}

/// Left out where it is the default, so that runs begun before the key existed keep their hash.
fn is_one<Count: PartialEq + From<u8>>(count: &Count) -> bool {
    *count == 1.into()
}

fn is_zero<Count: PartialEq + Default>(count: &Count) -> bool {
    *count == Count::default()
}

pub(super) fn half() -> f64 {
    0.5
}

fn is_half(share: &f64) -> bool {
    *share == half()
}

fn usual_crop() -> f64 {
    Variety::default().smallest_crop
}

fn is_usual_crop(side: &f64) -> bool {
    *side == usual_crop()
}

fn yes() -> bool {
    true
}

fn two() -> usize {
    2
}

fn three() -> usize {
    3
}

fn five() -> usize {
    5
}

fn fifteen() -> f64 {
    15.
}

fn twenty() -> usize {
    20
}

fn thirty_two() -> usize {
    32
}

fn five_hundred() -> usize {
    500
}

fn tenth() -> f64 {
    0.1
}

fn unchanged() -> f64 {
    1.
}

fn smallest_rate() -> f64 {
    5e-7
}

impl Phase {
    /// What other phases call it.
    pub fn name(&self) -> &str {
        match self {
            Phase::Features(phase) => &phase.name,
            Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) => &phase.name,
        }
    }

    /// The kind of its work, as recipes call it.
    pub fn step(&self) -> &'static str {
        match self {
            Phase::Features(_) => "features",
            Phase::CrossEntropy(_) => "cross-entropy",
            Phase::SelfCritical(_) => "self-critical",
        }
    }

    /// What it is, if it trains.
    pub fn training(&self) -> Option<&TrainingPhase> {
        match self {
            Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) => Some(phase),
            Phase::Features(_) => None,
        }
    }

    /// Whether it learns of captions alone: no model of images comes of it.
    pub fn sees_captions(&self) -> bool {
        self.training().is_some_and(|phase| phase.sees_captions)
    }

    /// Where weights come from, by key.
    pub(super) fn origins_mut(&mut self) -> Vec<(&'static str, &mut String)> {
        match self {
            Phase::Features(phase) => vec![("backbone", &mut phase.backbone)],
            Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) => {
                let all =
                    [("backbone", &mut phase.backbone), ("body", &mut phase.body), ("teachers", &mut phase.teachers)];
                all.into_iter().filter_map(|(key, origins)| Some((key, origins.as_mut()?))).collect()
            }
        }
    }
}

impl FeaturesPhase {
    /// How far the other views are from the plain one.
    pub fn variety(&self) -> Variety {
        Variety { smallest_crop: self.smallest_crop, colour: self.colour }
    }
}

impl TrainingPhase {
    /// How far the images that are seen may be from those in the files, with `augment`.
    pub fn variety(&self) -> Variety {
        Variety { smallest_crop: self.smallest_crop, colour: self.colour }
    }

    /// A number for its name, so that phases differ in what is random.
    pub(in crate::training) fn number(&self) -> u64 {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.name.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
    }

    /// Whether the image is of the folder that is learned of.
    pub fn is_of(&self, image: &Image) -> bool {
        self.filepath.as_ref().is_none_or(|filepath| filepath == &image.folder)
    }

    /// The learning rates.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            learning_rate: self.learning_rate,
            min_learning_rate: self.min_learning_rate,
            warmup_iterations: self.warmup_iterations,
            anneal: self.anneal,
            anneal_every_epochs: self.anneal_every_epochs,
        }
    }

    /// Images captioned together in an evaluation.
    pub fn evaluation_batch_size(&self) -> usize {
        self.evaluation_batch_size.unwrap_or(16)
    }

    /// Time between two checkpoints.
    pub fn save_every(&self) -> Duration {
        Duration::from_secs_f64(60. * self.save_every_minutes)
    }

    /// Sets what no weight depends on to its default.
    pub(super) fn forget_upkeep(&mut self) {
        self.evaluation_batch_size = None;
        (self.keep_checkpoints, self.save_every_minutes) = (two(), fifteen());
    }

    /// Whether the backbone is trained too.
    pub fn end_to_end(&self) -> bool {
        self.features.is_none() && !self.sees_captions
    }
}

impl From<PhaseDropouts> for Dropouts {
    fn from(phase: PhaseDropouts) -> Self {
        let PhaseDropouts { encoder, decoder, encoder_input, decoder_input, other, drop_path } = phase;
        Dropouts { encoder, decoder, encoder_input, decoder_input, other, drop_path }
    }
}
