//! What a model is trained on and judged by: images with captions, and the words of the captions.

pub mod augmentation;
pub mod batches;
pub mod caption_text;
pub mod captions;
pub mod features;
pub mod inputs;
pub mod karpathy;
pub mod prefetch;
pub mod vocabulary_builder;

pub use batches::{Batch, BatchError, BatchMaker};
pub use captions::{CaptionSet, Tokens};
pub use features::{FeatureError, FeatureKind, FeatureReader, FeatureWriter};
pub use inputs::{InputSource, Inputs};
pub use karpathy::{Dataset, DatasetError, Image, Split};
pub use prefetch::{Prefetch, readers};
pub use vocabulary_builder::{TrainingVocabulary, build_vocabulary};
