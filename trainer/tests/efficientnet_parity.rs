//! EfficientNet-lite0 against the ImageNet-trained original, within 1e-4.
//!
//! Its weights are fetched by `cargo xtask backbones`, which `cargo xtask test` begins with.

mod support;

use serde_json::json;
use std::path::Path;
use support::{assert_close, reference_tensors};
use tch::nn::VarStore;
use tch::{Device, Kind, no_grad};
use trainer::checkpoint::read_tensors;
use trainer::image::{Normalization, normalize};
use trainer::model::{Backbone, ModelConfig};

/// The ImageNet-trained network, with weights of float16 as those of the reference were.
fn lite0(store: &VarStore) -> Backbone {
    let config: ModelConfig = serde_json::from_value(json!({
        "backbone": "efficientnet_lite0", "image_size": 224, "vocab_size": 8, "max_sequence_length": 8, "d_model": 8,
        "num_encoder_layers": 1, "num_decoder_layers": 1, "num_heads": 1, "d_ff": 8, "encoder_expansion_lengths": [2],
        "decoder_expansion_length": 2,
    }))
    .expect("the sizes fit together");
    let backbone = Backbone::new(&store.root(), &config, 0.);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.backbones/efficientnet_lite0.pth");
    let weights = read_tensors(&file).expect("weights: `cargo xtask backbones` fetches them");
    no_grad(|| {
        for (name, mut variable) in store.variables() {
            let name = name.strip_prefix("efficientnet.").expect("the backbone's");
            variable.copy_(&weights[name].to_kind(Kind::Half));
        }
    });
    backbone
}

#[test]
fn features_of_the_reference_picture() {
    let store = VarStore::new(Device::Cpu);
    let mut backbone = lite0(&store);
    let reference = reference_tensors("efficientnet_lite0/tensors.safetensors");
    let features = |backbone: &Backbone| no_grad(|| backbone.forward_t(&reference["input"], false));
    assert_close("features with batch norms", &features(&backbone), &reference["features"]);

    backbone.freeze_statistics();
    let trained = backbone.forward_t(&reference["input"], true);
    assert_close("features in training", &trained, &reference["features"]);

    backbone.prepare_inference();
    assert_close("features with folded batch norms", &features(&backbone), &reference["features"]);
}

#[test]
fn pixels_are_normalised_as_the_backbone_was_trained() {
    let reference = reference_tensors("efficientnet_lite0/tensors.safetensors");
    let pixels: Vec<u8> = Vec::try_from(reference["pixels"].flatten(0, -1)).expect("bytes");
    let picture = image::RgbImage::from_raw(224, 224, pixels).expect("224 x 224 x 3 bytes");
    let planes = normalize(&picture, &Normalization::CENTERED);
    let input = tch::Tensor::from_slice(&planes).view([1, 3, 224, 224]);
    assert_close("normalised pixels", &input, &reference["input"]);
}
