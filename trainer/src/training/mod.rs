//! The training recipe: losses, optimiser, learning rates, phases and the run that puts them together.
//!
//! Read it from the outside in: [`recipe`] says what is to be done, [`run`] does it phase by phase,
//! `phase` is the loop, `step` the two kinds of iterations ([`cross_entropy`], [`self_critical`]), `teacher_forcing` how given
//! captions go through the decoder, and [`events`] tells of it.

mod averaging;
mod begun;
pub mod check;
pub mod cross_entropy;
mod distillation;
mod evaluation;
pub mod events;
mod failure;
pub mod features;
pub mod folder;
mod language;
mod made_of;
mod meter;
pub mod network;
pub mod packaging;
mod phase;
pub mod precision;
pub mod radam;
mod readable;
pub mod recipe;
pub mod recomputation;
pub mod run;
pub mod schedule;
pub mod self_critical;
mod sources;
pub mod start;
mod step;
mod teacher_forcing;

pub use check::{CheckReport, check};
pub use cross_entropy::{LabelSmoothing, cross_entropy};
pub use events::{Ending, Event, Events, FailureKind};
pub use failure::TrainError;
pub use folder::RunFolder;
pub use made_of::{ForeignFeatures, check_features};
pub use network::Network;
pub use packaging::{CheckpointInfo, checkpoint_weights, checkpoints, package_checkpoint};
pub use precision::Precision;
pub use radam::RAdam;
pub use recipe::{Phase, Recipe, RecipeError, TrainingPhase};
pub use run::{Outcome, Run};
pub use schedule::Schedule;
pub use self_critical::{Rollout, roll_out, self_critical_loss};
