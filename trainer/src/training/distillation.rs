//! Distillation (Hinton et al., 2015): beside what people wrote, a phase learns what other models would say there.
//!
//! Of a photo with a handful of captions these are a few of many sentences that would do. The votes of trained models,
//! together better than each, tell which other words would: a softer target, which is harder to know by heart.

use super::network::Network;
use super::recipe::{CHECKPOINT, TrainingPhase, each_origin};
use super::run::{Run, TrainError};
use super::start::{Part, load_part, weights_of};
use super::teacher_forcing::Captions;
use crate::checkpoint::package::VOCABULARY;
use crate::data::Inputs;
use crate::model::layers::project;
use crate::vocabulary::Vocabulary;
use std::path::Path;
use tch::nn::{Linear, VarStore};
use tch::{Kind, Tensor};

/// Models that are asked, and not trained.
pub(super) struct Teachers {
    networks: Vec<Network>,
    weight: f64,
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
        let networks = each_origin(origins).map(|origin| teacher(run, phase, origin));
        Ok(Some(Teachers { networks: networks.collect::<Result<_, _>>()?, weight: phase.teachers_weight }))
    }

    /// As many with fresh weights, to see how long it takes to ask them.
    pub fn untrained(run: &Run, phase: &TrainingPhase) -> Option<Self> {
        let fresh = |_| Network::of_phase(&VarStore::new(run.device).root(), &run.config, phase).for_inference();
        let networks = each_origin(phase.teachers.as_ref()?).map(fresh).collect();
        Some(Teachers { networks, weight: phase.teachers_weight })
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

fn teacher(run: &Run, phase: &TrainingPhase, origin: &str) -> Result<Network, TrainError> {
    if words_of(origin)?.is_some_and(|words| words != run.vocabulary) {
        return Err(TrainError::TeacherOfOtherWords(origin.to_owned()));
    }
    let store = VarStore::new(run.device);
    let network = Network::of_phase(&store.root(), &run.config, phase);
    let parts: &[Part] = if phase.end_to_end() { &[Part::Backbone, Part::Body] } else { &[Part::Body] };
    for &part in parts {
        let weights = weights_of(run.recipe, run.folder.path(), origin, part)?;
        load_part(&store, &weights, part, &run.config.backbone)?;
    }
    Ok(network.for_inference())
}

/// The words of a model or checkpoint from elsewhere, where they lie beside it: a student would learn in silence to say
/// others.
fn words_of(origin: &str) -> Result<Option<Vocabulary>, TrainError> {
    let Some(path) = origin.strip_prefix(CHECKPOINT).map(Path::new) else { return Ok(None) };
    let beside = [Some(path), path.parent()].into_iter().flatten().map(|folder| folder.join(VOCABULARY));
    Ok(beside.into_iter().find(|file| file.is_file()).map(|file| Vocabulary::read(&file)).transpose()?)
}

impl SoftTargets<'_> {
    /// The mean of the probabilities that they give to each word, at `rows` places from `start` on: `[rows, V]`.
    pub fn probabilities(&self, start: i64, rows: i64) -> Tensor {
        let vote =
            |(states, last): &(Tensor, &Linear)| project(last, &states.narrow(0, start, rows)).softmax(-1, Kind::Float);
        self.states.iter().map(vote).sum::<Tensor>() / self.states.len().max(1) as f64
    }
}
