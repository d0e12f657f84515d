//! What kind of thing went wrong, so that people and programs know what can be done about it.

use super::events::{Ending, Event, Events, FailureKind};
use super::run::TrainError;
use crate::data::FeatureError;
use std::any::Any;

/// What libtorch says of too little memory, on CUDA and on the CPU.
const OUT_OF_MEMORY: [&str; 3] = ["out of memory", "can't allocate memory", "not enough memory"];
/// What the system says of a full disk, or a user's full part of it.
const DISK_FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

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
            | TrainError::Features(_)
            | TrainError::Batch(_)
            | TrainError::Reward(_)
            | TrainError::Metrics(_) => FailureKind::Data,
            TrainError::NotTrained(_)
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
