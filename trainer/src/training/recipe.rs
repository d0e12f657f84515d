//! A recipe: a dataset, a model, and the phases that train it, as data.

mod culprit;
pub mod fields;
mod identity;
mod overrides;
mod phases;
mod validate;

pub use phases::{FeaturesPhase, Phase, PhaseDropouts, TrainingPhase};

use crate::data::augmentation::Views;
use crate::model::config::ConfigFile;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::path::{Path, PathBuf};

/// The paper's recipe, as it lies in `recipes/paper.toml`.
pub const PAPER: &str = include_str!("../../../recipes/paper.toml");
/// `backbone` or `body` of a phase that starts from the files under `[weights]`.
pub const PRETRAINED: &str = "pretrained";
/// What a run goes on with, in its folder.
pub const FILE: &str = "recipe.toml";

/// `backbone` or `body` of a phase that starts from a file (the original's `.pth`, or safetensors), a checkpoint's
/// folder or a model folder: this, and its path.
pub const CHECKPOINT: &str = "checkpoint:";

/// Between several origins of weights.
const TOGETHER: &str = " + ";

/// The origins of weights (or phases, for [`super::package_checkpoint`]) that are named together: mostly one.
pub fn each_origin(origins: &str) -> impl Iterator<Item = &str> {
    origins.split(TOGETHER).map(str::trim)
}

/// What is trained, on what, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Everything that is random follows from it.
    pub seed: u64,
    /// What the model is trained on.
    pub data: DataSection,
    /// Weights from elsewhere.
    #[serde(default)]
    pub weights: WeightsSection,
    /// The sizes of the model; those of the vocabulary come from the captions.
    pub model: ConfigFile,
    /// What is done, in this order.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
}

/// Images and captions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// Captions, in Karpathy's layout.
    pub dataset: PathBuf,
    /// Folder of the images.
    pub images: PathBuf,
    /// More captions, in the same layout and of other images, for phases that see captions alone; those of its `val`
    /// and `test` are left out. By default the dataset's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<PathBuf>,
    /// Words; by default those of the training captions.
    #[serde(default)]
    pub vocabulary: Option<PathBuf>,
    /// Rarer words are `UNK`.
    #[serde(default = "five")]
    pub min_occurrences: usize,
}

fn five() -> usize {
    5
}

/// Files that `pretrained` means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsSection {
    /// Of the backbone.
    #[serde(default)]
    pub backbone: Option<PathBuf>,
    /// Of the body.
    #[serde(default)]
    pub body: Option<PathBuf>,
}

/// Why a recipe can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no recipe.
    #[error("the recipe can't be read: {0}")]
    Format(String),
    /// A value that was set is none, or has no place.
    #[error("--set {setting}: {reason}")]
    Set {
        /// What was to be set.
        setting: String,
        /// Why it can't be.
        reason: String,
    },
    /// A value is out of range.
    #[error("{key} {must}")]
    Invalid {
        /// The key, after its phase.
        key: String,
        /// What is allowed.
        must: String,
    },
}

impl Recipe {
    /// Reads a recipe file, with some `key=value` set.
    ///
    /// # Errors
    /// When the file can't be read, or see [`Recipe::parse`].
    pub fn read(path: &Path, settings: &[String]) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path).map_err(|source| RecipeError::Io { path: path.to_owned(), source })?;
        Self::parse(&text, settings)
    }

    /// Reads a recipe with some `key=value` set: `seed=1`, `data.images=/photos`, `xe.batch_size=32`.
    ///
    /// # Errors
    /// When the text is no recipe, or a value is not allowed; the error names the key.
    pub fn parse(text: &str, settings: &[String]) -> Result<Self, RecipeError> {
        let mut table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| RecipeError::Format(error.to_string()))?;
        for setting in settings {
            overrides::set(&mut table, setting)?;
        }
        let recipe: Recipe = table.clone().try_into().map_err(|error: toml::de::Error| {
            let message = error.message();
            RecipeError::Format(match culprit::key_of(&table, message) {
                Some(key) => format!("{key}: {message}"),
                None => message.to_owned(),
            })
        })?;
        only_sizes(&table, &recipe.model)?;
        validate::validate(&recipe)?;
        Ok(recipe)
    }

    /// The phase of that name.
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name() == name)
    }

    /// Gives every path after `checkpoint:` to `change`, with the key that it stands at, and puts what comes of it there.
    ///
    /// # Errors
    /// The first of `change`; paths before it are changed already.
    pub fn change_checkpoints<E>(
        &mut self,
        mut change: impl FnMut(&str, &Path) -> Result<PathBuf, E>,
    ) -> Result<(), E> {
        for phase in &mut self.phases {
            let name = phase.name().to_owned();
            for (key, origins) in phase.origins_mut() {
                let key = format!("{name}.{key}");
                let changed = each_origin(origins).map(|origin| match origin.strip_prefix(CHECKPOINT) {
                    Some(path) => Ok(format!("{CHECKPOINT}{}", change(&key, Path::new(path))?.display())),
                    None => Ok(origin.to_owned()),
                });
                *origins = changed.collect::<Result<Vec<_>, E>>()?.join(TOGETHER);
            }
        }
        Ok(())
    }

    /// How a training phase sees its images.
    pub fn views_of(&self, phase: &TrainingPhase) -> Views {
        let features = phase.features.as_deref().and_then(|name| self.phase(name));
        match features {
            _ if phase.sees_captions => Views::Words,
            _ if !phase.augment => Views::Plain,
            Some(Phase::Features(features)) => Views::Stored(features.views),
            _ => Views::Drawn(phase.variety()),
        }
    }

    /// With every path absolute, so that a process in another folder can go on with it.
    pub fn with_absolute_paths(mut self) -> Self {
        self.change_paths(|path| std::path::absolute(&path).unwrap_or(path));
        self
    }

    /// Changes every path, those after `checkpoint:` included.
    fn change_paths(&mut self, change: impl Fn(PathBuf) -> PathBuf) {
        let DataSection { dataset, images, captions, vocabulary, .. } = &mut self.data;
        let WeightsSection { backbone, body } = &mut self.weights;
        let given = [captions, vocabulary, backbone, body].into_iter().filter_map(Option::as_mut);
        for path in [dataset, images].into_iter().chain(given) {
            *path = change(std::mem::take(path));
        }
        let Ok(()) = self.change_checkpoints(|_, path| Ok::<_, Infallible>(change(path.to_owned())));
    }
}

/// Refuses what is no size of a model: the files of models may say more, but here it is a slip of the pen.
fn only_sizes(table: &toml::Table, model: &ConfigFile) -> Result<(), RecipeError> {
    let read = toml::Table::try_from(model).unwrap_or_default();
    let given = table.get("model").and_then(toml::Value::as_table);
    match given.into_iter().flat_map(toml::Table::keys).find(|key| !read.contains_key(*key)) {
        None => Ok(()),
        Some(key) => {
            Err(RecipeError::Invalid { key: format!("model.{key}"), must: "is no size of a model".to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(settings: &[&str]) -> Result<Recipe, RecipeError> {
        Recipe::parse(PAPER, &settings.iter().map(|&setting| setting.to_owned()).collect::<Vec<_>>())
    }

    fn reason(settings: &[&str]) -> String {
        paper(settings).expect_err("is refused").to_string()
    }

    #[test]
    fn the_committed_recipes_are_sound() {
        let recipe = paper(&[]).expect("is one");
        let names: Vec<&str> = recipe.phases.iter().map(Phase::name).collect();
        assert_eq!(names, ["features", "xe", "xe-end-to-end", "tuned-features", "scst", "scst-end-to-end"]);
        for photos in
            [include_str!("../../../recipes/photos14k.toml"), include_str!("../../../recipes/photos14k-distilled.toml")]
        {
            Recipe::parse(photos, &[]).expect("is one");
        }
    }

    #[test]
    fn values_are_set_by_phase_and_key_and_change_the_hash() {
        let plain = paper(&[]).expect("is one");
        let set =
            paper(&["xe.batch_size=32", "seed=1", "data.images=/photos", "xe.dropouts.encoder=0"]).expect("is one");
        let Some(Phase::CrossEntropy(xe)) = set.phase("xe") else { panic!("there is such a phase") };
        assert_eq!((xe.batch_size, set.seed, xe.dropouts.encoder), (32, 1, 0.));
        assert_eq!(set.data.images, Path::new("/photos"));
        assert_ne!(set.hash(), plain.hash());
        assert_eq!(paper(&["xe.captions_per_image=1"]).expect("is one").hash(), plain.hash());
        let written = toml::to_string(&plain).expect("serialises");
        assert!(!written.contains("teachers"), "runs begun before there were teachers keep their hash");
        assert_ne!(paper(&["xe.captions_per_image=5"]).expect("is one").hash(), plain.hash());
        assert_eq!(plain.hash(), paper(&[]).expect("is one").hash());
        let later = paper(&["scst.learning_rate=2"]).expect("is one");
        assert_eq!(later.phase_hash("xe"), plain.phase_hash("xe"));
        assert_ne!(later.phase_hash("scst"), plain.phase_hash("scst"));
        let seen = |views: &str, augment: &str| {
            let set = [format!("tuned-features.views={views}"), format!("scst.augment={augment}")];
            paper(&[&set[0], &set[1]]).expect("is one").phase_hash("scst")
        };
        assert_ne!(seen("3", "true"), seen("4", "true"));
        assert_eq!(seen("3", "false"), seen("4", "false"), "it sees the plain ones");
        let gentler = paper(&["xe.evaluation_batch_size=4", "xe.keep_checkpoints=1", "xe.save_every_minutes=1"]);
        assert_eq!(gentler.expect("is one").phase_hash("xe"), plain.phase_hash("xe"));
    }

    #[test]
    fn every_path_to_weights_can_be_changed() {
        let mut recipe = paper(&[
            "xe-end-to-end.teachers=\"checkpoint:a + checkpoint:b\"",
            "scst.body=\"xe + checkpoint:c\"",
            "tuned-features.backbone=checkpoint:d",
        ])
        .expect("is one");
        let mut keys = Vec::new();
        let changed = recipe.change_checkpoints(|key, path| {
            keys.push(format!("{key} {}", path.display()));
            if path == Path::new("d") { Err("not d") } else { Ok(Path::new("/models").join(path)) }
        });
        assert_eq!(changed, Err("not d"));
        let at = ["xe-end-to-end.teachers a", "xe-end-to-end.teachers b", "tuned-features.backbone d"];
        assert_eq!(keys, at, "in the order of the phases");
        recipe.change_checkpoints(|_, path| Ok::<_, ()>(Path::new("/m").join(path))).expect("all may");
        let Some(Phase::SelfCritical(scst)) = recipe.phase("scst") else { panic!("there is such a phase") };
        assert_eq!(scst.body.as_deref(), Some("xe + checkpoint:/m/c"));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        assert!(reason(&["xe.batchsize=32"]).contains("unknown field `batchsize`, expected one of"));
        assert!(reason(&["xe.evaluation_batch_size=0"]).starts_with("xe.evaluation_batch_size must be at least 1"));
        assert!(reason(&["xe.batch_size=0"]).starts_with("xe.batch_size must be at least 1"));
        assert!(reason(&["xe.captions_per_image=0"]).starts_with("xe.captions_per_image must be at least 1"));
        assert!(reason(&["xe.precision=\"float16\""]).contains("`float32`, `tf32`, `bfloat16`"));
        assert!(reason(&["xe.checkpoint_activations=true"]).contains("trains the backbone"));
        assert!(reason(&["xe.frozen_segments=3"]).contains("trains the backbone"));
        assert!(reason(&["xe.sees_captions=true"]).starts_with("xe.sees_captions is for a phase without `features`"));
        assert!(reason(&["xe.sees_captions=true", "xe.filepath=coco"]).starts_with("xe.filepath is for a phase that"));
        assert!(reason(&["scst-end-to-end.sees_captions=true"]).contains("`cross-entropy`"));
        assert!(reason(&["xe-end-to-end.image_size=224"]).contains("EfficientNet"));
        assert!(reason(&["xe.smallest_crop=0"]).starts_with("xe.smallest_crop must be more than 0 and at most 1"));
        assert!(reason(&["features.colour=1.5"]).starts_with("features.colour must lie in 0 to 1"));
        assert!(reason(&["xe.augment=true"]).contains("features.views"));
        assert!(reason(&["features.views=0"]).starts_with("features.views must be at least 1"));
        assert!(reason(&["xe.dropouts.other=1.5"]).starts_with("xe.dropouts.other must lie in 0 to 1"));
        assert!(reason(&["scst.samples=1"]).starts_with("scst.samples must be at least 2"));
        assert!(reason(&["scst.temperature=0"]).starts_with("scst.temperature must be more than 0"));
        assert!(reason(&["scst.body=xxe"]).contains("`pretrained`, an earlier phase"));
        assert!(reason(&["scst.body=checkpoint:"]).contains("names no path"));
        assert!(paper(&["scst.body=checkpoint:runs/a/xe/state-00000003"]).is_ok());
        assert!(
            paper(&["scst.body=\"xe + xe-end-to-end + checkpoint:runs/a + b/model\""]).is_err(),
            "no phase is b/model"
        );
        assert!(paper(&["scst.body=\"xe + xe-end-to-end\""]).is_ok());
        assert!(reason(&["scst.body=\"xe + xxe\""]).contains("`pretrained`, an earlier phase"));
        assert!(paper(&["xe-end-to-end.teachers=\"checkpoint:a + checkpoint:b\""]).is_ok());
        assert!(
            reason(&["xe-end-to-end.teachers=xe"]).contains("an earlier phase that learns of the same"),
            "it has no backbone"
        );
        assert!(
            reason(&["scst.teachers=xe"]).starts_with("scst.teachers is for a phase whose step is `cross-entropy`")
        );
        assert!(reason(&["xe.teachers=pretrained"]).contains("weights.body (and weights.backbone)"));
        assert!(reason(&["xe.teachers_weight=0.3"]).starts_with("xe.teachers_weight is for a phase with `teachers`"));
        assert!(reason(&["xe.teachers_weight=0"]).starts_with("xe.teachers_weight must be more than 0 and at most 1"));
        assert!(reason(&["xe.features=scst"]).starts_with("xe.features must be an earlier phase"));
        assert!(reason(&["xe"]).contains("key=value"));
        assert!(reason(&["nothing.here.at=1"]).contains("no table `nothing`"));
        assert!(reason(&["features.kind=\"float8\""]).contains("`float16` or `float32`"));
    }

    #[test]
    fn teachers_learned_of_what_they_see_now() {
        let photos = include_str!("../../../recipes/photos14k.toml");
        let taught = |by: &str| Recipe::parse(photos, &[by.to_owned()]);
        assert!(taught("scst-end-to-end.teachers=xe-end-to-end").is_err(), "rewards have none");
        for blind in ["xe.teachers=language", "xe-end-to-end.teachers=language", "xe-end-to-end.teachers=xe"] {
            let error = taught(blind).expect_err(blind).to_string();
            assert!(error.contains("the same features, photos or captions"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_phase() {
        let said = |setting: &str| Recipe::parse(PAPER, &[setting.to_owned()]).expect_err(setting).to_string();
        for (setting, key) in [
            ("scst.batch_size=abc", "scst.batch_size: "),
            ("xe.dropouts.encoder=high", "xe.dropouts.encoder: "),
            ("model.num_encoder_layer=1", "model.num_encoder_layer is no size of a model"),
            ("features.kind=\"float8\"", "features.kind: "),
            ("seed=-1", "seed: "),
            ("phase=3", "phase: "),
        ] {
            assert!(said(setting).contains(key), "{}", said(setting));
        }
        let both = ["xe.precision=float16".to_owned(), "scst.precision=float16".to_owned()];
        let error = Recipe::parse(PAPER, &both).expect_err("twice the same").to_string();
        assert!(error.contains("xe.precision: "), "{error}");
        let lacks = PAPER.replacen("\nepochs = ", "\n# epochs = ", 1);
        let error = Recipe::parse(&lacks, &[]).expect_err("has no epochs").to_string();
        assert!(error.contains("xe: missing field `epochs`"), "{error}");
    }
}
