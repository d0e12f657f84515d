//! One model of an ensemble: its weights, made ready for inference.

use super::{Difference, LoadError, ModelInfo, model_id};
use crate::checkpoint::Package;
use crate::decoding::{IncrementalDecoder, JoinedProjections};
use crate::device::{PrecisionChoice, device_name};
use crate::image::Normalization;
use crate::model::{Backbone, BackboneConfig, CaptioningModel};
use crate::vocabulary::Vocabulary;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// A loaded model.
pub(super) struct Member {
    model: CaptioningModel,
    joined: JoinedProjections,
    /// Of this model alone.
    pub(super) info: ModelInfo,
    /// What is done to the pixels' values.
    pub(super) normalization: Normalization,
    /// Channels of the backbone's features.
    pub(super) feature_dim: i64,
}

impl Member {
    /// Reads a model folder; gives the words too.
    pub(super) fn load(
        folder: &Path,
        device: Device,
        precision: PrecisionChoice,
    ) -> Result<(Member, Vocabulary), LoadError> {
        let Package { mut store, mut model, config, vocabulary, revision } = Package::read(folder, device)?;
        // A Swin is 3 times as fast in bfloat16 on a CPU; a small convolutional backbone gains little
        // and a fifth of its captions change (docs/PERFORMANCE.md).
        let gains = matches!(config.backbone, BackboneConfig::Swin(_));
        let bfloat16 = precision.bfloat16_on(device, gains)?;
        store.freeze();
        if bfloat16 {
            to_bfloat16(&store, Backbone::prefix(&config.backbone));
        }
        model.backbone.prepare_inference();

        let id = model_id(folder);
        let info = ModelInfo {
            members: vec![id.clone()],
            id,
            revision,
            backbone: config.backbone.name().to_owned(),
            image_size: config.image_size as u32,
            vocab_size: vocabulary.len(),
            parameters: store.variables().values().map(|tensor| tensor.numel() as u64).sum(),
            max_length: config.max_sequence_length as usize,
            device: device_name(device),
            precision: if bfloat16 { "bfloat16" } else { "float32" }.to_owned(),
        };
        let joined = JoinedProjections::of(&model.body.decoder);
        let (normalization, feature_dim) = (config.backbone.normalization(), config.backbone.feature_dim());
        Ok((Member { model, joined, info, normalization, feature_dim }, vocabulary))
    }

    /// What keeps the other model from being put together with this one.
    pub(super) fn difference(&self, other: &Member, same_words: bool) -> Option<Difference> {
        if !same_words {
            return Some(Difference::Vocabulary);
        }
        if self.info.image_size != other.info.image_size {
            return Some(Difference::ImageSize);
        }
        (self.normalization != other.normalization).then_some(Difference::Normalization)
    }

    /// Backbone: `[images, 3, side, side]` to features `[images, tokens, channels]`.
    pub(super) fn features(&self, batch: &Tensor) -> Tensor {
        self.model.backbone.forward_t(batch, false)
    }

    /// Encoder: features `[images, tokens, channels]` to `[images, tokens, d_model]`.
    pub(super) fn encode(&self, features: &Tensor) -> Tensor {
        self.model.body.encoder.forward_t(features, None, false)
    }

    /// What a search asks for the next word.
    pub(super) fn decoder(&self) -> IncrementalDecoder<'_> {
        IncrementalDecoder::new(&self.model.body.decoder, &self.joined)
    }
}

/// Turns the variables under `prefix` to bfloat16, in place.
fn to_bfloat16(store: &tch::nn::VarStore, prefix: &str) {
    tch::no_grad(|| {
        for (name, mut variable) in store.variables() {
            if name.starts_with(prefix) && variable.kind() == Kind::Float {
                let narrowed = variable.to_kind(Kind::BFloat16);
                variable.set_data(&narrowed);
            }
        }
    });
}
