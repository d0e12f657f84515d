//! EfficientNet-lite0 against the ImageNet-trained original, within 1e-4.
//!
//! The weights are those of the bundled model's backbone, which was imported unchanged.

mod support;

use std::path::Path;
use support::{assert_close, reference_tensors};
use tch::{Device, no_grad};
use trainer::checkpoint::Package;
use trainer::image::{Normalization, normalize};

#[test]
fn features_of_the_reference_picture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/default");
    let mut package = Package::read(&folder, Device::Cpu).expect("the bundled model reads");
    let reference = reference_tensors("efficientnet_lite0/tensors.safetensors");
    let features = no_grad(|| package.model.backbone.forward_t(&reference["input"], false));
    assert_close("features with batch norms", &features, &reference["features"]);

    package.model.backbone.prepare_inference();
    let features = no_grad(|| package.model.backbone.forward_t(&reference["input"], false));
    assert_close("features with folded batch norms", &features, &reference["features"]);
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
