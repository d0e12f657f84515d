//! What a phase trains: the body on stored features, or backbone and body on images.

use crate::data::Inputs;
use crate::model::masks::{DecoderMasks, token_mask};
use crate::model::{Backbone, CaptioningModel, Decoder, Dropouts, ExpansionNet, ModelConfig};
use tch::nn::Path;
use tch::{Device, Tensor};

/// The trained part of the model.
#[derive(Debug)]
pub struct Network {
    /// In the graph where images are read; none where stored features are.
    backbone: Option<Backbone>,
    body: ExpansionNet,
}

impl From<CaptioningModel> for Network {
    fn from(CaptioningModel { backbone, body }: CaptioningModel) -> Self {
        Network { backbone: Some(backbone), body }
    }
}

/// 1 at features, 0 at padding; none where nothing is padded.
fn input_mask(inputs: &Inputs) -> Option<Tensor> {
    let padded = inputs.pads.iter().any(|&pads| pads > 0);
    padded.then(|| token_mask(&inputs.pads, inputs.tensor.size()[1], inputs.tensor.device()))
}

impl Network {
    /// Fresh weights: of the body alone, or of the whole model.
    pub fn new(path: &Path, config: &ModelConfig, dropouts: Dropouts, end_to_end: bool) -> Self {
        Network {
            backbone: end_to_end.then(|| Backbone::new(path, config, dropouts.drop_path)),
            body: ExpansionNet::new(path, config, dropouts),
        }
    }

    /// The encoder's output, `[images, tokens, d_model]`.
    pub fn encode(&self, inputs: &Inputs, train: bool) -> Tensor {
        let encoder = &self.body.encoder;
        match &self.backbone {
            None => encoder.forward_t(&inputs.tensor, input_mask(inputs).as_ref(), train),
            Some(backbone) => encoder.forward_t(&backbone.forward_t(&inputs.tensor, train), None, train),
        }
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.body.decoder
    }
}

/// Masks for captions, as many of each image, side by side, of which the last `caption_pads` of `positions`
/// words are padding, over features of which the last `feature_pads` (one count an image; empty: none) of
/// `tokens` are.
pub(super) fn masks(
    caption_pads: &[i64],
    positions: i64,
    feature_pads: &[i64],
    tokens: i64,
    device: Device,
) -> DecoderMasks {
    let captions = caption_pads.len();
    let each = captions / feature_pads.len().max(1);
    let feature_pads: Vec<i64> = match feature_pads {
        [] => vec![0; captions],
        _ => feature_pads.iter().flat_map(|&pads| std::iter::repeat_n(pads, each)).collect(),
    };
    DecoderMasks::padded(caption_pads, positions, &feature_pads, tokens, device)
}

#[cfg(test)]
mod tests {
    use super::masks;
    use tch::{Device, Tensor};

    #[test]
    fn captions_of_one_image_share_its_padding() {
        // Two captions each of two images with three tokens, the second one's last padded.
        let masks = masks(&[0, 0, 0, 1], 1, &[0, 1], 3, Device::Cpu);
        let bias = masks.cross_bias.expect("features are padded").flatten(0, 2);
        let rows = [[0f32, 0., 0.], [0., 0., 0.], [0., 0., -1e4], [0., 0., 0.]];
        assert_eq!(bias, Tensor::from_slice2(&rows));
    }
}
