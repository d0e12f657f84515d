//! Whether a phase finds the features and weights that it takes of others.

use super::super::distillation::Teachers;
use super::super::failure::TrainError;
use super::super::features::{features_path, is_part};
use super::super::recipe::{Phase, each_origin};
use super::super::start::{Part, check_words, load_part, weights_of};
use super::{Check, Level};
use crate::checkpoint::Checkpoints;
use std::collections::BTreeSet;
use tch::nn::VarStore;

impl Check<'_> {
    /// What a phase takes of others must be there, or be made before it.
    pub(super) fn inputs(&mut self) {
        for (place, phase) in self.phases.clone().into_iter().enumerate() {
            if self.is_complete(phase) {
                continue;
            }
            let chosen = |name: &str| self.phases[..place].iter().any(|earlier| earlier.name() == name);
            let lacking = |name: &&str| !chosen(name) && !self.is_there(name);
            let lacking: BTreeSet<String> = self.taken(phase).into_iter().filter(lacking).map(str::to_owned).collect();
            for other in lacking {
                let message = format!(
                    "phase `{}` goes on with what `{other}` makes, which is neither there nor among the phases to run",
                    phase.name()
                );
                self.report.find(Level::Error, "weights", message);
            }
        }
    }

    /// The phases whose features and weights a phase has still to read.
    fn taken<'p>(&self, phase: &'p Phase) -> Vec<&'p str> {
        let weights = origins(phase, self.has_begun(phase)).into_iter().map(|(_, origin)| origin);
        let features = phase.training().and_then(|phase| phase.features.as_deref());
        weights.chain(features).filter(|origin| self.run.recipe.phase(origin).is_some()).collect()
    }

    /// Whether a phase has left something to go on with.
    fn is_there(&self, name: &str) -> bool {
        let folder = self.run.folder.path();
        match self.run.recipe.phase(name) {
            Some(Phase::Features(_)) => {
                features_path(folder, name).exists() && is_part(self.run, name).is_ok_and(|part| !part)
            }
            _ => Checkpoints::at(&folder.join(name), 1).all().is_ok_and(|saved| !saved.is_empty()),
        }
    }

    /// Tries the files that weights come from.
    pub(super) fn weights(&mut self, backbone: &VarStore, body: &VarStore) {
        let (run, mut tried) = (self.run, Vec::new());
        for phase in self.phases.clone() {
            if self.is_complete(phase) {
                continue;
            }
            for (part, origin) in origins(phase, self.has_begun(phase)) {
                if run.recipe.phase(origin).is_some() || tried.contains(&(part, origin)) {
                    continue;
                }
                tried.push((part, origin));
                let weights = weights_of(run.recipe, run.folder.path(), origin, part);
                let Some(weights) = self.report.value("weights", weights) else { continue };
                let store = if part == Part::Backbone { backbone } else { body };
                let fits = load_part(store, &weights, part, &run.config.backbone);
                let fits = fits.and_then(|_| if part == Part::Body { check_words(run, origin) } else { Ok(()) });
                self.report.value("weights", fits);
            }
        }
        self.teachers();
        let fresh =
            |phase: &&&Phase| phase.training().is_some_and(|phase| phase.end_to_end() && phase.backbone.is_none());
        if let Some(phase) = self.phases.iter().find(fresh) {
            let message = format!("phase `{}` begins with a backbone of random weights", phase.name());
            self.report.find(Level::Warning, "weights", message);
        }
    }

    /// What a begun phase learns of must be as it was then. What can't be read has been found already.
    fn teachers(&mut self) {
        for phase in self.phases.clone() {
            let Some(training) = phase.training().filter(|_| !self.is_complete(phase)) else { continue };
            let (Some(origins), Some(saved)) = (&training.teachers, self.progress(phase)) else { continue };
            let now = Teachers::digest_on_disk(self.run, training, origins);
            if now.is_ok_and(|now| saved.teachers.is_some_and(|pinned| pinned != now)) {
                let error = TrainError::OtherTeachers(training.name.clone());
                self.report.find(Level::Error, "weights", error.to_string());
            }
        }
    }
}

/// Where weights come from that a phase has still to read. One that has begun has its own, but asks its teachers again.
fn origins(phase: &Phase, begun: bool) -> Vec<(Part, &str)> {
    let start = |origin| Some(origin).filter(|_| !begun);
    let named = match phase {
        Phase::Features(phase) => vec![(Part::Backbone, start(phase.backbone.as_str()))],
        Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) => {
            let teachers = phase.teachers.as_deref();
            vec![
                (Part::Backbone, phase.backbone.as_deref().and_then(start)),
                (Part::Body, phase.body.as_deref().and_then(start)),
                (Part::Backbone, teachers.filter(|_| phase.end_to_end())),
                (Part::Body, teachers),
            ]
        }
    };
    let named = named.into_iter().filter_map(|(part, origins)| Some((part, origins?)));
    named.flat_map(|(part, origins)| each_origin(origins).map(move |origin| (part, origin))).collect()
}
