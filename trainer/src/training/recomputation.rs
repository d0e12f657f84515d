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
pub struct Recomputation {
    /// The first segment that is trained.
    start: usize,
    /// What each segment from there on read.
    inputs: Vec<Tensor>,
    /// Follows libtorch's random numbers; each segment has its own seed mixed from it.
    seed: u64,
    /// What the body reads: a leaf of its graph.
    features: Tensor,
}

impl Recomputation {
    /// The first pass in training, from the segment `start` on, which reads `x`; the very first reads images
    /// `[batch, 3, side, side]`.
    pub fn first(backbone: &Backbone, start: usize, x: &Tensor) -> Self {
        let seed = Tensor::randint(i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]) as u64;
        let segments = backbone.segments();
        let mut inputs = Vec::with_capacity(segments);
        let features = tch::no_grad(|| {
            let mut x = x.shallow_clone();
            for segment in start..segments {
                seeded(seed, segment);
                let made = backbone.forward_segment(segment, &x, true);
                inputs.push(std::mem::replace(&mut x, made));
            }
            x
        });
        seeded(seed, segments); // what follows goes on from here
        Recomputation { start, inputs, seed, features: features.detach().set_requires_grad(true) }
    }

    /// What the random numbers of the segments follow from: see [`seeded`].
    pub fn seed(&self) -> u64 {
        self.seed
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
        for (place, input) in self.inputs.into_iter().enumerate().rev() {
            if !gradient.defined() {
                return; // nothing depends on the features
            }
            let segment = self.start + place;
            seeded(self.seed, segment);
            let input = input.detach().set_requires_grad(place > 0);
            let made = backbone.forward_segment(segment, &input, true);
            (made * &gradient).sum(Kind::Float).backward();
            gradient = input.grad();
        }
        tch::no_grad(|| running.into_iter().for_each(|(before, mut moved)| moved.copy_(&before)));
    }
}

/// Sets libtorch's random numbers to those of a segment.
pub fn seeded(seed: u64, segment: usize) {
    tch::manual_seed(mixed(seed, segment as u64) as i64);
}
