//! Steps of training: `cargo xtask bench training`. Rewards are in the bench `metrics`.
//!
//! The small model is that of `recipes/photos14k.toml`, the paper's body that of `recipes/paper.toml`; weights,
//! features and captions are random, the captions as long as people's.

mod support;

use support::{Alternative, compare, device};
use tch::nn::VarStore;
use tch::{Kind, Tensor, no_grad};
use trainer::data::Inputs;
use trainer::decoding::SamplingOptions;
use trainer::model::{Backbone, Dropouts, ModelConfig};
use trainer::training::recipe::PAPER;
use trainer::training::{LabelSmoothing, Network, RAdam, Recipe, cross_entropy, roll_out, self_critical_loss};

const PAD: i64 = 0;
const SOS: i64 = 1;
const EOS: i64 = 2;
const SAMPLES: usize = 5;
const RATE: f64 = 1e-4;

fn main() {
    let _ = device(); // before anything is asked of libtorch
    let small = sizes(include_str!("../../recipes/photos14k.toml"), 4000);
    let paper = sizes(PAPER, 10_000);
    // A GPU takes the paper's own batches.
    let [learned, rewarded] = if device().is_cuda() { [48, 20] } else { [4, 4] };
    cross_entropy_steps("small model", &small, 48, 9);
    cross_entropy_steps("paper's body", &paper, learned, 3);
    self_critical_steps("small model", &small, 24, 9);
    self_critical_steps("paper's body", &paper, rewarded, 3);
    features(&small, 32, 5);
    if device().is_cuda() {
        end_to_end_step(&paper, 16, 3);
    }
}

/// The model of a recipe, with a made vocabulary.
fn sizes(recipe: &str, words: i64) -> ModelConfig {
    let mut sizes = Recipe::parse(recipe, &[]).expect("it is committed").model;
    (sizes.vocab_size, sizes.max_sequence_length) = (Some(words), Some(74));
    ModelConfig::try_from(sizes).expect("the sizes fit together")
}

/// A body that is trained on stored features.
struct Trained {
    network: Network,
    optimiser: RAdam,
    tokens: i64,
    channels: i64,
}

impl Trained {
    fn new(config: &ModelConfig, dropout: f64) -> Self {
        tch::manual_seed(1);
        let store = VarStore::new(device());
        let rates = Dropouts {
            encoder: dropout,
            decoder: dropout,
            encoder_input: dropout,
            decoder_input: dropout,
            other: dropout,
            drop_path: 0.,
        };
        let network = Network::new(&store.root(), config, rates, false);
        // So that drawn captions end after a dozen words, as those of a trained model do.
        let bias = store.variables()["vocab_linear.bias"].detach();
        let _ = bias.get(EOS).fill_((config.vocab_size as f64 / 12.).ln());
        let side = config.image_size / 32;
        Trained { network, optimiser: RAdam::new(&store), tokens: side * side, channels: config.backbone.feature_dim() }
    }

    fn images(&self, count: i64) -> Inputs {
        Inputs::unpadded(Tensor::randn([count, self.tokens, self.channels], (Kind::Float, device())))
    }

    fn update(&mut self, loss: &Tensor) {
        loss.backward();
        self.optimiser.step(RATE);
        self.optimiser.zero_gradients();
    }
}

/// Captions as long as those of COCO (9 to 14 words for the most part, a few up to 30), and their padding.
fn captions(count: usize, words: i64) -> (Tensor, Vec<i64>) {
    const LENGTHS: [usize; 20] = [8, 9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 12, 13, 13, 14, 15, 16, 18, 22, 30];
    let lengths: Vec<usize> = (0..count).map(|caption| LENGTHS[caption * 7 % LENGTHS.len()]).collect();
    let longest = lengths.iter().max().map_or(2, |words| words + 2);
    let row = |(caption, &length): (usize, &usize)| -> Vec<i64> {
        let word = |place: usize| 3 + (caption * 31 + place * 17) as i64 % (words - 3);
        let row = std::iter::once(SOS).chain((0..length).map(word)).chain([EOS]);
        row.chain(std::iter::repeat(PAD)).take(longest).collect()
    };
    let rows: Vec<i64> = lengths.iter().enumerate().flat_map(row).collect();
    let pads = lengths.iter().map(|length| (longest - length - 2) as i64).collect();
    (Tensor::from_slice(&rows).view([count as i64, longest as i64]), pads)
}

fn cross_entropy_steps(model: &str, config: &ModelConfig, images: i64, rounds: usize) {
    let count = images as usize * SAMPLES;
    let (tokens, pads) = captions(count, config.vocab_size);
    let tokens = tokens.to_device(device());
    let labels = LabelSmoothing { smoothing: 0.1, pad: PAD };
    let mut alternatives = Vec::new();
    for (name, repeats) in [("pairs", SAMPLES as i64), ("grouped by image", 1)] {
        let (tokens, pads) = (&tokens, &pads);
        let mut trained = Trained::new(config, 0.3);
        let mut inputs = trained.images(images);
        inputs.tensor = inputs.tensor.repeat_interleave_self_int(repeats, 0, None);
        let run = move || {
            let loss = cross_entropy(&trained.network, &inputs, tokens, pads, &labels, true);
            trained.update(&loss);
        };
        alternatives.push(Alternative { name, run: Box::new(run) });
    }
    compare(&format!("cross-entropy step, {model}, {count} captions of {images} images"), rounds, alternatives);
}

/// A step that trains the backbone as well, of one caption of each image.
fn end_to_end_step(config: &ModelConfig, images: i64, rounds: usize) {
    let (tokens, pads) = captions(images as usize, config.vocab_size);
    let tokens = tokens.to_device(device());
    let labels = LabelSmoothing { smoothing: 0.1, pad: PAD };
    let store = VarStore::new(device());
    let dropouts = Dropouts { encoder: 0.1, decoder: 0.1, drop_path: 0.1, ..Dropouts::default() };
    let network = Network::new(&store.root(), config, dropouts, true);
    let mut optimiser = RAdam::new(&store);
    let side = config.image_size;
    let inputs = Inputs::unpadded(Tensor::randn([images, 3, side, side], (Kind::Float, device())));
    let step = || {
        network.backward(&cross_entropy(&network, &inputs, &tokens, &pads, &labels, true));
        optimiser.step(RATE);
        optimiser.zero_gradients();
    };
    let title = format!("cross-entropy step with the backbone, paper's model, {images} captions of {images} images");
    compare(&title, rounds, vec![Alternative { name: "float32", run: Box::new(step) }]);
}

fn self_critical_steps(model: &str, config: &ModelConfig, images: i64, rounds: usize) {
    let mut trained = Trained::new(config, 0.1);
    let inputs = trained.images(images);
    let options = SamplingOptions { samples: SAMPLES, max_words: 20, temperature: 1. };
    let step = || {
        let rollout = roll_out(&trained.network, &inputs, SOS, EOS, &options, true).expect("it runs");
        let made_up = |caption: &Vec<i64>| caption.iter().sum::<i64>() as f64 / 1e4;
        let rewards: Vec<Vec<f64>> =
            rollout.captions.iter().map(|captions| captions.iter().map(made_up).collect()).collect();
        let loss = self_critical_loss(&rollout.log_probs, &rewards);
        trained.update(&loss);
    };
    let title = format!("self-critical step, {model}, {SAMPLES} captions each of {images} images");
    compare(&title, rounds, vec![Alternative { name: "drawn and scored", run: Box::new(step) }]);
}

fn features(config: &ModelConfig, images: i64, rounds: usize) {
    let store = VarStore::new(device());
    let mut backbone = Backbone::new(&store.root(), config, 0.);
    backbone.prepare_inference();
    let side = config.image_size;
    let pictures = Tensor::randn([images, 3, side, side], (Kind::Float, device()));
    let forward = || drop(no_grad(|| backbone.forward_t(&pictures, false)));
    let title = format!("features of {images} images of {side} pixels, EfficientNet-lite0");
    compare(&title, rounds, vec![Alternative { name: "float32", run: Box::new(forward) }]);
}
