//! Distillation (Hinton et al., 2015): beside what people wrote, a phase learns what other models would say there.
//!
//! Of a photo with a handful of captions these are a few of many sentences that would do. The votes of trained models,
//! together better than each, tell which other words would: a softer target, which is harder to know by heart.

use super::failure::TrainError;
use super::network::Network;
use super::recipe::{TrainingPhase, each_origin};
use super::run::Run;
use super::start::{Part, check_words, load_part, weights_of};
use super::teacher_forcing::Captions;
use crate::checkpoint::tensors::digest;
use crate::data::Inputs;
use crate::model::layers::project;
use tch::nn::{Linear, VarStore};
use tch::{Kind, Tensor};

/// Models that are asked, and not trained.
pub(super) struct Teachers {
    networks: Vec<Network>,
    weight: f64,
    digest: String,
}

/// What teachers would say at each word that is scored.
pub(super) struct SoftTargets<'a> {
    /// Their share of the target.
    pub weight: f64,
    /// Of each teacher, what its last layer reads, `[words, d_model]`, and that layer.
    pub states: Vec<(Tensor, &'a Linear)>,
}

impl Teachers {
    /// Those that a phase names, of the same sizes as what it trains; none if it names none.
    ///
    /// # Errors
    /// When weights can't be read or do not fit.
    pub fn of(run: &Run, phase: &TrainingPhase) -> Result<Option<Self>, TrainError> {
        let Some(origins) = &phase.teachers else { return Ok(None) };
        let mut teachers = Teachers { networks: Vec::new(), weight: phase.teachers_weight, digest: String::new() };
        for origin in each_origin(origins) {
            let (network, digests) = teacher(run, phase, origin)?;
            teachers.networks.push(network);
            teachers.digest += &digests;
        }
        Ok(Some(teachers))
    }

    /// What the digest of those that a phase names would be, by their weights on disk.
    ///
    /// # Errors
    /// When weights can't be read.
    pub fn digest_on_disk(run: &Run, phase: &TrainingPhase, origins: &str) -> Result<String, TrainError> {
        let mut digests = String::new();
        for origin in each_origin(origins) {
            for &part in parts(phase) {
                digests += &digest(&weights_of(run.recipe, run.folder.path(), origin, part)?)?;
            }
        }
        Ok(digests)
    }

    /// As many with fresh weights, to see how long it takes to ask them.
    pub fn untrained(run: &Run, phase: &TrainingPhase) -> Option<Self> {
        let fresh = |_| Network::of_phase(&VarStore::new(run.device).root(), &run.config, phase).for_inference();
        let networks = each_origin(phase.teachers.as_ref()?).map(fresh).collect();
        Some(Teachers { networks, weight: phase.teachers_weight, digest: String::new() })
    }

    /// SHA-256 (hex) of their weights, one after another.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What they would say at each word of these captions, over the same views of the images.
    pub fn soft_targets(&self, inputs: &Inputs, captions: &Captions) -> SoftTargets<'_> {
        let states = |network| {
            let encoded = Network::encode(network, inputs, false);
            (captions.decode(network, &encoded, false).states, &network.decoder().vocab_linear)
        };
        SoftTargets { weight: self.weight, states: tch::no_grad(|| self.networks.iter().map(states).collect()) }
    }
}

/// What is read of a teacher.
fn parts(phase: &TrainingPhase) -> &'static [Part] {
    if phase.end_to_end() { &[Part::Backbone, Part::Body] } else { &[Part::Body] }
}

/// One of them, and the digest of each of its parts.
fn teacher(run: &Run, phase: &TrainingPhase, origin: &str) -> Result<(Network, String), TrainError> {
    check_words(run, origin)?;
    let store = VarStore::new(run.device);
    let network = Network::of_phase(&store.root(), &run.config, phase);
    let mut digests = String::new();
    for &part in parts(phase) {
        let weights = weights_of(run.recipe, run.folder.path(), origin, part)?;
        load_part(&store, &weights, part, &run.config.backbone)?;
        digests += &digest(&weights)?;
    }
    Ok((network.for_inference(), digests))
}

impl SoftTargets<'_> {
    /// The mean of the probabilities that they give to each word, at `rows` places from `start` on: `[rows, V]`.
    pub fn probabilities(&self, start: i64, rows: i64) -> Tensor {
        let vote =
            |(states, last): &(Tensor, &Linear)| project(last, &states.narrow(0, start, rows)).softmax(-1, Kind::Float);
        self.states.iter().map(vote).sum::<Tensor>() / self.states.len().max(1) as f64
    }
}
