//! What a phase trains: the body on stored features or on captions, or backbone and body on images.

use super::recipe::TrainingPhase;
use super::recomputation::Recomputation;
use crate::data::Inputs;
use crate::model::masks::token_mask;
use crate::model::{Backbone, CaptioningModel, Decoder, Dropouts, ExpansionNet, ModelConfig};
use std::cell::RefCell;
use tch::Tensor;
use tch::nn::Path;

/// The trained part of the model.
#[derive(Debug)]
pub struct Network {
    /// In the graph where images are read; none where stored features or captions are.
    backbone: Option<Backbone>,
    body: ExpansionNet,
    /// Segments of the backbone, from the images on, that training leaves as they are.
    frozen_segments: usize,
    /// Where the backbone's activations are computed twice: the pass whose gradients are still to come.
    recomputation: Option<RefCell<Option<Recomputation>>>,
}

impl From<CaptioningModel> for Network {
    fn from(CaptioningModel { backbone, body }: CaptioningModel) -> Self {
        Network { backbone: Some(backbone), body, frozen_segments: 0, recomputation: None }
    }
}

/// 1 at features or words, 0 at padding; none where nothing is padded.
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
            frozen_segments: 0,
            recomputation: None,
        }
    }

    /// Fresh weights for a phase: with its dropouts, and the backbone trained as it says.
    pub fn of_phase(path: &Path, config: &ModelConfig, phase: &TrainingPhase) -> Self {
        let mut network = Network::new(path, config, phase.dropouts.into(), phase.end_to_end());
        network.frozen_segments = phase.frozen_segments;
        if phase.freeze_batch_norm {
            network = network.with_frozen_statistics();
        }
        if phase.checkpoint_activations {
            network = network.recomputing();
        }
        network
    }

    /// The same, with the statistics of the backbone's batch norms left as they are in training.
    pub fn with_frozen_statistics(mut self) -> Self {
        if let Some(backbone) = &mut self.backbone {
            backbone.freeze_statistics();
        }
        self
    }

    /// The same, with the backbone's activations computed twice in training rather than kept: gradients must then be
    /// taken with [`Network::backward`].
    pub fn recomputing(self) -> Self {
        Network { recomputation: Some(RefCell::default()), ..self }
    }

    /// The same, for what is asked and never trained: with its batch norms folded into the layers before them.
    pub fn for_inference(mut self) -> Self {
        if let Some(backbone) = &mut self.backbone {
            backbone.prepare_inference();
        }
        self
    }

    /// The encoder's output, `[images, tokens, d_model]`.
    pub fn encode(&self, inputs: &Inputs, train: bool) -> Tensor {
        let encoder = &self.body.encoder;
        match &self.backbone {
            _ if inputs.are_words() => {
                let embedded = self.body.decoder.embed(&inputs.tensor);
                encoder.forward_projected(embedded, input_mask(inputs).as_ref(), train)
            }
            None => encoder.forward_t(&inputs.tensor, input_mask(inputs).as_ref(), train),
            Some(backbone) => encoder.forward_t(&self.features(backbone, &inputs.tensor, train), None, train),
        }
    }

    fn features(&self, backbone: &Backbone, images: &Tensor, train: bool) -> Tensor {
        if !train {
            return backbone.forward_t(images, false);
        }
        let start = self.frozen_segments.min(backbone.segments());
        let x = tch::no_grad(|| backbone.forward_segments(0..start, images, false));
        match &self.recomputation {
            Some(kept) => {
                let first = Recomputation::first(backbone, start, &x);
                let features = first.features();
                kept.replace(Some(first));
                features
            }
            None => backbone.forward_segments(start..backbone.segments(), &x, true),
        }
    }

    /// Adds the gradients of a loss that came of the last [`Network::encode`] in training.
    pub fn backward(&self, loss: &Tensor) {
        loss.backward();
        let pending = self.recomputation.as_ref().and_then(RefCell::take);
        if let (Some(backbone), Some(pending)) = (&self.backbone, pending) {
            pending.backward(backbone);
        }
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.body.decoder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    #[test]
    fn words_in_place_of_images_are_encoded_alike_whatever_they_are_filled_up_with() {
        let sizes = json!({
            "backbone": "efficientnet_lite0", "image_size": 64, "vocab_size": 8, "max_sequence_length": 8,
            "d_model": 8, "num_encoder_layers": 2, "num_decoder_layers": 1, "num_heads": 1, "d_ff": 8,
            "encoder_expansion_lengths": [2, 3], "decoder_expansion_length": 2,
        });
        let config: ModelConfig = serde_json::from_value(sizes).expect("the sizes fit together");
        tch::manual_seed(6);
        let store = VarStore::new(Device::Cpu);
        let network = Network::new(&store.root(), &config, Dropouts::default(), false);
        let encoded = |tensor: Tensor, pads: Vec<i64>| network.encode(&Inputs { tensor, pads }, false);
        let together = encoded(Tensor::from_slice2(&[[4i64, 5, 6], [7, 5, 0]]), vec![0, 1]);
        let alone = encoded(Tensor::from_slice2(&[[7i64, 5]]), Vec::new());
        assert_eq!((together.size(), alone.size()), (vec![2, 3, 8], vec![1, 2, 8]));
        assert!(together.narrow(0, 1, 1).narrow(1, 0, 2).allclose(&alone, 1e-4, 1e-5, false));
        let otherwise = encoded(Tensor::from_slice2(&[[7i64, 6]]), Vec::new());
        assert!(!otherwise.allclose(&alone, 1e-2, 1e-3, false));
    }

    #[test]
    fn frozen_segments_have_no_gradients_and_change_none_of_the_others() {
        let sizes = json!({
            "backbone": "efficientnet_lite0", "image_size": 64, "vocab_size": 8, "max_sequence_length": 8,
            "d_model": 8, "num_encoder_layers": 1, "num_decoder_layers": 1, "num_heads": 1, "d_ff": 8,
            "encoder_expansion_lengths": [2], "decoder_expansion_length": 2,
        });
        let config: ModelConfig = serde_json::from_value(sizes).expect("the sizes fit together");
        tch::manual_seed(6);
        let store = VarStore::new(Device::Cpu);
        let mut network = Network::new(&store.root(), &config, Dropouts::default(), true).with_frozen_statistics();
        let images = Inputs::unpadded(Tensor::randn([2, 3, 64, 64], (Kind::Float, Device::Cpu)));
        let mut gradients = |frozen: usize, recomputing: bool| {
            network.frozen_segments = frozen;
            network.recomputation = recomputing.then(RefCell::default);
            let encoded = network.encode(&images, true);
            // Not one that the last layer norm makes the same for whatever comes.
            let weights = Tensor::arange(encoded.numel() as i64, (Kind::Float, Device::Cpu)).sin().view_as(&encoded);
            network.backward(&(encoded * weights).sum(Kind::Float));
            ["_conv_stem.weight", "_blocks.3._bn1.bias", "_blocks.4._expand_conv.weight", "_conv_head.weight"].map(
                |name| {
                    let mut gradient = store.variables()[&format!("efficientnet.{name}")].grad();
                    let copy = gradient.defined().then(|| gradient.copy());
                    if gradient.defined() {
                        let _ = gradient.zero_();
                    }
                    copy.filter(|copy| copy.abs().max().double_value(&[]) > 0.)
                },
            )
        };
        // The stem and four blocks, of which `_blocks.3` is the last.
        for recomputing in [false, true] {
            let [stem, fourth, fifth, head] = gradients(5, recomputing);
            assert!(stem.is_none() && fourth.is_none());
            let [all_stem, all_fourth, all_fifth, all_head] = gradients(0, recomputing);
            assert!(all_stem.is_some() && all_fourth.is_some());
            for (ours, theirs) in [(fifth, all_fifth), (head, all_head)] {
                let (ours, theirs) = (ours.expect("is trained"), theirs.expect("is trained"));
                let norm = |tensor: &Tensor| tensor.norm().double_value(&[]);
                // Single numbers may fall on the other side of a ReLU6 where they are rounded otherwise.
                assert!(norm(&(&ours - &theirs)) <= 1e-2 * norm(&theirs), "recomputing: {recomputing}");
            }
        }
    }
}
