//! A whole run: its folder, its data, and its phases in order.

use super::cross_entropy::LabelSmoothing;
use super::distillation::Teachers;
use super::evaluation::Evaluation;
use super::events::{Ending, Event, Events};
use super::failure::TrainError;
use super::features::{check_kept, is_part, store_features};
use super::folder::RunFolder;
use super::packaging::{BEST, Source};
use super::phase::PhaseRun;
use super::recipe::{Phase, Recipe, TrainingPhase};
use super::step::{Rewarded, Step};
use crate::checkpoint::package::check_vocabulary;
use crate::data::{BatchMaker, CaptionSet, Dataset, build_vocabulary};
use crate::decoding::{BeamSearchOptions, SamplingOptions};
use crate::metrics::CiderReward;
use crate::model::ModelConfig;
use crate::vocabulary::Vocabulary;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::{Device, Kind};

/// How a run or phase ended, if nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To its end.
    Completed,
    /// Because it was asked to; the state is saved.
    Stopped,
}

/// A run at work.
pub struct Run<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) folder: RunFolder,
    pub(super) device: Device,
    pub(super) config: ModelConfig,
    pub(super) vocabulary: Vocabulary,
    pub(super) dataset: Dataset,
    stop: &'a AtomicBool,
}

impl<'a> Run<'a> {
    /// Locks the folder (made where missing) and reads the data.
    ///
    /// # Errors
    /// When another process trains there, or the data can't be read.
    pub fn open(recipe: &'a Recipe, folder: &Path, device: Device, stop: &'a AtomicBool) -> Result<Self, TrainError> {
        Self::begin(recipe, RunFolder::lock(folder)?, device, stop)
    }

    /// Reads the data of a run whose folder is locked already.
    ///
    /// # Errors
    /// When the data can't be read.
    pub fn begin(
        recipe: &'a Recipe,
        folder: RunFolder,
        device: Device,
        stop: &'a AtomicBool,
    ) -> Result<Self, TrainError> {
        let dataset = Dataset::read(&recipe.data.dataset)?;
        let (config, vocabulary) = sizes_and_words(recipe, &dataset)?;
        Ok(Run { recipe, folder, device, config, vocabulary, dataset, stop })
    }

    /// Runs the phases of these names, or all where none is named, in the recipe's order; those complete
    /// already are passed over.
    ///
    /// # Errors
    /// What kept a phase from its end; the events tell it, too.
    pub fn run<'n>(&self, only: impl IntoIterator<Item = &'n str>, events: &mut Events) -> Result<Outcome, TrainError> {
        for phase in self.recipe.selected(only)? {
            events.enter(phase.name());
            let outcome = catch_unwind(AssertUnwindSafe(|| self.phase(phase, events)));
            let outcome = outcome.unwrap_or_else(|panic| Err(TrainError::of_panic(&*panic)));
            match outcome.map_err(TrainError::advised) {
                Ok(Outcome::Completed) => events.tell(ended("completed", Ending::Completed)),
                Ok(Outcome::Stopped) => {
                    events.tell(ended("stopped", Ending::Stopped));
                    return Ok(Outcome::Stopped);
                }
                Err(error) => {
                    events.fail(&error);
                    return Err(error);
                }
            }
        }
        Ok(Outcome::Completed)
    }

    fn phase(&self, phase: &Phase, events: &mut Events) -> Result<Outcome, TrainError> {
        match phase {
            Phase::Features(phase) => store_features(self, phase, events),
            Phase::CrossEntropy(phase) => {
                let step = |captions: &CaptionSet| {
                    let labels = LabelSmoothing { smoothing: phase.label_smoothing, pad: captions.pad() };
                    Ok(Step::CrossEntropy(labels, Teachers::of(self, phase)?))
                };
                self.train(phase, true, step, events)
            }
            Phase::SelfCritical(phase) => {
                let step = |_: &CaptionSet| self.self_critical(phase);
                self.train(phase, false, step, events)
            }
        }
    }

    pub(super) fn self_critical(&self, phase: &TrainingPhase) -> Result<Step, TrainError> {
        let images = self.photos(phase)?;
        let captions: Vec<Vec<&str>> =
            images.iter().map(|image| image.captions.iter().map(String::as_str).collect()).collect();
        Ok(Step::SelfCritical(Box::new(Rewarded {
            reward: CiderReward::new(&captions, self.vocabulary.word(self.vocabulary.eos()).unwrap_or_default())?,
            vocabulary: self.vocabulary.clone(),
            options: SamplingOptions {
                samples: phase.samples,
                temperature: phase.temperature,
                // Each position that is read has a place in the model.
                max_words: phase.sample_length.min(self.config.max_sequence_length as usize),
            },
        })))
    }

    fn train(
        &self,
        phase: &TrainingPhase,
        by_caption: bool,
        step: impl Fn(&CaptionSet) -> Result<Step, TrainError>,
        events: &mut Events,
    ) -> Result<Outcome, TrainError> {
        let Some(mut at_work) = PhaseRun::open(self, phase, events)? else {
            if !self.model_folder(phase).exists() {
                self.package(phase)?;
            }
            return Ok(Outcome::Completed);
        };
        self.check_features(phase)?;
        let mut batches = self.training_batches(phase, by_caption, events)?;
        let mut evaluation_images = self.evaluation_batches(phase)?;
        leave_out_missing(&mut batches, "training", phase, events);
        leave_out_missing(&mut evaluation_images, "validation", phase, events);
        let step = step(&batches.captions)?;
        let evaluation = Evaluation {
            images: Arc::new(evaluation_images),
            folder: self.recipe.data.images.clone(),
            batch_size: phase.evaluation_batch_size(),
            search: BeamSearchOptions {
                beam_size: phase.beam_size.min(self.vocabulary.len()),
                max_length: self.config.max_sequence_length as usize,
            },
            labels: LabelSmoothing { smoothing: phase.label_smoothing, pad: batches.captions.pad() },
        };
        let outcome = at_work.train(&step, batches, &evaluation, events)?;
        if outcome == Outcome::Completed {
            self.package(phase)?;
            at_work.finish()?;
        }
        Ok(outcome)
    }

    /// The features that a phase reads must be all there, and what its recipe says.
    fn check_features(&self, phase: &TrainingPhase) -> Result<(), TrainError> {
        let Some(features) = &phase.features else { return Ok(()) };
        if is_part(self, features)? {
            return Err(TrainError::PartOfFeatures(features.clone()));
        }
        match self.recipe.phase(features) {
            Some(Phase::Features(features)) => check_kept(self, features),
            _ => Ok(()),
        }
    }

    /// Whether the run is to save and stop.
    pub(super) fn stop_asked(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn model_folder(&self, phase: &TrainingPhase) -> PathBuf {
        self.folder.path().join(&phase.name).join("model")
    }

    /// Makes a model folder of the phase's best weights, and of the backbone whose features it read, in place of one that
    /// lies there; of captions alone comes no model of images.
    fn package(&self, phase: &TrainingPhase) -> Result<(), TrainError> {
        if phase.sees_captions {
            return Ok(());
        }
        let folder = self.model_folder(phase);
        let Run { recipe, folder: run, config, vocabulary, .. } = self;
        Source { recipe, run: run.path(), config, vocabulary }.package(&phase.name, BEST, Kind::Float, &folder)
    }
}

/// Leaves out images that there is nothing of, and says so once.
fn leave_out_missing(batches: &mut BatchMaker, kind: &str, phase: &TrainingPhase, events: &mut Events) {
    let missing = batches.leave_out_missing();
    let Some(first) = missing.first() else { return };
    let of = match phase.end_to_end() {
        true => "file",
        false if phase.sees_captions => "captions",
        false => "features",
    };
    events.warn(format!("{} {kind} images are left out for want of their {of}, e.g. {first}", missing.len()));
}

fn ended(reason: &str, outcome: Ending) -> Event {
    Event::Finished { reason: reason.to_owned(), outcome, kind: None }
}

/// The sizes of the model and its words, of a recipe and its data.
pub(super) fn sizes_and_words(recipe: &Recipe, dataset: &Dataset) -> Result<(ModelConfig, Vocabulary), TrainError> {
    let built = build_vocabulary(dataset.training_captions(), recipe.data.min_occurrences)?;
    let max_length = built.max_length();
    let vocabulary = match &recipe.data.vocabulary {
        Some(path) => Vocabulary::read(path)?,
        None => built.vocabulary,
    };
    let words = vocabulary.len();
    if let Some(given) = recipe.model.vocab_size.filter(|&given| given != words as i64) {
        let path = recipe.data.vocabulary.as_deref();
        let of = path.map_or("the training captions have".to_owned(), |path| format!("{} has", path.display()));
        return Err(TrainError::VocabularySize { given, words, of });
    }
    let mut sizes = recipe.model.clone();
    sizes.vocab_size = Some(words as i64);
    sizes.max_sequence_length = sizes.max_sequence_length.or(Some(max_length as i64));
    let config = ModelConfig::try_from(sizes)?;
    check_vocabulary(&vocabulary, &config)?;
    Ok((config, vocabulary))
}

impl Recipe {
    /// The phases of these names, or all where none is named, in the recipe's order.
    ///
    /// # Errors
    /// When there is no phase of a name.
    pub fn selected<'n>(&self, only: impl IntoIterator<Item = &'n str>) -> Result<Vec<&Phase>, TrainError> {
        let names: Vec<&str> = only.into_iter().collect();
        if let Some(name) = names.iter().find(|name| self.phase(name).is_none()) {
            let known: Vec<&str> = self.phases.iter().map(Phase::name).collect();
            return Err(TrainError::NoPhase { name: (*name).to_owned(), known: known.join(", ") });
        }
        let all = self.phases.iter();
        Ok(all.filter(|phase| names.is_empty() || names.contains(&phase.name())).collect())
    }
}
