//! A made dataset: squares and discs in three colours, what they are called, and a recipe of all six
//! phases so small that a minute of one core is enough.
#![allow(dead_code, missing_docs)]

use image::{Rgb, RgbImage};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use tch::nn::VarStore;
use tch::{Device, Tensor};
use trainer::model::{Backbone, ModelConfig};

pub const COLOURS: [(&str, [u8; 3]); 3] = [("red", [220, 30, 30]), ("green", [30, 200, 40]), ("blue", [40, 60, 230])];
pub const SHAPES: [&str; 2] = ["square", "disc"];

/// The model of the recipe, as its `[model]` section and as `config.json`.
const MODEL: &str = r#"
backbone = "swin"
image_size = 32
swin_patch_size = 4
swin_embed_dim = 16
swin_depths = [1, 1]
swin_num_heads = [1, 2]
swin_window_size = 4
swin_mlp_ratio = 2
d_model = 32
num_encoder_layers = 1
num_decoder_layers = 1
num_heads = 2
d_ff = 64
encoder_expansion_lengths = [4, 8]
decoder_expansion_length = 4
"#;

pub struct MadeDataset {
    pub folder: tempfile::TempDir,
}

/// A picture and what it shows.
pub struct Made {
    pub file: String,
    pub caption: String,
}

impl MadeDataset {
    /// Pictures, captions and a backbone of random weights, on disk.
    pub fn new() -> Self {
        let made = MadeDataset { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::create_dir(made.path("images")).expect("writable");
        let mut images = Vec::new();
        for (index, picture) in pictures().iter().enumerate() {
            picture.1.save(made.path("images").join(&picture.0.file)).expect("writable");
            for (split, offset) in [("train", 0), ("val", 100)] {
                let captions = vec![json!({"raw": picture.0.caption}); 2];
                images.push(
                    json!({"imgid": index + offset, "filename": picture.0.file, "split": split, "sentences": captions}),
                );
            }
        }
        let dataset = json!({"dataset": "made", "images": images}).to_string();
        std::fs::write(made.path("dataset.json"), dataset).expect("writable");
        made.write_backbone();
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The recipe, with these many epochs of the two first training phases.
    pub fn recipe(&self, epochs: u64) -> String {
        let folder = self.folder.path().display();
        format!(
            r#"
seed = 1
[data]
dataset = "{folder}/dataset.json"
images = "{folder}/images"
min_occurrences = 1
[weights]
backbone = "{folder}/backbone.safetensors"
[model]
{MODEL}
[[phase]]
name = "features"
step = "features"
backbone = "pretrained"
kind = "float32"
batch_size = 4
[[phase]]
name = "xe"
step = "cross-entropy"
features = "features"
epochs = {epochs}
batch_size = 4
learning_rate = 4e-3
warmup_iterations = 5
dropouts = {{ other = 0.1 }}
[[phase]]
name = "xe-end-to-end"
step = "cross-entropy"
backbone = "pretrained"
body = "xe"
epochs = 2
batch_size = 2
captions_per_image = 2
accumulate = 2
learning_rate = 1e-4
dropouts = {{ drop_path = 0.1 }}
[[phase]]
name = "tuned-features"
step = "features"
backbone = "xe-end-to-end"
[[phase]]
name = "scst"
step = "self-critical"
features = "tuned-features"
body = "xe-end-to-end"
epochs = 2
batch_size = 3
accumulate = 2
learning_rate = 1e-4
sample_length = 8
[[phase]]
name = "scst-end-to-end"
step = "self-critical"
backbone = "xe-end-to-end"
body = "scst"
epochs = 1
batch_size = 3
learning_rate = 1e-5
sample_length = 8
clip_gradients = 5.0
"#
        )
    }

    fn write_backbone(&self) {
        let mut sizes = sizes();
        (sizes["vocab_size"], sizes["max_sequence_length"]) = (json!(8), json!(8));
        let config: ModelConfig = serde_json::from_value(sizes).expect("the sizes fit together");
        tch::manual_seed(4);
        let store = VarStore::new(Device::Cpu);
        let _backbone = Backbone::new(&store.root(), &config, 0.);
        let weights: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        Tensor::write_safetensors(&weights, self.path("backbone.safetensors")).expect("writable");
    }
}

fn sizes() -> Value {
    toml::from_str(MODEL).expect("parses")
}

/// The model's sizes as values of a recipe, by their keys: `model.d_model` is 32.
pub fn model_settings() -> Vec<(String, Value)> {
    let sizes: Map<String, Value> = serde_json::from_value(sizes()).expect("an object");
    sizes.into_iter().map(|(name, size)| (format!("model.{name}"), size)).collect()
}

/// Every colour and shape.
pub fn pictures() -> Vec<(Made, RgbImage)> {
    let mut pictures = Vec::new();
    for (colour, rgb) in COLOURS {
        for shape in SHAPES {
            let inside = |x: u32, y: u32| {
                let (x, y) = (f64::from(x) - 31.5, f64::from(y) - 31.5);
                if shape == "square" { x.abs() < 20. && y.abs() < 20. } else { x.hypot(y) < 20. }
            };
            let pixel = |x, y| Rgb(if inside(x, y) { rgb } else { [250, 250, 240] });
            let made = Made { file: format!("{colour}-{shape}.png"), caption: format!("A {colour} {shape}.") };
            pictures.push((made, RgbImage::from_fn(64, 64, pixel)));
        }
    }
    pictures
}
