//! A whole run: its folder, its data, and its phases in order.

use super::cross_entropy::LabelSmoothing;
use super::evaluation::Evaluation;
use super::events::{Event, Events};
use super::features::{features_path, store_features};
use super::phase::{PhaseRun, hash_of};
use super::radam::StateMismatch;
use super::recipe::{Phase, Recipe, TrainingPhase};
use super::start::{Part, weights_of};
use super::step::{Rewarded, Step};
use crate::checkpoint::package::{self, Contents, check_vocabulary};
use crate::checkpoint::{CheckpointError, Checkpoints, NamedTensors, PackageError, ResumeError};
use crate::data::batches::mixed;
use crate::data::karpathy::find_images;
use crate::data::{
    BatchError, BatchMaker, CaptionSet, Dataset, DatasetError, FeatureError, FeatureReader, Image, InputSource,
    build_vocabulary,
};
use crate::decoding::{BeamSearchOptions, SamplingOptions};
use crate::metrics::corpus::CorpusError;
use crate::metrics::reward::SACRE_EOS;
use crate::metrics::{CiderReward, RewardError};
use crate::model::{Backbone, ConfigError, ModelConfig};
use crate::vocabulary::{Vocabulary, VocabularyError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::{Device, Kind, TchError};

/// How a run or phase ended, if nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To its end.
    Completed,
    /// Because it was asked to; the state is saved.
    Stopped,
}

/// Why a run can't go on; what was saved before is whole.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TrainError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("another process trains in {0}")]
    Locked(PathBuf),
    #[error("the recipe has no phase `{name}`; it has {known}")]
    NoPhase { name: String, known: String },
    #[error("{0} was begun with another recipe: go on with that one, or train in another folder")]
    OtherRecipe(String),
    #[error("there are no weights of `{0}` to start from")]
    NotTrained(String),
    #[error("{} weights of the {part} are missing or of another shape: {}", .names.len(), .names.join(", "))]
    MissingWeights { part: &'static str, names: Vec<String> },
    #[error("{items} items make no batch of {batch_size}")]
    TooFewItems { items: usize, batch_size: usize },
    #[error("the loss is no number any more at iteration {iteration}: try a lower learning rate, or clip_gradients")]
    Diverged { iteration: u64 },
    #[error("a thread that makes batches has died")]
    BatchThread,
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Features(#[from] FeatureError),
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Reward(#[from] RewardError),
    #[error(transparent)]
    Metrics(#[from] CorpusError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Resume(#[from] ResumeError),
    #[error(transparent)]
    Optimiser(#[from] StateMismatch),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("libtorch failed: {0}")]
    Tensor(#[from] TchError),
}

/// A run at work.
pub struct Run<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) folder: &'a Path,
    pub(super) device: Device,
    pub(super) config: ModelConfig,
    pub(super) vocabulary: Vocabulary,
    dataset: Dataset,
    stop: &'a AtomicBool,
    _lock: File,
}

impl<'a> Run<'a> {
    /// Locks the folder (made where missing) and reads the data.
    ///
    /// # Errors
    /// When another process trains there, or the data can't be read.
    pub fn open(
        recipe: &'a Recipe,
        folder: &'a Path,
        device: Device,
        stop: &'a AtomicBool,
    ) -> Result<Self, TrainError> {
        let lock = lock(folder)?;
        let dataset = Dataset::read(&recipe.data.dataset)?;
        let built = build_vocabulary(dataset.training_captions(), recipe.data.min_occurrences)?;
        let max_length = built.max_length();
        let vocabulary = match &recipe.data.vocabulary {
            Some(path) => Vocabulary::read(path)?,
            None => built.vocabulary,
        };
        let mut sizes = recipe.model.clone();
        sizes.vocab_size = Some(vocabulary.len() as i64);
        sizes.max_sequence_length = sizes.max_sequence_length.or(Some(max_length as i64));
        let config = ModelConfig::try_from(sizes)?;
        check_vocabulary(&vocabulary, &config)?;
        Ok(Run { recipe, folder, device, config, vocabulary, dataset, stop, _lock: lock })
    }

    /// Runs one phase, or all in order; those complete already are passed over.
    ///
    /// # Errors
    /// What kept a phase from its end; the events tell it, too.
    pub fn run(&self, only: Option<&str>, events: &mut Events) -> Result<Outcome, TrainError> {
        if let Some(name) = only
            && self.recipe.phase(name).is_none()
        {
            let known: Vec<&str> = self.recipe.phases.iter().map(Phase::name).collect();
            return Err(TrainError::NoPhase { name: name.to_owned(), known: known.join(", ") });
        }
        for phase in self.recipe.phases.iter().filter(|phase| only.is_none_or(|name| phase.name() == name)) {
            let outcome = self.phase(phase, events);
            let reason = match &outcome {
                Ok(Outcome::Completed) => "completed".to_owned(),
                Ok(Outcome::Stopped) => "stopped".to_owned(),
                Err(error) => error.to_string(),
            };
            events.tell(Event::Finished { phase: phase.name().to_owned(), reason });
            if outcome? == Outcome::Stopped {
                return Ok(Outcome::Stopped);
            }
        }
        Ok(Outcome::Completed)
    }

    fn phase(&self, phase: &Phase, events: &mut Events) -> Result<Outcome, TrainError> {
        match phase {
            Phase::Features(phase) => store_features(self, phase, events),
            Phase::CrossEntropy(phase) => {
                let step = |captions: &CaptionSet| {
                    Ok(Step::CrossEntropy(LabelSmoothing { smoothing: phase.label_smoothing, pad: captions.pad() }))
                };
                self.train(phase, true, step, events)
            }
            Phase::SelfCritical(phase) => {
                let step = |_: &CaptionSet| self.self_critical(phase);
                self.train(phase, false, step, events)
            }
        }
    }

    fn self_critical(&self, phase: &TrainingPhase) -> Result<Step, TrainError> {
        let captions: Vec<&Vec<String>> = self.dataset.train.iter().map(|image| &image.captions).collect();
        let captions: Vec<Vec<&str>> =
            captions.into_iter().map(|captions| captions.iter().map(String::as_str).collect()).collect();
        Ok(Step::SelfCritical(Box::new(Rewarded {
            reward: CiderReward::new(&captions, "EOS")?,
            vocabulary: self.vocabulary.clone(),
            options: SamplingOptions {
                samples: phase.samples,
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
        let Some(at_work) = PhaseRun::open(self, phase, events)? else {
            return self.package(phase).map(|()| Outcome::Completed);
        };
        let batches = self.batches(&self.dataset.train, phase, by_caption)?;
        let step = step(&batches.captions)?;
        let evaluation = Evaluation {
            images: self.batches(self.evaluation_images(phase), phase, false)?,
            count: phase.evaluation_images,
            search: BeamSearchOptions {
                beam_size: phase.beam_size.min(self.vocabulary.len()),
                max_length: self.config.max_sequence_length as usize,
            },
        };
        let outcome = at_work.train(&step, batches, &evaluation, events)?;
        if outcome == Outcome::Completed {
            self.package(phase)?;
        }
        Ok(outcome)
    }

    fn evaluation_images(&self, phase: &TrainingPhase) -> &[Image] {
        let all = &self.dataset.validation;
        &all[..all.len().min(phase.evaluation_images)]
    }

    /// Batches of a phase over `images`: of their captions, or of themselves.
    fn batches(&self, images: &[Image], phase: &TrainingPhase, by_caption: bool) -> Result<BatchMaker, TrainError> {
        let source = match &phase.features {
            Some(features) => InputSource::Features(FeatureReader::open(&features_path(self.folder, features))?),
            None => self.image_source(images)?,
        };
        let (longest, per_image) = (self.config.max_sequence_length as usize, phase.captions_per_image);
        let captions = CaptionSet::new(images, &self.vocabulary, longest, per_image)?;
        let keep_rest = by_caption && per_image > 1;
        let items = match by_caption {
            true => captions.items(),
            false => (0..images.len()).map(|image| (image, None)).collect(),
        };
        let seed = mixed(self.recipe.seed, hash_of(&phase.name) ^ 1);
        let (images, batch_size) = (images.to_vec(), phase.batch_size);
        Ok(BatchMaker { images, captions, source, items, batch_size, keep_rest, seed, order: Mutex::default() })
    }

    /// Batches of image files, for the features phase.
    pub(super) fn image_batches(&self, images: Vec<Image>, batch_size: usize) -> Result<BatchMaker, TrainError> {
        let source = self.image_source(&images)?;
        let captions = CaptionSet::new(&[], &self.vocabulary, 2, 1)?;
        let items = Vec::new();
        Ok(BatchMaker {
            images,
            captions,
            source,
            items,
            batch_size,
            keep_rest: true,
            seed: 0,
            order: Mutex::default(),
        })
    }

    fn image_source(&self, images: &[Image]) -> Result<InputSource, TrainError> {
        Ok(InputSource::Images {
            paths: find_images(images, &self.recipe.data.images)?,
            size: self.config.image_size as u32,
            normalization: self.config.backbone.normalization(),
        })
    }

    /// The images of all splits.
    pub(super) fn all_images(&self) -> Vec<Image> {
        let Dataset { train, validation, test } = &self.dataset;
        train.iter().chain(validation).chain(test).cloned().collect()
    }

    /// Whether the run is to save and stop.
    pub(super) fn stop_asked(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Makes a model folder of the phase's best weights, and of the backbone whose features it read.
    fn package(&self, phase: &TrainingPhase) -> Result<(), TrainError> {
        let folder = self.folder.join(&phase.name).join("model");
        if folder.exists() {
            return Ok(());
        }
        let mut tensors = Checkpoints::open(&self.folder.join(&phase.name), phase.keep_checkpoints)?
            .best_model()?
            .ok_or_else(|| TrainError::NotTrained(phase.name.clone()))?;
        if let Some(Phase::Features(features)) = phase.features.as_deref().and_then(|name| self.recipe.phase(name)) {
            tensors.extend(self.backbone_of(&features.backbone)?);
        }
        let model_card = self.model_card(phase);
        let contents = Contents {
            tensors: &tensors,
            config: &self.config,
            vocabulary: &self.vocabulary,
            model_card: &model_card,
            kind: Kind::Float,
        };
        Ok(package::write(&folder, &contents)?)
    }

    fn backbone_of(&self, origin: &str) -> Result<NamedTensors, TrainError> {
        let prefix = format!("{}.", Backbone::prefix(&self.config.backbone));
        let mut tensors = weights_of(self.recipe, self.folder, origin, Part::Backbone)?;
        tensors.retain(|name, _| name.starts_with(&prefix));
        Ok(tensors)
    }

    fn model_card(&self, phase: &TrainingPhase) -> String {
        let dataset = self.recipe.data.dataset.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let signature = match self.recipe.phase(&phase.name) {
            Some(Phase::SelfCritical(_)) => format!("SacreEOS signature: `{SACRE_EOS}`\n"),
            _ => String::new(),
        };
        format!(
            "# {name}\n\nTrained with ExpansionNet v2's recipe, phase `{name}`, on `{dataset}` ({images} training \
             images).\nRecipe (SHA-256): `{hash}`\n{signature}",
            name = phase.name,
            images = self.dataset.train.len(),
            hash = self.recipe.hash(),
        )
    }
}

/// Keeps other processes out of the folder until the file is closed.
fn lock(folder: &Path) -> Result<File, TrainError> {
    let io = |source| TrainError::Io { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    let options = OpenOptions::new().create(true).write(true).truncate(false).open(folder.join("lock"));
    let file = options.map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrainError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}
