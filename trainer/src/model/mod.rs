//! The model: a backbone and the ExpansionNet v2 body, used by serving and training alike.
//!
//! Structs mirror the checkpoint: a field and its path string stand where PyTorch's module and
//! attribute stand, so that a state dict loads by name.

pub mod backbone;
pub mod config;
pub mod decoder;
pub mod dynamic_expansion;
pub mod efficientnet;
pub mod encoder;
pub mod layers;
pub mod masks;
pub mod precision;
pub mod static_expansion;
pub mod swin;

pub use backbone::Backbone;
pub use config::{BackboneConfig, ConfigError, Dropouts, EfficientNetLite, ModelConfig, SwinConfig};
pub use decoder::Decoder;
pub use encoder::Encoder;

use tch::nn::Path;

/// Encoder and decoder, without the backbone: what is trained on stored features.
#[derive(Debug)]
pub struct ExpansionNet {
    /// Features to encoded tokens.
    pub encoder: Encoder,
    /// Words so far to word scores.
    pub decoder: Decoder,
}

impl ExpansionNet {
    /// The body of the given sizes.
    pub fn new(path: &Path, config: &ModelConfig, dropouts: Dropouts) -> Self {
        ExpansionNet {
            encoder: Encoder::new(path, config, config.backbone.feature_dim(), dropouts),
            decoder: Decoder::new(path, config, dropouts),
        }
    }
}

/// The end-to-end model: image to words.
#[derive(Debug)]
pub struct CaptioningModel {
    /// Image to features.
    pub backbone: Backbone,
    /// Features to words.
    pub body: ExpansionNet,
}

impl CaptioningModel {
    /// The whole model of the given sizes, with fresh weights.
    pub fn new(path: &Path, config: &ModelConfig, dropouts: Dropouts) -> Self {
        CaptioningModel {
            backbone: Backbone::new(path, config, dropouts.drop_path),
            body: ExpansionNet::new(path, config, dropouts),
        }
    }
}
