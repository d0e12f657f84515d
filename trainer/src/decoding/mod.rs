//! From an encoded image to captions: the step contract, the cached decoder, beam search, ensembles.

pub mod beam;
pub mod ensemble;
pub mod incremental;
pub mod step;

pub use beam::{Beam, BeamSearchOptions, beam_search};
pub use ensemble::Ensemble;
pub use incremental::{IncrementalDecoder, JoinedProjections};
pub use step::StepDecoder;
