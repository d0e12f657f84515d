//! A recipe: a dataset, a model, and the phases that train it, as data.

pub mod fields;
mod overrides;
mod validate;

use super::precision::Precision;
use super::schedule::Schedule;
use crate::data::FeatureKind;
use crate::data::augmentation::Views;
use crate::model::Dropouts;
use crate::model::config::ConfigFile;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The paper's recipe, as it lies in `recipes/paper.toml`.
pub const PAPER: &str = include_str!("../../../recipes/paper.toml");
/// `backbone` or `body` of a phase that starts from the files under `[weights]`.
pub const PRETRAINED: &str = "pretrained";
/// `backbone` or `body` of a phase that starts from a file (the original's `.pth`, or safetensors), a checkpoint's
/// folder or a model folder: this, and its path.
pub const CHECKPOINT: &str = "checkpoint:";

/// What is trained, on what, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Everything that is random follows from it.
    pub seed: u64,
    /// What the model is trained on.
    pub data: DataSection,
    /// Weights from elsewhere.
    #[serde(default)]
    pub weights: WeightsSection,
    /// The sizes of the model; those of the vocabulary come from the captions.
    pub model: ConfigFile,
    /// What is done, in this order.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
}

/// Images and captions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// Captions, in Karpathy's layout.
    pub dataset: PathBuf,
    /// Folder of the images.
    pub images: PathBuf,
    /// Words; by default those of the training captions.
    #[serde(default)]
    pub vocabulary: Option<PathBuf>,
    /// Rarer words are `UNK`.
    #[serde(default = "five")]
    pub min_occurrences: usize,
}

/// Files that `pretrained` means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsSection {
    /// Of the backbone.
    #[serde(default)]
    pub backbone: Option<PathBuf>,
    /// Of the body.
    #[serde(default)]
    pub body: Option<PathBuf>,
}

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
    #[serde(default)]
    pub backbone: Option<String>,
    /// Where the body's weights come from: `pretrained`, a phase, or `checkpoint:` and a path; fresh ones by default.
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
    /// its captions, and each side is cropped to 85 to 100 %. A phase that reads features sees one of the views that
    /// these have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub augment: bool,
    /// Pieces of the backbone, from the images on, that are left as they are where it is trained: the stem and each
    /// block of an EfficientNet, the patches and each block of Swin. The first ones see edges and colours of any photo,
    /// and cost most of a step's time and memory.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub frozen_segments: usize,
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

fn is_zero(count: &usize) -> bool {
    *count == 0
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

/// Why a recipe can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no recipe.
    #[error("the recipe can't be read: {0}")]
    Format(String),
    /// A value that was set is none, or has no place.
    #[error("--set {setting}: {reason}")]
    Set {
        /// What was to be set.
        setting: String,
        /// Why it can't be.
        reason: String,
    },
    /// A value is out of range.
    #[error("{key} {must}")]
    Invalid {
        /// The key, after its phase.
        key: String,
        /// What is allowed.
        must: String,
    },
}

impl Recipe {
    /// Reads a recipe file, with some `key=value` set.
    ///
    /// # Errors
    /// When the file can't be read, or see [`Recipe::parse`].
    pub fn read(path: &Path, settings: &[String]) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path).map_err(|source| RecipeError::Io { path: path.to_owned(), source })?;
        Self::parse(&text, settings)
    }

    /// Reads a recipe with some `key=value` set: `seed=1`, `data.images=/photos`, `xe.batch_size=32`.
    ///
    /// # Errors
    /// When the text is no recipe, or a value is not allowed; the error names the key.
    pub fn parse(text: &str, settings: &[String]) -> Result<Self, RecipeError> {
        let mut table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| RecipeError::Format(error.to_string()))?;
        for setting in settings {
            overrides::set(&mut table, setting)?;
        }
        let recipe: Recipe =
            table.try_into().map_err(|error: toml::de::Error| RecipeError::Format(error.message().to_owned()))?;
        validate::validate(&recipe)?;
        Ok(recipe)
    }

    /// The phase of that name.
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name() == name)
    }

    /// How a training phase sees its images.
    pub fn views_of(&self, phase: &TrainingPhase) -> Views {
        let features = phase.features.as_deref().and_then(|name| self.phase(name));
        match features {
            _ if !phase.augment => Views::Plain,
            Some(Phase::Features(features)) => Views::Stored(features.views),
            _ => Views::Drawn,
        }
    }

    /// SHA-256 (hex) of everything in the recipe.
    pub fn hash(&self) -> String {
        let text = toml::to_string(self).unwrap_or_default();
        format!("{:x}", Sha256::digest(text.as_bytes()))
    }

    /// The hash of the recipe with this phase alone: what a phase that was begun must go on with, while
    /// later phases may still be changed, and so may what no weight depends on.
    pub fn phase_hash(&self, name: &str) -> String {
        let mut alone = self.clone();
        alone.phases.retain(|phase| phase.name() == name);
        for phase in &mut alone.phases {
            if let Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) = phase {
                phase.evaluation_batch_size = None;
                (phase.keep_checkpoints, phase.save_every_minutes) = (two(), fifteen());
            }
        }
        alone.hash()
    }
}

impl Phase {
    /// What other phases call it.
    pub fn name(&self) -> &str {
        match self {
            Phase::Features(phase) => &phase.name,
            Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) => &phase.name,
        }
    }
}

impl TrainingPhase {
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

    /// Whether the backbone is trained too.
    pub fn end_to_end(&self) -> bool {
        self.features.is_none()
    }
}

impl From<PhaseDropouts> for Dropouts {
    fn from(phase: PhaseDropouts) -> Self {
        let PhaseDropouts { encoder, decoder, encoder_input, decoder_input, other, drop_path } = phase;
        Dropouts { encoder, decoder, encoder_input, decoder_input, other, drop_path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(settings: &[&str]) -> Result<Recipe, RecipeError> {
        Recipe::parse(PAPER, &settings.iter().map(|&setting| setting.to_owned()).collect::<Vec<_>>())
    }

    fn reason(settings: &[&str]) -> String {
        paper(settings).expect_err("is refused").to_string()
    }

    #[test]
    fn the_committed_recipes_are_sound() {
        let recipe = paper(&[]).expect("is one");
        let names: Vec<&str> = recipe.phases.iter().map(Phase::name).collect();
        assert_eq!(names, ["features", "xe", "xe-end-to-end", "tuned-features", "scst", "scst-end-to-end"]);
        let photos = include_str!("../../../recipes/photos14k.toml");
        Recipe::parse(photos, &[]).expect("is one");
    }

    #[test]
    fn values_are_set_by_phase_and_key_and_change_the_hash() {
        let plain = paper(&[]).expect("is one");
        let set =
            paper(&["xe.batch_size=32", "seed=1", "data.images=/photos", "xe.dropouts.encoder=0"]).expect("is one");
        let Some(Phase::CrossEntropy(xe)) = set.phase("xe") else { panic!("there is such a phase") };
        assert_eq!((xe.batch_size, set.seed, xe.dropouts.encoder), (32, 1, 0.));
        assert_eq!(set.data.images, Path::new("/photos"));
        assert_ne!(set.hash(), plain.hash());
        assert_eq!(paper(&["xe.captions_per_image=1"]).expect("is one").hash(), plain.hash());
        assert_ne!(paper(&["xe.captions_per_image=5"]).expect("is one").hash(), plain.hash());
        assert_eq!(plain.hash(), paper(&[]).expect("is one").hash());
        let later = paper(&["scst.epochs=2"]).expect("is one");
        assert_eq!(later.phase_hash("xe"), plain.phase_hash("xe"));
        assert_ne!(later.phase_hash("scst"), plain.phase_hash("scst"));
        let gentler = paper(&["xe.evaluation_batch_size=4", "xe.keep_checkpoints=1", "xe.save_every_minutes=1"]);
        assert_eq!(gentler.expect("is one").phase_hash("xe"), plain.phase_hash("xe"));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        assert!(reason(&["xe.batchsize=32"]).contains("unknown field `batchsize`, expected one of"));
        assert!(reason(&["xe.evaluation_batch_size=0"]).starts_with("xe.evaluation_batch_size must be at least 1"));
        assert!(reason(&["xe.batch_size=0"]).starts_with("xe.batch_size must be at least 1"));
        assert!(reason(&["xe.captions_per_image=0"]).starts_with("xe.captions_per_image must be at least 1"));
        assert!(reason(&["xe.precision=\"float16\""]).contains("`float32`, `tf32`, `bfloat16`"));
        assert!(reason(&["xe.checkpoint_activations=true"]).contains("trains the backbone"));
        assert!(reason(&["xe.frozen_segments=3"]).contains("trains the backbone"));
        assert!(reason(&["xe.augment=true"]).contains("features.views"));
        assert!(reason(&["features.views=0"]).starts_with("features.views must be at least 1"));
        assert!(reason(&["xe.dropouts.other=1.5"]).starts_with("xe.dropouts.other must lie in 0 to 1"));
        assert!(reason(&["scst.samples=1"]).starts_with("scst.samples must be at least 2"));
        assert!(reason(&["scst.body=xxe"]).contains("`pretrained`, an earlier phase"));
        assert!(reason(&["scst.body=checkpoint:"]).contains("names no path"));
        assert!(paper(&["scst.body=checkpoint:runs/a/xe/state-00000003"]).is_ok());
        assert!(reason(&["xe.features=scst"]).starts_with("xe.features must be an earlier phase"));
        assert!(reason(&["xe"]).contains("key=value"));
        assert!(reason(&["nothing.here.at=1"]).contains("no table `nothing`"));
        assert!(reason(&["features.kind=\"float8\""]).contains("`float16` or `float32`"));
    }
}
