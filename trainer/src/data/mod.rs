//! What a model is trained on and judged by: images with captions, and the words of the captions.

pub mod caption_text;
pub mod karpathy;
pub mod vocabulary_builder;

pub use karpathy::{Dataset, DatasetError, Image, Split};
pub use vocabulary_builder::{TrainingVocabulary, build_vocabulary};
