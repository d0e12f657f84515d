//! The image encoder in front of the body: one of several, behind one door.

use super::config::{BackboneConfig, ModelConfig};
use super::efficientnet::EfficientNet;
use super::swin::SwinTransformer;
use std::ops::Range;
use tch::nn::Path;
use tch::{Kind, Tensor};

/// Images to features.
#[derive(Debug)]
pub enum Backbone {
    /// The paper's.
    Swin(SwinTransformer),
    /// For small machines.
    EfficientNet(EfficientNet),
}

impl Backbone {
    /// The configured backbone, under its name in the checkpoint ([`Backbone::prefix`]).
    pub fn new(path: &Path, config: &ModelConfig, drop_path: f64) -> Self {
        let path = path / Self::prefix(&config.backbone);
        match &config.backbone {
            BackboneConfig::Swin(swin) => {
                Backbone::Swin(SwinTransformer::new(&path, swin, config.image_size, drop_path))
            }
            BackboneConfig::EfficientNetLite(variant) => {
                Backbone::EfficientNet(EfficientNet::new(&path, *variant, drop_path))
            }
        }
    }

    /// The first part of the backbone's names in a checkpoint.
    pub fn prefix(config: &BackboneConfig) -> &'static str {
        match config {
            BackboneConfig::Swin(_) => "swin_transf",
            BackboneConfig::EfficientNetLite(_) => "efficientnet",
        }
    }

    /// Images `[batch, 3, side, side]` (float32) to features `[batch, tokens, channels]` (float32),
    /// whatever the kind of the weights.
    pub fn forward_t(&self, images: &Tensor, train: bool) -> Tensor {
        let features = match self {
            Backbone::Swin(swin) => swin.forward_t(&images.to_kind(swin.kind()), train),
            Backbone::EfficientNet(net) => net.forward_t(&images.to_kind(net.kind()), train),
        };
        features.to_kind(Kind::Float)
    }

    /// Pieces of the work, one after the other.
    pub fn segments(&self) -> usize {
        match self {
            Backbone::Swin(swin) => swin.segments(),
            Backbone::EfficientNet(net) => net.segments(),
        }
    }

    /// What the segment at `index` makes of what the one before it made, the first of images; all in turn are
    /// [`Backbone::forward_t`] (of float32 weights).
    pub fn forward_segment(&self, index: usize, x: &Tensor, train: bool) -> Tensor {
        match self {
            Backbone::Swin(swin) => swin.forward_segment(index, x, train),
            Backbone::EfficientNet(net) => net.forward_segment(index, x, train),
        }
    }

    /// Several segments, one after the other.
    pub fn forward_segments(&self, segments: Range<usize>, x: &Tensor, train: bool) -> Tensor {
        segments.fold(x.shallow_clone(), |x, index| self.forward_segment(index, &x, train))
    }

    /// What a pass in training moves besides the weights: running means and variances.
    pub fn running(&self) -> Vec<Tensor> {
        match self {
            Backbone::Swin(_) => Vec::new(),
            Backbone::EfficientNet(net) => net.running(),
        }
    }

    /// Has training leave batch norms' statistics as they are, where there are any.
    pub fn freeze_statistics(&mut self) {
        match self {
            Backbone::Swin(_) => {}
            Backbone::EfficientNet(net) => net.freeze_statistics(),
        }
    }

    /// Computes once what does not depend on the image. Call after loading, never before training.
    pub fn prepare_inference(&mut self) {
        tch::no_grad(|| match self {
            Backbone::Swin(swin) => swin.prepare_inference(),
            Backbone::EfficientNet(net) => net.prepare_inference(),
        });
    }
}
