//! The backbone's activations computed twice: the gradients of a plain pass with the same random numbers.
//!
//! One test alone in its file: libtorch's random numbers are the process's, and other tests would draw from them.

use serde_json::json;
use std::collections::HashMap;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use trainer::model::{Backbone, ModelConfig};
use trainer::training::recomputation::{Recomputation, seeded};

fn copies(tensors: &[Tensor]) -> Vec<Tensor> {
    tensors.iter().map(Tensor::copy).collect()
}

/// Gradients of all weights, which are forgotten.
fn gradients(store: &VarStore) -> HashMap<String, Tensor> {
    let trained = store.variables().into_iter().filter(|(_, variable)| variable.requires_grad());
    let taken = trained.map(|(name, variable)| {
        let gradient = variable.grad().copy();
        let _ = variable.grad().zero_();
        (name, gradient)
    });
    taken.collect()
}

fn agrees_with_a_plain_pass(sizes: serde_json::Value, side: i64) {
    let mut all = json!({
        "vocab_size": 8, "max_sequence_length": 8, "d_model": 8, "num_encoder_layers": 1, "num_decoder_layers": 1,
        "num_heads": 1, "d_ff": 8, "encoder_expansion_lengths": [2], "decoder_expansion_length": 2,
    });
    all.as_object_mut().expect("an object").extend(sizes.as_object().expect("an object").clone());
    let config: ModelConfig = serde_json::from_value(all).expect("the sizes fit together");
    tch::manual_seed(5);
    let store = VarStore::new(Device::Cpu);
    let backbone = Backbone::new(&store.root(), &config, 0.5);
    let images = Tensor::randn([3, 3, side, side], (Kind::Float, Device::Cpu));
    let running = copies(&backbone.running());

    let first = Recomputation::first(&backbone, 0, &images);
    let (seed, features) = (first.seed(), first.features());
    let weights = features.randn_like();
    (&features * &weights).sum(Kind::Float).backward();
    first.backward(&backbone);
    let (ours, moved) = (gradients(&store), copies(&backbone.running()));

    let back = backbone.running().into_iter().zip(&running);
    tch::no_grad(|| back.for_each(|(mut now, before)| now.copy_(before)));
    let plain = (0..backbone.segments()).fold(images, |x, segment| {
        seeded(seed, segment);
        backbone.forward_segment(segment, &x, true)
    });
    // Without gradients oneDNN may take another way through the same convolution.
    assert!(plain.allclose(&features, 1e-4, 1e-4, false));
    (plain * &weights).sum(Kind::Float).backward();
    for (name, theirs) in gradients(&store) {
        let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
        // Rounded otherwise, a number may fall on the other side of a ReLU6: single gradients differ, not the whole.
        assert!(norm(&(&ours[&name] - &theirs)) <= 1e-2 * norm(&theirs) + 1e-4, "{name}");
    }
    assert_eq!(moved, copies(&backbone.running()), "running means and variances move once");
}

#[test]
fn gradients_are_those_of_a_plain_pass_and_batch_norms_see_each_batch_once() {
    let swin = json!({
        "backbone": "swin", "image_size": 32, "swin_patch_size": 4, "swin_embed_dim": 8, "swin_depths": [2, 2],
        "swin_num_heads": [1, 2], "swin_window_size": 4, "swin_mlp_ratio": 2,
    });
    agrees_with_a_plain_pass(swin, 32);
    agrees_with_a_plain_pass(json!({"backbone": "efficientnet_lite0", "image_size": 64}), 64);
}
