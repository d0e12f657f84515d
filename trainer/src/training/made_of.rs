//! What a phase's features were made of, kept beside them: others may neither be mixed in, nor be taken for them.

use super::failure::TrainError;
use super::folder::write_whole;
use super::recipe::FeaturesPhase;
use super::start::backbone_alone;
use crate::checkpoint::tensors::digest;
use crate::checkpoint::{NamedTensors, package};
use crate::data::augmentation::Variety;
use crate::model::ModelConfig;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use tch::{Kind, TchError, Tensor};

const FILE: &str = "made-of.json";

/// Written down before the first features are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MadeOf {
    /// SHA-256 (hex) of the backbone's weights.
    backbone: String,
    /// The same of those weights in float16, as a model folder of half the size has them; former versions kept none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rounded: Option<String>,
    /// Side of the images.
    image_size: i64,
    /// How views vary, where there are others than the plain one.
    variety: Option<Variety>,
}

impl MadeOf {
    /// What the phase makes its features of, with these weights of a backbone alone.
    pub fn by(phase: &FeaturesPhase, weights: &NamedTensors, config: &ModelConfig) -> Result<Self, TrainError> {
        let (backbone, rounded) = (digest(weights)?, Some(digest(&in_float16(weights)?)?));
        let variety = (phase.views > 1).then(|| phase.variety());
        Ok(MadeOf { backbone, rounded, image_size: config.image_size, variety })
    }

    /// As it stands beside the features of a run; none where nothing was written down.
    pub fn read(run: &Path, phase: &str) -> Result<Option<Self>, TrainError> {
        MadeOf::beside(&run.join(phase))
    }

    /// As it stands in a folder.
    fn beside(folder: &Path) -> Result<Option<Self>, TrainError> {
        let path = folder.join(FILE);
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
                return Err(TrainError::OtherFeatures(phase.to_owned()));
            }
            self.variety = self.variety.or(stored.variety);
        }
        write_whole(&run.join(phase).join(FILE), serde_json::to_vec(&self).map_err(io::Error::from))
    }

    /// SHA-256 (hex) of the backbone's weights.
    pub fn backbone(&self) -> &str {
        &self.backbone
    }

    /// Whether the backbone was this one.
    pub fn is_by(&self, weights: &NamedTensors) -> Result<bool, TrainError> {
        Ok(self.backbone == digest(weights)?)
    }

    /// Whether the backbone may have been that of a model folder, which may have rounded it.
    fn may_be_by(&self, weights: &NamedTensors) -> Result<bool, TrainError> {
        let found = digest(weights)?;
        Ok(match &self.rounded {
            _ if found == self.backbone => true,
            Some(rounded) => &found == rounded,
            // Weights that have been rounded can't be told from those of another backbone then.
            None => found == digest(&in_float16(weights)?)?,
        })
    }

    /// Whether images of this size were seen, and varied so, where both are of varied ones.
    pub fn is_of(&self, image_size: i64, variety: Option<Variety>) -> bool {
        let alike = self.variety.is_none() || variety.is_none() || self.variety == variety;
        self.image_size == image_size && alike
    }
}

/// Why a model cannot read features that are there already.
#[derive(Debug, thiserror::Error)]
pub enum ForeignFeatures {
    /// Its backbone is another one than theirs.
    #[error(
        "{features} was made by another backbone than that of the model {model}, which would take the photos for \
         others: name a model with the backbone that made it, or store the features anew"
    )]
    Backbone {
        /// The file of features.
        features: PathBuf,
        /// The model's folder.
        model: PathBuf,
    },
    /// It sees photos of another size.
    #[error(
        "{features} was made of photos of {stored} x {stored} pixels, and the model {model} sees {wanted} x {wanted}: \
         store the features anew"
    )]
    Size {
        /// The file of features.
        features: PathBuf,
        /// Side of the photos.
        stored: i64,
        /// The model's folder.
        model: PathBuf,
        /// Side of the photos that it sees.
        wanted: i64,
    },
    /// What is written down beside the features, or the model, can't be read.
    #[error(transparent)]
    Unreadable(#[from] TrainError),
}

/// Refuses a file of features to the model of a folder, by what the phase that stored them has written down beside
/// them. Where nothing is written down, nothing is known against them.
///
/// # Errors
/// When another backbone made them or they are of photos of another size, or it can't be told for want of a file.
pub fn check_features(features: &Path, model: &Path) -> Result<(), ForeignFeatures> {
    // A link's target is what lies beside the rest.
    let file = features.canonicalize().unwrap_or_else(|_| features.to_owned());
    let Some(made_of) = MadeOf::beside(file.parent().unwrap_or(Path::new("")))? else { return Ok(()) };
    let (config, weights) = package::weights(model).map_err(TrainError::from)?;
    let (features, model) = (features.to_owned(), model.to_owned());
    if !made_of.is_of(config.image_size, None) {
        return Err(ForeignFeatures::Size { features, stored: made_of.image_size, model, wanted: config.image_size });
    }
    match made_of.may_be_by(&backbone_alone(weights, &config.backbone))? {
        true => Ok(()),
        false => Err(ForeignFeatures::Backbone { features, model }),
    }
}

/// Weights as a model folder of half the size gives them back.
fn in_float16(weights: &NamedTensors) -> Result<NamedTensors, TchError> {
    let narrowed = |tensor: &Tensor| match tensor.kind() {
        Kind::Float => tensor.f_to_kind(Kind::Half)?.f_to_kind(Kind::Float),
        _ => Ok(tensor.shallow_clone()),
    };
    weights.iter().map(|(name, tensor)| Ok((name.clone(), narrowed(tensor)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(backbone: &str, image_size: i64, smallest_crop: Option<f64>) -> MadeOf {
        let variety = smallest_crop.map(|smallest_crop| Variety { smallest_crop, ..Variety::default() });
        MadeOf { backbone: backbone.to_owned(), rounded: None, image_size, variety }
    }

    #[test]
    fn a_backbone_is_known_again_when_it_was_rounded() {
        let weights = |value: f32| NamedTensors::from([("efficientnet.w".to_owned(), Tensor::from_slice(&[value]))]);
        let hash = |weights: &NamedTensors| digest(weights).expect("numbers");
        let (whole, half) = (weights(0.1), in_float16(&weights(0.1)).expect("numbers"));
        assert_ne!(hash(&whole), hash(&half));
        let kept = MadeOf { rounded: Some(hash(&half)), ..made_of(&hash(&whole), 288, None) };
        let of_former_version = MadeOf { rounded: None, ..kept.clone() };
        let others = [whole, half, weights(0.2), weights(0.5)];
        let known = |made_of: &MadeOf| others.each_ref().map(|weights| made_of.may_be_by(weights).expect("numbers"));
        assert_eq!(known(&kept), [true, true, false, false]);
        assert_eq!(known(&of_former_version), [true, true, false, true], "0.5 is the same in float16");
    }

    #[test]
    fn what_was_begun_goes_on_with_the_same_or_with_views_beside_the_plain_one() {
        let run = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(run.path().join("features")).expect("made");
        let keep = |made_of: MadeOf| made_of.keep(run.path(), "features");
        keep(made_of("a", 288, None)).expect("nothing is there");
        keep(made_of("a", 288, None)).expect("the same");
        assert!(matches!(keep(made_of("b", 288, None)), Err(TrainError::OtherFeatures(_))));
        assert!(matches!(keep(made_of("a", 260, None)), Err(TrainError::OtherFeatures(_))));
        keep(made_of("a", 288, Some(0.8))).expect("views come to the plain one");
        assert!(matches!(keep(made_of("a", 288, Some(0.7))), Err(TrainError::OtherFeatures(_))));
        keep(made_of("a", 288, None)).expect("views are passed over");
        let kept = MadeOf::read(run.path(), "features").expect("readable");
        assert_eq!(kept, Some(made_of("a", 288, Some(0.8))), "and not forgotten");
    }
}
