//! What a phase's features were made of, kept beside them: others may neither be mixed in, nor be taken for them.

use super::folder::write_whole;
use super::recipe::FeaturesPhase;
use super::run::TrainError;
use crate::checkpoint::NamedTensors;
use crate::checkpoint::tensors::digest;
use crate::data::augmentation::Variety;
use crate::model::ModelConfig;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

const FILE: &str = "made-of.json";

/// Written down before the first features are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MadeOf {
    /// SHA-256 (hex) of the backbone's weights.
    backbone: String,
    /// Side of the images.
    image_size: i64,
    /// How views vary, where there are others than the plain one.
    variety: Option<Variety>,
}

impl MadeOf {
    /// What the phase makes its features of, with these weights of a backbone alone.
    pub fn by(phase: &FeaturesPhase, weights: &NamedTensors, config: &ModelConfig) -> Result<Self, TrainError> {
        let variety = (phase.views > 1).then(|| phase.variety());
        Ok(MadeOf { backbone: digest(weights)?, image_size: config.image_size, variety })
    }

    /// As it stands beside the features of a run; none where nothing was written down.
    pub fn read(run: &Path, phase: &str) -> Result<Option<Self>, TrainError> {
        let path = run.join(phase).join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let read = || io::Result::Ok(serde_json::from_slice(&std::fs::read(&path)?)?);
        read().map(Some).map_err(|source| TrainError::Io { path: path.clone(), source })
    }

    /// Writes it beside the features, unless those that lie there already were made of something else.
    pub fn keep(mut self, run: &Path, phase: &str) -> Result<(), TrainError> {
        if let Some(stored) = MadeOf::read(run, phase)? {
            if stored.backbone != self.backbone || !stored.is_of(self.image_size, self.variety) {
                return Err(TrainError::OtherRecipe(phase.to_owned()));
            }
            self.variety = self.variety.or(stored.variety);
        }
        write_whole(&run.join(phase).join(FILE), serde_json::to_vec(&self).map_err(io::Error::from))
    }

    /// Whether the backbone was this one.
    pub fn is_by(&self, weights: &NamedTensors) -> Result<bool, TrainError> {
        Ok(self.backbone == digest(weights)?)
    }

    /// Whether images of this size were seen, and varied so, where both are of varied ones.
    pub fn is_of(&self, image_size: i64, variety: Option<Variety>) -> bool {
        let alike = self.variety.is_none() || variety.is_none() || self.variety == variety;
        self.image_size == image_size && alike
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(backbone: &str, image_size: i64, smallest_crop: Option<f64>) -> MadeOf {
        let variety = smallest_crop.map(|smallest_crop| Variety { smallest_crop, ..Variety::default() });
        MadeOf { backbone: backbone.to_owned(), image_size, variety }
    }

    #[test]
    fn what_was_begun_goes_on_with_the_same_or_with_views_beside_the_plain_one() {
        let run = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(run.path().join("features")).expect("made");
        let keep = |made_of: MadeOf| made_of.keep(run.path(), "features");
        keep(made_of("a", 288, None)).expect("nothing is there");
        keep(made_of("a", 288, None)).expect("the same");
        assert!(matches!(keep(made_of("b", 288, None)), Err(TrainError::OtherRecipe(_))));
        assert!(matches!(keep(made_of("a", 260, None)), Err(TrainError::OtherRecipe(_))));
        keep(made_of("a", 288, Some(0.8))).expect("views come to the plain one");
        assert!(matches!(keep(made_of("a", 288, Some(0.7))), Err(TrainError::OtherRecipe(_))));
        keep(made_of("a", 288, None)).expect("views are passed over");
        let kept = MadeOf::read(run.path(), "features").expect("readable");
        assert_eq!(kept, Some(made_of("a", 288, Some(0.8))), "and not forgotten");
    }
}
