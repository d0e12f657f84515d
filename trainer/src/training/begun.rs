//! What may still become of a phase that was begun: longer, or shorter as far as it has not come; of the same features.

use super::failure::TrainError;
use super::made_of::MadeOf;
use super::recipe::{Phase, TrainingPhase, each_origin};
use super::run::Run;
use crate::checkpoint::Progress;
use crate::data::batches::batches_in;

impl Run<'_> {
    /// Whether nothing is left to do of a phase: it came to its end, and is not to be longer now.
    pub(super) fn is_complete(&self, phase: &TrainingPhase, saved: &Progress) -> bool {
        saved.finished && self.epochs_of(&phase.name, saved).is_none_or(|epochs| phase.epochs <= epochs)
    }

    /// The epochs that a phase was to have when this was saved.
    pub(super) fn epochs_of(&self, phase: &str, saved: &Progress) -> Option<u64> {
        // Once, the recipe's hash alone told them.
        let by_hash = || {
            let kept = self.kept_recipe();
            let mut recipes = [Some(self.recipe), kept.as_ref()].into_iter().flatten();
            let recipe = recipes.find(|recipe| recipe.is_of_phase(phase, &saved.recipe))?;
            recipe.phase(phase)?.training().map(|training| training.epochs)
        };
        saved.epochs.or_else(by_hash)
    }

    /// Refuses fewer epochs than a phase has come to, more of a backbone whose features are stored, and other features
    /// than it began with.
    ///
    /// # Errors
    /// [`TrainError::FewerEpochs`], [`TrainError::BackboneInUse`], [`TrainError::ChangedFeatures`].
    pub(super) fn check_what_is_left(&self, phase: &str, begun: &Progress) -> Result<(), TrainError> {
        let (Some(phase), Some(before)) = (self.recipe.phase(phase), self.epochs_of(phase, begun)) else {
            return Ok(());
        };
        let Some(training) = phase.training() else { return Ok(()) };
        let come_to = if begun.finished { before } else { epochs_begun(phase, begun).unwrap_or(before) };
        let (name, epochs) = (training.name.clone(), training.epochs);
        if epochs < before.min(come_to) {
            return Err(TrainError::FewerEpochs { phase: name, epochs, begun: come_to });
        }
        if self.is_complete(training, begun) {
            return Ok(());
        }
        if begun.finished
            && let Some(features) = self.stored_features_of(&name)?
        {
            return Err(TrainError::BackboneInUse { phase: name, features });
        }
        match (&begun.features, self.backbone_of_features(training)?, &training.features) {
            (Some(before), Some(now), Some(features)) if *before != now => {
                Err(TrainError::ChangedFeatures { phase: name, features: features.clone() })
            }
            _ => Ok(()),
        }
    }

    /// What the backbone of the features that a phase reads is known by; none where it reads none, or where nothing is
    /// written down beside them.
    pub(super) fn backbone_of_features(&self, phase: &TrainingPhase) -> Result<Option<String>, TrainError> {
        let Some(features) = &phase.features else { return Ok(None) };
        Ok(MadeOf::read(self.folder.path(), features)?.map(|made_of| made_of.backbone().to_owned()))
    }

    /// The first phase that has stored features of the backbone that this one trains.
    fn stored_features_of(&self, trained: &str) -> Result<Option<String>, TrainError> {
        for phase in &self.recipe.phases {
            if let Phase::Features(features) = phase
                && each_origin(&features.backbone).any(|origin| origin == trained)
                && MadeOf::read(self.folder.path(), &features.name)?.is_some()
            {
                return Ok(Some(features.name.clone()));
            }
        }
        Ok(None)
    }
}

/// Epochs that are done or under way; none where nothing tells how long one is.
fn epochs_begun(phase: &Phase, saved: &Progress) -> Option<u64> {
    let (training, items) = (phase.training()?, saved.items?);
    let grouped = matches!(phase, Phase::CrossEntropy(_)) && training.captions_per_image > 1;
    Some(saved.iteration.div_ceil(batches_in(items, training.batch_size, grouped).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Recipe;
    use crate::training::recipe::PAPER;

    #[test]
    fn an_epoch_that_has_begun_counts() {
        let begun = |settings: &[&str], iteration: u64| {
            let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
            let recipe = Recipe::parse(PAPER, &settings).expect("is one");
            let saved = Progress { iteration, items: Some(5), ..Progress::default() };
            epochs_begun(recipe.phase("xe").expect("is there"), &saved)
        };
        // Pairs of five make two batches, and a third of what is left over where captions are grouped.
        assert_eq!([2, 4, 5].map(|done| begun(&["xe.batch_size=2"], done)), [1, 2, 3].map(Some));
        let grouped = ["xe.batch_size=2", "xe.captions_per_image=5"];
        assert_eq!([3, 4, 6].map(|done| begun(&grouped, done)), [1, 2, 2].map(Some));
        assert_eq!(begun(&["xe.batch_size=9"], 4), Some(4), "no batch at all now");
    }
}
