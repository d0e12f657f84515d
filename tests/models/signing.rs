//! Models that say who they are in their captions, and wait where a test wants them to.

use super::support::gate::Gate;
use expansionnet::captioning::{Model, Prepare};
use std::path::PathBuf;
use std::sync::Arc;
use trainer::captioner::{Caption, InferenceError, ModelInfo, PreparedImage, SearchOptions, model_id};

/// A model that signs its captions with its id.
pub struct Signing {
    info: ModelInfo,
    /// Stops each batch of a model `held` until it is let through.
    gate: Option<Arc<Gate>>,
}

impl Model for Signing {
    /// Width of each picture.
    type Encoded = Vec<u32>;

    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn prepare(&self) -> Prepare {
        Arc::new(|image| Ok(PreparedImage { planes: vec![image.width() as f32] }))
    }

    fn encode(&self, images: &[PreparedImage]) -> Result<Vec<u32>, InferenceError> {
        if let Some(gate) = &self.gate {
            gate.pass(images.len());
        }
        Ok(images.iter().map(|image| image.planes[0] as u32).collect())
    }

    fn select(encoded: &Vec<u32>, images: &[usize]) -> Vec<u32> {
        images.iter().map(|&image| encoded[image]).collect()
    }

    fn search(&self, encoded: &Vec<u32>, options: &SearchOptions) -> Result<Vec<Vec<Caption>>, InferenceError> {
        let caption = |width: &u32| Caption {
            caption: format!("{} saw {width}.", self.info.id),
            score: -0.5,
            tokens: vec![1, 4, 2],
            log_probs: vec![-0.5; 3],
        };
        Ok(encoded.iter().map(|width| vec![caption(width); options.beam_size]).collect())
    }
}

/// Folders that hold a file `cursed` cannot be loaded, and with `enormous` they panic, as libtorch does for want of
/// memory; `slow` waits at the gate while it loads, `held` at every batch.
pub fn load(folders: &[PathBuf], gate: Option<&Arc<Gate>>) -> Result<Signing, String> {
    let members: Vec<String> = folders.iter().map(|folder| model_id(folder)).collect();
    if let Some(cursed) = folders.iter().find(|folder| folder.join("cursed").exists()) {
        return Err(format!("{}: the weights are cursed", cursed.join("model.safetensors").display()));
    }
    if folders.iter().any(|folder| folder.join("enormous").exists()) {
        panic!("out of memory");
    }
    let named = |name: &str| members.iter().any(|id| id == name);
    if let Some(gate) = gate
        && named("slow")
    {
        gate.pass(0);
    }
    let id = members.join("+");
    let info = ModelInfo {
        revision: format!("revision of {id}"),
        backbone: "none".to_owned(),
        image_size: 8,
        vocab_size: 10,
        parameters: 0,
        max_length: 20,
        device: "cpu".to_owned(),
        precision: "float32".to_owned(),
        id,
        members: members.clone(),
    };
    Ok(Signing { info, gate: gate.filter(|_| named("held")).cloned() })
}
