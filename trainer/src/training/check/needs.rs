//! Disk and memory of a phase, from the sizes of the model.

use super::super::recipe::{Phase, TrainingPhase, each_origin};
use super::ImageCounts;
use crate::data::features::disk_need;
use crate::model::{BackboneConfig, ModelConfig};

/// Bytes of a number in the weights.
const FLOAT: u64 = 4;
/// Numbers that training keeps of a weight: itself, its gradient, and two moments.
const PER_TRAINED: u64 = 4;
/// Numbers kept of a teacher's weight: itself, and where it is a convolution's what batch norms made of it.
const PER_TEACHER: u64 = 2;
/// The program and libtorch themselves.
const PROGRAM: u64 = 500_000_000;

/// Sizes of a model that needs follow from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    /// Of an image's features.
    pub tokens: i64,
    /// Of an image's features.
    pub channels: i64,
    /// Weights of the backbone.
    pub backbone: u64,
    /// Weights of the body.
    pub body: u64,
}

impl Sizes {
    /// Bytes that a phase adds to the disk at most.
    pub fn disk(&self, phase: &Phase, images: ImageCounts) -> u64 {
        match phase {
            Phase::Features(phase) => {
                let views = images.train * phase.views as usize + images.val + images.test;
                disk_need(views, self.tokens, self.channels, phase.kind)
            }
            Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) => {
                let trained = FLOAT * self.trained(phase);
                // One more of each than is kept, as the old one goes after the new one is whole; and the model folder.
                let state = (3 + averaged(phase)) * trained;
                let states = (phase.keep_checkpoints as u64).saturating_add(1).saturating_mul(state);
                states.saturating_add(2 * trained + FLOAT * (self.backbone + self.body))
            }
        }
    }

    fn trained(&self, phase: &TrainingPhase) -> u64 {
        self.body + if phase.end_to_end() { self.backbone } else { 0 }
    }

    /// Bytes of memory that a phase takes, roughly: in float32, everything kept for the gradients.
    pub fn memory(&self, config: &ModelConfig, phase: &Phase) -> u64 {
        let Some(training) = phase.training() else {
            let Phase::Features(phase) = phase else { return 0 };
            // Without gradients, what one layer holds: a tenth, say.
            let activations = backbone_activations(config, config.image_size) / 10;
            let activations = activations.saturating_mul(phase.batch_size as u64);
            return PROGRAM.saturating_add(FLOAT.saturating_mul(activations.saturating_add(self.backbone)));
        };
        let (captions, words) = match phase {
            Phase::SelfCritical(_) => (training.samples as u64, training.sample_length as u64),
            _ => (training.captions_per_image as u64, TYPICAL_WORDS.min(config.max_sequence_length as u64)),
        };
        let activations = backbone_activations(config, training.image_size.unwrap_or(config.image_size));
        let backbone = match training.end_to_end() {
            // Computed twice, those of one part at a time.
            true if training.checkpoint_activations => activations / 4,
            true => activations,
            false => 0,
        };
        let said = captions.saturating_mul(decoder_activations(config, words));
        let image = said.saturating_add(backbone + self.encoder_activations(config));
        let activations = image.saturating_mul(training.batch_size as u64);
        let teachers = training.teachers.as_deref().map_or(0, |teachers| each_origin(teachers).count() as u64);
        let weights = (PER_TRAINED + averaged(training) + PER_TEACHER * teachers) * self.trained(training);
        PROGRAM.saturating_add(FLOAT.saturating_mul(activations.saturating_add(weights)))
    }

    /// Numbers kept of an image by the encoder: the expansion's, both classes forward and backward, and some
    /// twenty per token and channel of everything else.
    fn encoder_activations(&self, config: &ModelConfig) -> u64 {
        let expansion: i64 = config.encoder_expansion_lengths.iter().sum();
        let layer = expansion * self.tokens * 8 + self.tokens * config.d_model * 20;
        (layer * config.num_encoder_layers) as u64
    }
}

/// Numbers kept of a weight besides, where an average is.
fn averaged(phase: &TrainingPhase) -> u64 {
    u64::from(phase.ema_decay > 0.)
}

/// Words of the longest caption in a batch, usually.
const TYPICAL_WORDS: u64 = 25;

/// Numbers kept of a caption by the decoder: of each layer as in the encoder, and the scores of all words thrice.
fn decoder_activations(config: &ModelConfig, words: u64) -> u64 {
    let (expansion, d_model) = (config.decoder_expansion_length as u64, config.d_model as u64);
    let layer = expansion * words * (words * 8 + d_model * 4) + words * d_model * 20;
    layer * config.num_decoder_layers as u64 + 3 * words * config.vocab_size as u64
}

/// Numbers kept of an image of this side by the backbone.
fn backbone_activations(config: &ModelConfig, side: i64) -> u64 {
    let pixels = (side * side) as u64;
    match &config.backbone {
        // Convolution, normalisation and activation of some 130 channels at full size.
        BackboneConfig::EfficientNetLite(_) => 400 * pixels,
        BackboneConfig::Swin(swin) => {
            let window = (swin.window_size * swin.window_size) as u64;
            let stage = |stage: usize| {
                let tokens = (pixels / (swin.patch_size * swin.patch_size) as u64) >> (2 * stage);
                let block = tokens * (20 * swin.stage_dim(stage) as u64 + 3 * swin.num_heads[stage] as u64 * window);
                block * swin.depths[stage] as u64
            };
            (0..swin.depths.len()).map(stage).sum()
        }
    }
}

/// Bytes of memory that programs can have without swapping; none where the system does not say.
pub(super) fn memory_available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::super::super::recipe::{PAPER, Recipe};
    use super::*;

    fn paper() -> (Sizes, Recipe, ModelConfig) {
        let sizes = Sizes { tokens: 144, channels: 1536, backbone: 195_200_000, body: 38_600_000 };
        (sizes, Recipe::parse(PAPER, &[]).expect("is one"), ModelConfig::expansionnet_v2_large())
    }

    const COCO: ImageCounts = ImageCounts { train: 113_287, val: 5_000, test: 5_000, missing: 0 };

    #[test]
    fn the_papers_phases_need_what_is_known_of_them() {
        let (sizes, recipe, config) = paper();
        let phase = |name: &str| recipe.phase(name).expect("is there");
        // The original's README: 102 GB in float32, so half in float16.
        let features = sizes.disk(phase("features"), COCO) as f64 / 1e9;
        assert!((50. ..60.).contains(&features), "{features}");
        // Three states of three times 934 MB, two models, one model folder.
        assert_eq!(sizes.disk(phase("xe-end-to-end"), COCO), (3 * 3 + 2 + 1) * 4 * 233_800_000);
        // Swin-L at 384 pixels with 16 images: tens of gigabytes, which is why the original accumulates.
        let memory = sizes.memory(&config, phase("xe-end-to-end")) as f64 / 1e9;
        assert!((20. ..60.).contains(&memory), "{memory}");
        let settings = ["xe-end-to-end.checkpoint_activations=true".to_owned()];
        let frugal = Recipe::parse(PAPER, &settings).expect("is one");
        assert!(sizes.memory(&config, frugal.phase("xe-end-to-end").expect("is there")) as f64 / 1e9 < memory / 2.);
        assert!(sizes.memory(&config, phase("xe")) < sizes.memory(&config, phase("xe-end-to-end")));
    }

    #[test]
    fn a_phase_on_smaller_images_takes_less_memory() {
        let sizes = serde_json::json!({
            "backbone": "efficientnet_lite0", "image_size": 256, "vocab_size": 8, "max_sequence_length": 8,
            "d_model": 8, "num_encoder_layers": 1, "num_decoder_layers": 1, "num_heads": 1, "d_ff": 8,
            "encoder_expansion_lengths": [2], "decoder_expansion_length": 2,
        });
        let config: ModelConfig = serde_json::from_value(sizes).expect("the sizes fit together");
        let memory = |side: u32| {
            let settings = [format!("xe-end-to-end.image_size={side}"), "xe-end-to-end.batch_size=10".to_owned()];
            let photos = include_str!("../../../../recipes/photos14k.toml");
            let recipe = Recipe::parse(photos, &settings).expect("is one");
            Sizes::default().memory(&config, recipe.phase("xe-end-to-end").expect("is there"))
        };
        // Ten images of 400 numbers a pixel.
        assert_eq!(memory(256) - memory(128), 10 * 400 * (256 * 256 - 128 * 128) * FLOAT);
    }

    #[test]
    fn an_average_takes_the_weights_once_more() {
        let sizes = Sizes { body: 1_000_000, ..Sizes::default() };
        let (_, _, config) = paper();
        let needs = |decay: f64| {
            let recipe = Recipe::parse(PAPER, &[format!("xe.ema_decay={decay}")]).expect("is one");
            let phase = recipe.phase("xe").expect("is there");
            (sizes.memory(&config, phase), sizes.disk(phase, COCO))
        };
        let (plain, averaged) = (needs(0.), needs(0.9));
        // Three states, one of them before an old one goes.
        assert_eq!((averaged.0 - plain.0, averaged.1 - plain.1), (4_000_000, 3 * 4_000_000));
    }

    #[test]
    fn teachers_take_memory() {
        let sizes = Sizes { body: 1_000_000, ..Sizes::default() };
        let (_, _, config) = paper();
        let memory = |teachers: &str| {
            let settings = [format!("xe.teachers=\"{teachers}\"")];
            let recipe = Recipe::parse(PAPER, &settings).expect("is one");
            sizes.memory(&config, recipe.phase("xe").expect("is there"))
        };
        assert_eq!(memory("checkpoint:a + checkpoint:b") - memory("checkpoint:a"), 2 * 4_000_000);
    }

    #[test]
    fn the_system_says_what_is_available() {
        assert!(memory_available().is_some_and(|bytes| bytes > 1 << 20));
    }
}
