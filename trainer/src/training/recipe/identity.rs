//! What a phase that was begun must go on with: hashes of recipes, and what differs between two.

use super::{Phase, Recipe};
use crate::data::augmentation::Views;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::PathBuf;

impl Recipe {
    /// SHA-256 (hex) of everything in the recipe.
    pub fn hash(&self) -> String {
        sha256(&toml::to_string(self).unwrap_or_default())
    }

    /// What a phase that was begun must go on with, as a hash: the recipe with this phase alone, and how many views of
    /// its images it sees. Later phases may still be changed, and so may what no weight depends on, where files lie,
    /// and how many epochs there are.
    pub fn phase_hash(&self, name: &str) -> String {
        self.clone().anywhere(name).of_any_length().phase_hash_here(name)
    }

    /// Whether a phase was begun with this recipe, by the hash in its progress.
    pub(in crate::training) fn is_of_phase(&self, name: &str, hash: &str) -> bool {
        // Once, epochs counted, and before that paths as well.
        let once = || self.clone().anywhere(name).phase_hash_here(name) == hash;
        self.phase_hash(name) == hash || once() || self.phase_hash_here(name) == hash
    }

    /// The keys of a phase, and of what all phases share, whose values differ in the other recipe.
    pub(in crate::training) fn differing_keys(&self, other: &Recipe, phase: &str) -> Vec<String> {
        let values = |recipe: &Recipe| {
            let mut values =
                serde_json::to_value(recipe.clone().anywhere(phase).of_any_length().alone(phase)).unwrap_or_default();
            let phases = values["phase"].take();
            values[phase] = phases.get(0).cloned().unwrap_or_default();
            values
        };
        let mut keys = Vec::new();
        compare(&values(self), &values(other), String::new(), &mut keys);
        let views = |recipe: &Recipe| recipe.phase(phase).and_then(Phase::training).map(|phase| recipe.views_of(phase));
        if views(self) != views(other)
            && let Some(features) =
                self.phase(phase).and_then(Phase::training).and_then(|phase| phase.features.as_ref())
        {
            keys.push(format!("{features}.views"));
        }
        keys
    }

    fn phase_hash_here(&self, name: &str) -> String {
        let alone = self.clone().alone(name);
        match self.phase(name).and_then(Phase::training).map(|phase| self.views_of(phase)) {
            Some(Views::Stored(views)) => sha256(&format!("{} {views}", alone.hash())),
            _ => alone.hash(),
        }
    }

    /// Without where files lie. Words are compared on their own, and so is how many items there are to learn of; other
    /// captions are for a phase that sees them.
    fn anywhere(mut self, phase: &str) -> Self {
        let sees_captions = self.phase(phase).is_some_and(Phase::sees_captions);
        self.data.captions.take_if(|_| !sees_captions);
        self.model.vocab_size = None;
        self.change_paths(|_| PathBuf::new());
        self
    }

    /// Without how many epochs there are: what an iteration does is the same of more of them.
    fn of_any_length(mut self) -> Self {
        for phase in &mut self.phases {
            if let Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) = phase {
                phase.epochs = 0; // as in no recipe, so that no former hash is the same
            }
        }
        self
    }

    /// With this phase alone, and what no weight depends on at its default.
    fn alone(mut self, name: &str) -> Self {
        self.phases.retain(|phase| phase.name() == name);
        for phase in &mut self.phases {
            if let Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) = phase {
                phase.forget_upkeep();
            }
        }
        self
    }
}

/// Adds the keys at which two values differ, those of tables inside with dots.
fn compare(one: &Value, other: &Value, key: String, differing: &mut Vec<String>) {
    let (Some(first), Some(second)) = (one.as_object(), other.as_object()) else {
        if one != other {
            differing.push(key);
        }
        return;
    };
    let all: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    for inner in all {
        let of = |table: &Map<String, Value>| table.get(inner).cloned().unwrap_or_default();
        let key = if key.is_empty() { inner.clone() } else { format!("{key}.{inner}") };
        compare(&of(first), &of(second), key, differing);
    }
}

/// In hex.
fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::recipe::PAPER;

    #[test]
    fn where_files_lie_is_no_part_of_what_a_phase_began_with() {
        let with = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            Recipe::parse(PAPER, &settings).expect("is one")
        };
        let plain = with(&[]);
        let moved = with(&["data.images=/elsewhere", "data.dataset=/elsewhere/d.json", "data.captions=/c.json"]);
        assert_eq!(moved.phase_hash("xe"), plain.phase_hash("xe"));
        let once = plain.phase_hash_here("xe");
        assert!(plain.is_of_phase("xe", &once) && !moved.is_of_phase("xe", &once), "paths counted once");
        let longer = with(&["xe.epochs=99"]);
        assert_eq!(longer.phase_hash("xe"), plain.phase_hash("xe"));
        assert!(plain.differing_keys(&longer, "xe").is_empty());
        let later = plain.clone().anywhere("xe").phase_hash_here("xe");
        assert!(moved.is_of_phase("xe", &later) && !longer.is_of_phase("xe", &later), "epochs counted later");
        assert_eq!(with(&["model.vocab_size=50"]).phase_hash("xe"), plain.phase_hash("xe"), "words are compared");
        let other =
            with(&["xe.learning_rate=1", "data.images=/elsewhere", "seed=3", "scst.epochs=9", "xe.keep_checkpoints=9"]);
        assert_ne!(other.phase_hash("xe"), plain.phase_hash("xe"));
        assert_eq!(plain.differing_keys(&other, "xe"), ["seed", "xe.learning_rate"]);
        assert!(moved.with_absolute_paths().weights.backbone.is_some_and(|path| path.is_absolute()));
    }
}
