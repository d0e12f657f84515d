//! Activation checkpointing: the backbone's activations are computed twice instead of kept.
//!
//! The first pass keeps what each segment of the backbone reads, and no graph. Once the gradient of the features is
//! known, the segments are run again from last to first, each with its graph and with the random numbers of the first
//! pass, and give their gradients. Memory holds the activations of one segment at a time.

use crate::data::batches::mixed;
use crate::model::Backbone;
use tch::{Device, Kind, Tensor};

/// A backbone's pass that is to be run again for its gradients.
#[derive(Debug)]
pub(super) struct Recomputation {
    /// What each segment read.
    inputs: Vec<Tensor>,
    /// Follows libtorch's random numbers; each segment has its own seed mixed from it.
    seed: u64,
    /// What the body reads: a leaf of its graph.
    features: Tensor,
}

impl Recomputation {
    /// The first pass over `images` `[batch, 3, side, side]`, in training.
    pub fn first(backbone: &Backbone, images: &Tensor) -> Self {
        let seed = Tensor::randint(i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]) as u64;
        let segments = backbone.segments();
        let mut inputs = Vec::with_capacity(segments);
        let features = tch::no_grad(|| {
            let mut x = images.shallow_clone();
            for segment in 0..segments {
                seeded(seed, segment);
                let made = backbone.forward_segment(segment, &x, true);
                inputs.push(std::mem::replace(&mut x, made));
            }
            x
        });
        seeded(seed, segments); // what follows goes on from here
        Recomputation { inputs, seed, features: features.detach().set_requires_grad(true) }
    }

    /// `[batch, tokens, channels]`
    pub fn features(&self) -> Tensor {
        self.features.shallow_clone()
    }

    /// The second pass, after that of the body: adds to the gradients of the backbone's weights.
    pub fn backward(self, backbone: &Backbone) {
        let mut gradient = self.features.grad();
        let running: Vec<(Tensor, Tensor)> =
            backbone.running().into_iter().map(|moved| (moved.copy(), moved)).collect();
        for (segment, input) in self.inputs.into_iter().enumerate().rev() {
            if !gradient.defined() {
                return; // nothing depends on the features
            }
            seeded(self.seed, segment);
            let input = input.detach().set_requires_grad(segment > 0);
            let made = backbone.forward_segment(segment, &input, true);
            (made * &gradient).sum(Kind::Float).backward();
            gradient = input.grad();
        }
        tch::no_grad(|| running.into_iter().for_each(|(before, mut moved)| moved.copy_(&before)));
    }
}

fn seeded(seed: u64, segment: usize) {
    tch::manual_seed(mixed(seed, segment as u64) as i64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelConfig;
    use serde_json::json;
    use std::collections::HashMap;
    use tch::nn::VarStore;

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
        let store = VarStore::new(Device::Cpu);
        let backbone = Backbone::new(&store.root(), &config, 0.5);
        let images = Tensor::randn([3, 3, side, side], (Kind::Float, Device::Cpu));
        let running = copies(&backbone.running());

        let first = Recomputation::first(&backbone, &images);
        let (seed, features) = (first.seed, first.features());
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
        assert!(plain.allclose(&features, 1e-6, 1e-6, false));
        (plain * &weights).sum(Kind::Float).backward();
        for (name, theirs) in gradients(&store) {
            assert!(ours[&name].allclose(&theirs, 1e-4, 1e-5, false), "{name}");
        }
        assert_eq!(moved, copies(&backbone.running()), "running means and variances move once");
    }

    #[test]
    fn gradients_are_those_of_a_plain_pass_with_drop_path() {
        let swin = json!({
            "backbone": "swin", "image_size": 32, "swin_patch_size": 4, "swin_embed_dim": 8, "swin_depths": [2, 2],
            "swin_num_heads": [1, 2], "swin_window_size": 4, "swin_mlp_ratio": 2,
        });
        agrees_with_a_plain_pass(swin, 32);
    }

    #[test]
    fn batch_norms_see_each_batch_once() {
        agrees_with_a_plain_pass(json!({"backbone": "efficientnet_lite0", "image_size": 64}), 64);
    }
}
