//! From an encoded image to captions: the step contract, the cached decoder, beam search, sampling, ensembles.

pub mod beam;
pub mod ensemble;
pub mod incremental;
pub mod sampling;
pub mod step;

pub use beam::{Beam, BeamSearchOptions, beam_search};
pub use ensemble::Ensemble;
pub use incremental::{IncrementalDecoder, JoinedProjections};
pub use sampling::{SamplingOptions, sample};
pub use step::StepDecoder;
