//! The training recipe: losses, optimiser, learning rates.

pub mod cross_entropy;
pub mod network;
pub mod radam;
pub mod schedule;

pub use cross_entropy::{LabelSmoothing, cross_entropy};
pub use network::{Inputs, Network};
pub use radam::RAdam;
pub use schedule::Schedule;
