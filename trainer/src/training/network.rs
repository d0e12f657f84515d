//! What a phase trains: the body on stored features, or backbone and body on images.

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
    /// In the graph where images are read; none where stored features are.
    backbone: Option<Backbone>,
    body: ExpansionNet,
    /// Where the backbone's activations are computed twice: the pass whose gradients are still to come.
    recomputation: Option<RefCell<Option<Recomputation>>>,
}

impl From<CaptioningModel> for Network {
    fn from(CaptioningModel { backbone, body }: CaptioningModel) -> Self {
        Network { backbone: Some(backbone), body, recomputation: None }
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
            recomputation: None,
        }
    }

    /// Fresh weights for a phase: with its dropouts, and the backbone trained as it says.
    pub fn of_phase(path: &Path, config: &ModelConfig, phase: &TrainingPhase) -> Self {
        let mut network = Network::new(path, config, phase.dropouts.into(), phase.end_to_end());
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

    /// The encoder's output, `[images, tokens, d_model]`.
    pub fn encode(&self, inputs: &Inputs, train: bool) -> Tensor {
        let encoder = &self.body.encoder;
        match &self.backbone {
            None => encoder.forward_t(&inputs.tensor, input_mask(inputs).as_ref(), train),
            Some(backbone) => encoder.forward_t(&self.features(backbone, &inputs.tensor, train), None, train),
        }
    }

    fn features(&self, backbone: &Backbone, images: &Tensor, train: bool) -> Tensor {
        match &self.recomputation {
            Some(kept) if train => {
                let first = Recomputation::first(backbone, images);
                let features = first.features();
                kept.replace(Some(first));
                features
            }
            _ => backbone.forward_t(images, train),
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
