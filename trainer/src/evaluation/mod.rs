//! Captions of a dataset's images by a model, to be judged by [`crate::metrics`].
//!
//! ```text
//! images or features --source, on threads ahead--> batches --run: encode once, search per beam size--> log
//! ```
//!
//! [`log`] keeps every caption as it comes, so that an interrupted run goes on where it stopped.

mod error;
pub mod log;
pub mod run;
pub mod source;

pub use error::EvaluationError;
pub use log::{CaptionLog, FileStamp, Origin, Prediction};
pub use run::{Progress, RunOptions, caption_images};
pub use source::Source;
