//! Why a run can't go on, and what kind of thing that is, so that people and programs know what can be done about it.

use super::events::{Ending, Event, Events, FailureKind};
use super::radam::StateMismatch;
use super::recipe::RecipeError;
use crate::checkpoint::{CheckpointError, PackageError, ResumeError};
use crate::data::{BatchError, DatasetError, FeatureError};
use crate::device::DeviceError;
use crate::metrics::RewardError;
use crate::metrics::corpus::CorpusError;
use crate::model::ConfigError;
use crate::vocabulary::VocabularyError;
use std::any::Any;
use std::io;
use std::path::PathBuf;
use tch::TchError;

/// What libtorch says of too little memory, on CUDA and on the CPU.
const OUT_OF_MEMORY: [&str; 3] = ["out of memory", "can't allocate memory", "not enough memory"];
/// What the system says of a full disk, or a user's full part of it.
const DISK_FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

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
    #[error(
        "`{phase}` was begun with another recipe ({}): go on with that one, or train in another folder",
        differing(.keys)
    )]
    OtherRecipe { phase: String, keys: Vec<String> },
    #[error(
        "the features of `{0}` were made by another backbone than there is now, or of photos of another size or varied \
         otherwise: remove the folder of `{0}`, so that they are made anew, or train in another folder"
    )]
    OtherFeatures(String),
    #[error(
        "`{phase}` has come to its epoch {begun} already, and {phase}.epochs is {epochs}: set it to {begun} or more, \
         or train in another folder"
    )]
    FewerEpochs { phase: String, epochs: u64, begun: u64 },
    #[error(
        "the features of `{features}` were made by the backbone that `{phase}` trained, and more epochs would make it \
         another: remove the folders of `{features}` and of the phases that read it, or train in another folder"
    )]
    BackboneInUse { phase: String, features: String },
    #[error(
        "the features of `{features}` are of another backbone than those that `{phase}` began with: remove the folder \
         of `{phase}`, so that it begins anew, or train in another folder"
    )]
    ChangedFeatures { phase: String, features: String },
    #[error(
        "model.vocab_size is {given}, and {of} {words} words: leave it out, or name the vocabulary that is meant as \
         data.vocabulary"
    )]
    VocabularySize { given: i64, words: usize, of: String },
    #[error("the teachers of `{0}` have other weights than when it was begun: train in another folder")]
    OtherTeachers(String),
    #[error("the features that phase `{0}` stores are not all there: run it to its end first")]
    PartOfFeatures(String),
    #[error("the captions no longer have the words that `{0}` began with: train in another folder")]
    OtherWords(String),
    #[error("`{0}` was trained on other words than these captions have: each of its words would stand for another")]
    StrangeWords(String),
    #[error("`{0}` has other sizes or words than the others, so that their mean would be of no use")]
    UnlikeModels(String),
    #[error("there are no weights of `{0}` to start from")]
    NotTrained(String),
    #[error("phase `{0}` trains no backbone and reads features of none, so that there is none to make a model with")]
    NoBackbone(String),
    #[error("phase `{phase}` has no checkpoint `{name}`; it has {known}")]
    NoCheckpoint { phase: String, name: String, known: String },
    #[error("{} weights of the {part} are missing or of another shape: {}", .names.len(), some_of(.names))]
    MissingWeights { part: &'static str, names: Vec<String> },
    #[error(
        "phase `{phase}` is of photos whose filepath is `{filepath}`, and there are none for training; there is {known}"
    )]
    NoFilepath { phase: String, filepath: String, known: String },
    #[error("{items} items make no batch of {batch_size}")]
    TooFewItems { items: usize, batch_size: usize },
    #[error("the loss is no number any more at iteration {iteration}: try a lower learning rate, or clip_gradients")]
    Diverged { iteration: u64 },
    #[error("a thread that makes batches has died")]
    BatchThread,
    #[error(
        "out of memory: lower batch_size (with accumulate raised as much), or evaluation_batch_size where it was in an \
         evaluation; the device said: {0}"
    )]
    OutOfMemory(String),
    #[error("the phase broke off: {0}")]
    Panicked(String),
    #[error(transparent)]
    Recipe(Box<RecipeError>),
    #[error(transparent)]
    Device(#[from] DeviceError),
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

impl TrainError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> FailureKind {
        let text = self.to_string();
        let says = |texts: &[&str]| texts.iter().any(|says| text.contains(says));
        match self {
            _ if says(&OUT_OF_MEMORY) => FailureKind::OutOfMemory,
            _ if says(&DISK_FULL) => FailureKind::DiskFull,
            TrainError::Features(FeatureError::DiskFull { .. }) => FailureKind::DiskFull,
            TrainError::Locked(_) => FailureKind::Locked,
            TrainError::Diverged { .. } => FailureKind::Diverged,
            TrainError::Dataset(_)
            | TrainError::Vocabulary(_)
            | TrainError::OtherWords(_)
            | TrainError::TooFewItems { .. }
            | TrainError::NoFilepath { .. }
            | TrainError::PartOfFeatures(_)
            | TrainError::ChangedFeatures { .. }
            | TrainError::VocabularySize { .. }
            | TrainError::Features(_)
            | TrainError::Batch(_)
            | TrainError::Reward(_)
            | TrainError::Metrics(_) => FailureKind::Data,
            TrainError::NotTrained(_)
            | TrainError::StrangeWords(_)
            | TrainError::OtherTeachers(_)
            | TrainError::MissingWeights { .. }
            | TrainError::Checkpoint(_)
            | TrainError::Resume(_)
            | TrainError::Optimiser(_) => FailureKind::Weights,
            _ => FailureKind::Other,
        }
    }

    /// With advice, where something can be done that the error does not say.
    pub(super) fn advised(self) -> Self {
        match self.kind() {
            FailureKind::OutOfMemory => TrainError::OutOfMemory(first_line(&self.to_string()).to_owned()),
            _ => self,
        }
    }

    /// The error of a panic: libtorch's plain operations panic where it fails, e.g. for want of memory.
    pub(super) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        TrainError::Panicked(text.unwrap_or("no reason given").to_owned())
    }
}

impl Events {
    /// Tells that a phase can't go on.
    pub fn fail(&mut self, error: &TrainError) {
        let (reason, kind) = (error.to_string(), Some(error.kind()));
        self.tell(Event::Finished { reason, outcome: Ending::Failed, kind });
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

impl From<RecipeError> for TrainError {
    fn from(error: RecipeError) -> Self {
        TrainError::Recipe(Box::new(error))
    }
}

/// What is told of a recipe that is another.
fn differing(keys: &[String]) -> String {
    match keys {
        [] => "in what no longer stands there".to_owned(),
        [key] => format!("{key} differs"),
        keys => format!("{} differ", some_of(keys)),
    }
}

/// The first few names, and how many more there are.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::ResumeError;
    use std::io;
    use tch::TchError;

    #[test]
    fn failures_are_told_apart() {
        let memory = TchError::Torch("CUDA out of memory. Tried to allocate 2.00 GiB\nat somewhere".to_owned());
        let error = TrainError::Tensor(memory).advised();
        assert_eq!(error.kind(), FailureKind::OutOfMemory);
        let text = error.to_string();
        assert!(text.contains("evaluation_batch_size") && !text.contains("somewhere"), "{text}");

        let full = || io::Error::from_raw_os_error(28);
        let state = ResumeError::Io { path: "xe".into(), source: full() };
        let features = FeatureError::DiskFull { folder: "xe".into(), needed: 2, free: 1 };
        for error in [
            TrainError::Resume(state),
            TrainError::Features(features),
            TrainError::Io { path: "xe".into(), source: full() },
        ] {
            assert_eq!(error.kind(), FailureKind::DiskFull, "{error}");
        }
        assert_eq!(TrainError::Locked("runs".into()).kind(), FailureKind::Locked);
        assert_eq!(TrainError::NotTrained("xe".into()).kind(), FailureKind::Weights);
        assert_eq!(TrainError::TooFewItems { items: 1, batch_size: 2 }.kind(), FailureKind::Data);
    }

    #[test]
    fn libtorch_out_of_memory_is_an_error_even_where_it_panics() {
        let panic = std::panic::catch_unwind(|| tch::Tensor::zeros([1 << 50], (tch::Kind::Float, tch::Device::Cpu)));
        let error = TrainError::of_panic(&*panic.expect_err("a petabyte"));
        assert_eq!(error.kind(), FailureKind::OutOfMemory, "{error}");
    }
}
