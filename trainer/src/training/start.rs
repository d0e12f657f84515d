//! Where a phase's weights come from: files from elsewhere, or earlier phases, part by part.

use super::failure::TrainError;
use super::recipe::{CHECKPOINT, PRETRAINED, Recipe, each_origin};
use super::run::Run;
use crate::checkpoint::import::{is_derived, prefixed};
use crate::checkpoint::package::VOCABULARY;
use crate::checkpoint::{Checkpoints, NamedTensors, package, read_tensors};
use crate::model::{Backbone, BackboneConfig};
use crate::vocabulary::Vocabulary;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Kind, TchError, Tensor};

/// A part of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Images to features.
    Backbone,
    /// Features to words.
    Body,
}

impl Part {
    /// The names in messages.
    fn name(self) -> &'static str {
        match self {
            Part::Backbone => "backbone",
            Part::Body => "body",
        }
    }

    /// Whether a tensor of that name belongs to the part.
    fn has(self, name: &str, prefix: &str) -> bool {
        let of_backbone = name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        of_backbone == (self == Part::Backbone)
    }
}

/// What became of the tensors of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Variables filled.
    pub loaded: usize,
    /// Tensors of the part that the model has no place for.
    pub unused: Vec<String>,
}

/// The weights that `origin` means: `pretrained`, a file or folder after `checkpoint:`, or the best of a phase in
/// the run's folder; of several, their mean.
///
/// # Errors
/// When they can't be read.
pub fn weights_of(recipe: &Recipe, run: &Path, origins: &str, part: Part) -> Result<NamedTensors, TrainError> {
    let each = each_origin(origins).map(|origin| weights_of_one(recipe, run, origin, part));
    Ok(mean(each.collect::<Result<_, _>>()?)?)
}

/// The mean of those weights that all models have in the same shape, in float32; of one model, its own.
pub(super) fn mean(models: Vec<NamedTensors>) -> Result<NamedTensors, TchError> {
    let mut models = models.into_iter();
    let mut mean = models.next().unwrap_or_default();
    let others: Vec<NamedTensors> = models.collect();
    if others.is_empty() {
        return Ok(mean);
    }
    let shape = |tensor: &Tensor| tensor.size();
    mean.retain(|name, tensor| others.iter().all(|other| other.get(name).map(shape) == Some(tensor.size())));
    for (name, tensor) in mean.iter_mut().filter(|(_, tensor)| tensor.is_floating_point()) {
        let mut sum = tensor.f_to_kind(Kind::Double)?;
        for other in &others {
            sum = sum.f_add(&other[name].f_to_kind(Kind::Double)?)?;
        }
        *tensor = sum.f_div_scalar((others.len() + 1) as f64)?.f_to_kind(Kind::Float)?;
    }
    Ok(mean)
}

/// Refuses bodies that were trained on other words than the run's, where their words lie beside them: each word would
/// stand for another, and no shape shows it.
///
/// # Errors
/// Those, and words that can't be read.
pub(super) fn check_words(run: &Run, origins: &str) -> Result<(), TrainError> {
    each_origin(origins).try_for_each(|origin| {
        let place = place_of(run.recipe, run.folder.path(), origin, Part::Body)?;
        match words_at(&place)? {
            Some(words) if words != run.vocabulary => Err(TrainError::StrangeWords(origin.to_owned())),
            _ => Ok(()),
        }
    })
}

/// The words beside weights: in their folder, or, of a checkpoint's folder, in the one around it.
fn words_at(place: &Path) -> Result<Option<Vocabulary>, TrainError> {
    let folder = if place.is_dir() { Some(place) } else { place.parent() };
    let name = folder.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let around = if name.starts_with("state-") || name.starts_with("best-") { 1 } else { 0 };
    let folders = folder.into_iter().flat_map(|folder| folder.ancestors().take(1 + around));
    let files = folders.map(|folder| folder.join(VOCABULARY));
    Ok(files.into_iter().find(|file| file.is_file()).map(|file| Vocabulary::read(&file)).transpose()?)
}

/// The file or folder that one origin means.
fn place_of(recipe: &Recipe, run: &Path, origin: &str, part: Part) -> Result<PathBuf, TrainError> {
    let given = match (origin.strip_prefix(CHECKPOINT), part) {
        (Some(path), _) => Some(PathBuf::from(path)),
        (None, _) if origin != PRETRAINED => Some(run.join(origin)),
        (None, Part::Backbone) => recipe.weights.backbone.clone(),
        (None, Part::Body) => recipe.weights.body.clone(),
    };
    given.ok_or_else(|| TrainError::NotTrained(format!("weights.{}", part.name())))
}

fn weights_of_one(recipe: &Recipe, run: &Path, origin: &str, part: Part) -> Result<NamedTensors, TrainError> {
    let path = place_of(recipe, run, origin, part)?;
    if origin != PRETRAINED && !origin.starts_with(CHECKPOINT) {
        let weights = Checkpoints::at(&path, 1).best_model()?;
        return weights.ok_or_else(|| TrainError::NotTrained(origin.to_owned()));
    }
    // A folder is a checkpoint of a run, or a model.
    let path = if path.is_dir() { path.join(package::WEIGHTS) } else { path };
    let mut tensors = read_tensors(&path)?;
    if part == Part::Backbone && !tensors.keys().any(|name| name == "vocab_linear.weight") {
        tensors = prefixed(tensors);
    }
    tensors.retain(|name, _| !is_derived(name));
    Ok(tensors)
}

/// Those of the tensors that are the backbone's.
pub(super) fn backbone_alone(mut tensors: NamedTensors, backbone: &BackboneConfig) -> NamedTensors {
    let prefix = format!("{}.", Backbone::prefix(backbone));
    tensors.retain(|name, _| name.starts_with(&prefix));
    tensors
}

/// Fills the variables of one part; those of the other are left alone.
///
/// # Errors
/// When a variable has no tensor, or one of another shape; some may have been filled by then.
pub fn load_part(
    store: &VarStore,
    tensors: &NamedTensors,
    part: Part,
    backbone: &BackboneConfig,
) -> Result<Account, TrainError> {
    let prefix = Backbone::prefix(backbone);
    let mut missing = Vec::new();
    let mut account = Account::default();
    let variables = store.variables();
    for (name, variable) in &variables {
        if !part.has(name, prefix) {
            continue;
        }
        match tensors.get(name).filter(|tensor| tensor.size() == variable.size()) {
            Some(tensor) => {
                tch::no_grad(|| variable.shallow_clone().f_copy_(tensor))?;
                account.loaded += 1;
            }
            None => missing.push(name.clone()),
        }
    }
    let unused = tensors.keys().filter(|name| part.has(name, prefix) && !variables.contains_key(*name));
    account.unused = unused.cloned().collect();
    match missing.is_empty() {
        true => Ok(account),
        false => {
            missing.sort();
            Err(TrainError::MissingWeights { part: part.name(), names: missing })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EfficientNetLite;
    use tch::Device;

    #[test]
    fn each_part_is_loaded_and_accounted_for_on_its_own() {
        let store = VarStore::new(Device::Cpu);
        let backbone = (store.root() / "efficientnet").zeros("w", &[2]);
        let body = store.root().zeros("v", &[2]);
        let config = BackboneConfig::EfficientNetLite(EfficientNetLite::Lite0);
        let ones = || Tensor::ones([2], (Kind::Float, Device::Cpu));
        let tensors = NamedTensors::from([
            ("efficientnet.w".to_owned(), ones()),
            ("efficientnet.extra".to_owned(), ones()),
            ("v".to_owned(), ones() * 2.),
        ]);
        let account = load_part(&store, &tensors, Part::Backbone, &config).expect("all there");
        assert_eq!(account, Account { loaded: 1, unused: vec!["efficientnet.extra".to_owned()] });
        assert_eq!((backbone.double_value(&[0]), body.double_value(&[0])), (1., 0.));

        let error = load_part(&store, &NamedTensors::new(), Part::Body, &config).expect_err("v is missing");
        assert!(error.to_string().contains("body") && error.to_string().ends_with("v"), "{error}");
    }

    #[test]
    fn the_mean_is_of_what_all_have() {
        let model = |a: &[f32], b: &[f32]| {
            NamedTensors::from([("a".to_owned(), Tensor::from_slice(a)), ("b".to_owned(), Tensor::from_slice(b))])
        };
        let of_three = mean(vec![model(&[1., 2.], &[1.]), model(&[2., 4.], &[1., 1.]), model(&[6., 0.], &[1.])]);
        let of_three = of_three.expect("numbers");
        assert_eq!(of_three.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(of_three["a"], Tensor::from_slice(&[3f32, 2.]));
        let halves = [1f32, 1. + 1. / 1024.]
            .map(|value| NamedTensors::from([("a".to_owned(), Tensor::from_slice(&[value]).to_kind(Kind::Half))]));
        assert_eq!(mean(halves.into()).expect("numbers")["a"], Tensor::from_slice(&[1f32 + 1. / 2048.]));
        assert_eq!(mean(vec![model(&[1., 2.], &[1.])]).expect("numbers")["b"], Tensor::from_slice(&[1f32]));
    }
}
