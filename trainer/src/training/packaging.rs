//! The checkpoints of a run, and model folders of them: to serve, to evaluate, to hand on.

use super::failure::TrainError;
use super::folder::write_whole;
use super::made_of::MadeOf;
use super::recipe::{FILE as RECIPE, Phase, Recipe, each_origin};
use super::run::{Run, sizes_and_words};
use super::start::{Part, backbone_alone, mean, weights_of};
use crate::checkpoint::package::{self, CONFIG, Contents, VOCABULARY};
use crate::checkpoint::resume::Saved;
use crate::checkpoint::{Checkpoints, NamedTensors};
use crate::data::Dataset;
use crate::metrics::reward::SACRE_EOS;
use crate::model::{Backbone, ModelConfig};
use crate::vocabulary::Vocabulary;
use serde::Serialize;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;
use tch::Kind;

/// The checkpoint that means: the best by evaluation, or the newest where none was judged.
pub const BEST: &str = "best";
/// The checkpoint that means: the newest.
pub const NEWEST: &str = "newest";

/// A checkpoint on disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckpointInfo {
    /// Name of its folder: `state-00004000` or `best-00003600`.
    pub name: String,
    /// Iterations done by then.
    pub iteration: u64,
    /// Whether it is the best by CIDEr-D on validation images.
    pub best: bool,
    /// Its CIDEr-D on validation images, where it was judged.
    pub cider: Option<f64>,
    /// Its size on disk.
    pub bytes: u64,
    /// Seconds since 1970.
    pub saved_at: f64,
}

/// The checkpoints of a phase, oldest first; empty where it has none. May be asked while a process trains.
///
/// # Errors
/// When the folder can't be read.
pub fn checkpoints(run: &Path, phase: &str) -> Result<Vec<CheckpointInfo>, TrainError> {
    Ok(Checkpoints::at(&run.join(phase), 1).all()?.iter().map(info).collect())
}

fn info(saved: &Saved) -> CheckpointInfo {
    let entries = std::fs::read_dir(&saved.path).into_iter().flatten().flatten();
    let files: Vec<_> = entries.filter_map(|entry| entry.metadata().ok()).collect();
    let written = files.iter().filter_map(|file| file.modified().ok()).max();
    let since_1970 = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    CheckpointInfo {
        name: saved.name.clone(),
        iteration: saved.progress.iteration,
        best: saved.best,
        cider: if saved.best { saved.progress.best } else { saved.progress.cider },
        bytes: files.iter().map(|file| file.len()).sum(),
        saved_at: since_1970.unwrap_or_default().as_secs_f64(),
    }
}

/// Makes a whole model folder of a checkpoint (`best`, `newest` or its name) and of the backbone whose
/// features it was trained on; with `float16`, of half the size. May be called while a process trains. Of several
/// phases, joined by ` + `, the mean of their weights is taken (Wortsman et al., 2022, "Model soups").
///
/// # Errors
/// When there is no such checkpoint, what belongs to it can't be read, or the folder can't be written.
pub fn package_checkpoint(
    run: &Path,
    phases: &str,
    checkpoint: &str,
    float16: bool,
    output: &Path,
) -> Result<(), TrainError> {
    let recipe = Recipe::read(&run.join(RECIPE), &[])?;
    let (config, vocabulary) = description(&recipe, run, phases)?;
    let kind = if float16 { Kind::Half } else { Kind::Float };
    Source { recipe: &recipe, run, config: &config, vocabulary: &vocabulary }.package(phases, checkpoint, kind, output)
}

/// The weights of a checkpoint (`best`, `newest` or its name) and the sizes of their model: its own alone, if the body
/// is all that is wanted, else with those of the backbone whose features it was trained on.
///
/// # Errors
/// As [`package_checkpoint`].
pub fn checkpoint_weights(
    run: &Path,
    phases: &str,
    checkpoint: &str,
    body_alone: bool,
) -> Result<(ModelConfig, NamedTensors), TrainError> {
    let recipe = Recipe::read(&run.join(RECIPE), &[])?;
    let (config, vocabulary) = description(&recipe, run, phases)?;
    let source = Source { recipe: &recipe, run, config: &config, vocabulary: &vocabulary };
    let (_, tensors) = source.weights(phases, checkpoint, body_alone)?;
    Ok((config, tensors))
}

/// What phases that are to be joined were all trained with.
fn description(recipe: &Recipe, run: &Path, phases: &str) -> Result<(ModelConfig, Vocabulary), TrainError> {
    let mut each = each_origin(phases).map(|phase| Ok((phase, description_of(recipe, &run.join(phase))?)));
    let (_, first) = each.next().unwrap_or_else(|| Err(TrainError::NotTrained(phases.to_owned())))?;
    for other in each {
        let (phase, other) = other?;
        if other != first {
            return Err(TrainError::UnlikeModels(phase.to_owned()));
        }
    }
    Ok(first)
}

/// What a phase was trained with: as it was written down when it began, else as the data gives it today.
fn description_of(recipe: &Recipe, folder: &Path) -> Result<(ModelConfig, Vocabulary), TrainError> {
    let config = folder.join(CONFIG);
    if !config.exists() {
        return sizes_and_words(recipe, &Dataset::read(&recipe.data.dataset)?);
    }
    let io = |source| TrainError::Io { path: config.clone(), source };
    let text = std::fs::read(&config).map_err(io)?;
    let config = serde_json::from_slice(&text).map_err(|error| io(io::Error::from(error)))?;
    Ok((config, Vocabulary::read(&folder.join(VOCABULARY))?))
}

/// Writes sizes and words into the folder of a phase that begins.
pub(super) fn describe(run: &Run, phase: &str) -> Result<(), TrainError> {
    let folder = run.folder.path().join(phase);
    write_whole(&folder.join(CONFIG), serde_json::to_vec_pretty(&run.config).map_err(io::Error::from))?;
    write_whole(&folder.join(VOCABULARY), run.vocabulary.to_json().map_err(io::Error::from))
}

/// Refuses to go on with a phase that was begun with other words or sizes.
pub(super) fn check_described(run: &Run, phase: &str) -> Result<(), TrainError> {
    let folder = run.folder.path().join(phase);
    if !folder.join(CONFIG).exists() {
        return Ok(());
    }
    let (config, vocabulary) = description_of(run.recipe, &folder)?;
    match config == run.config {
        _ if vocabulary != run.vocabulary => Err(TrainError::OtherWords(phase.to_owned())),
        true => Ok(()),
        false => Err(TrainError::OtherRecipe { phase: phase.to_owned(), keys: vec!["model".to_owned()] }),
    }
}

/// A run, as far as packaging needs it.
pub(super) struct Source<'a> {
    pub recipe: &'a Recipe,
    pub run: &'a Path,
    pub config: &'a ModelConfig,
    pub vocabulary: &'a Vocabulary,
}

/// A checkpoint of each of some phases.
type OfPhases<'p> = Vec<(&'p str, Saved)>;

impl Source<'_> {
    /// See [`package_checkpoint`].
    pub fn package(&self, phases: &str, checkpoint: &str, kind: Kind, output: &Path) -> Result<(), TrainError> {
        let (saved, tensors) = self.weights(phases, checkpoint, false)?;
        let model_card = self.model_card(&saved);
        let contents = Contents {
            tensors: &tensors,
            config: self.config,
            vocabulary: self.vocabulary,
            model_card: &model_card,
            kind,
        };
        Ok(package::write(output, &contents)?)
    }

    /// A checkpoint of each phase, and the mean of their weights: its own alone, or all that make a model of it.
    fn weights<'p>(
        &self,
        phases: &'p str,
        checkpoint: &str,
        own_alone: bool,
    ) -> Result<(OfPhases<'p>, NamedTensors), TrainError> {
        let (mut of_phases, mut weights) = (Vec::new(), Vec::new());
        for phase in each_origin(phases) {
            let saved = self.find(phase, checkpoint)?;
            weights.push(if own_alone { saved.model()? } else { self.whole_model(phase, &saved)? });
            of_phases.push((phase, saved));
        }
        Ok((of_phases, mean(weights)?))
    }

    /// All weights that make a model of a checkpoint.
    fn whole_model(&self, phase: &str, saved: &Saved) -> Result<NamedTensors, TrainError> {
        let mut tensors = saved.model()?;
        let prefix = format!("{}.", Backbone::prefix(&self.config.backbone));
        // A phase that trained the backbone has it, whatever the recipe says of the phase by now.
        if !tensors.keys().any(|name| name.starts_with(&prefix)) {
            tensors.extend(self.backbone(phase)?);
        }
        Ok(tensors)
    }

    fn find(&self, phase: &str, checkpoint: &str) -> Result<Saved, TrainError> {
        let mut all = Checkpoints::at(&self.run.join(phase), 1).all()?;
        let place = match checkpoint {
            BEST => all.iter().rposition(|saved| saved.best).or(all.len().checked_sub(1)),
            NEWEST => all.iter().rposition(|saved| !saved.best).or(all.len().checked_sub(1)),
            name => all.iter().position(|saved| saved.name == name),
        };
        match place {
            Some(place) => Ok(all.swap_remove(place)),
            None if all.is_empty() => Err(TrainError::NotTrained(phase.to_owned())),
            None => Err(TrainError::NoCheckpoint {
                phase: phase.to_owned(),
                name: checkpoint.to_owned(),
                known: all.iter().map(|saved| saved.name.as_str()).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The backbone that made the features which a phase reads.
    fn backbone(&self, phase: &str) -> Result<NamedTensors, TrainError> {
        self.recipe.selected([phase])?;
        let features = self.recipe.phase(phase).and_then(Phase::training).and_then(|phase| phase.features.as_deref());
        let Some(Phase::Features(features)) = features.and_then(|features| self.recipe.phase(features)) else {
            return Err(TrainError::NoBackbone(phase.to_owned()));
        };
        let weights = weights_of(self.recipe, self.run, &features.backbone, Part::Backbone)?;
        let weights = backbone_alone(weights, &self.config.backbone);
        match MadeOf::read(self.run, &features.name)? {
            Some(made_of) if !made_of.is_by(&weights)? => Err(TrainError::OtherFeatures(features.name.clone())),
            _ => Ok(weights),
        }
    }

    fn model_card(&self, of_phases: &[(&str, Saved)]) -> String {
        let dataset = self.recipe.data.dataset.file_name().unwrap_or_default().to_string_lossy();
        let names: Vec<&str> = of_phases.iter().map(|(phase, _)| *phase).collect();
        let rewarded = |name: &&str| matches!(self.recipe.phase(name), Some(Phase::SelfCritical(_)));
        let signature = match names.iter().any(rewarded) {
            true => format!("SacreEOS signature: `{SACRE_EOS}`\n\n"),
            false => String::new(),
        };
        let title = names.join(" + ");
        let of =
            if names.len() > 1 { ", the mean of the weights of these phases, which was itself not judged" } else { "" };
        let row = |(phase, saved): &(&str, Saved)| {
            let cider = info(saved).cider.map_or("not judged".to_owned(), |cider| format!("{:.1}", 100. * cider));
            let (name, Saved { progress, .. }) = (&saved.name, saved);
            format!("| `{phase}` | `{name}` | {} | {cider} | `{}` |\n", progress.iteration, progress.recipe)
        };
        let rows: String = of_phases.iter().map(row).collect();
        format!(
            "# {title}\n\nTrained with ExpansionNet v2's recipe on `{dataset}`{of}.\n\n| phase | checkpoint | iterations | \
             CIDEr-D on validation images | recipe of the phase (SHA-256) |\n|---|---|---|---|---|\n{rows}\n{signature}"
        )
    }
}
