//! The ExpansionNet v2 library: model, decoding, checkpoints, images, datasets, metrics and training.
//!
//! Read it in the order of the data: [`image`] makes pixels of bytes, [`model`] makes features and
//! word scores of pixels, [`decoding`] makes captions of word scores, [`vocabulary`] makes text of
//! captions. [`checkpoint`] brings weights in and out; [`captioner`] is all of it behind one door.
//! [`data`] reads what people wrote of images, [`metrics`] judges captions by it, [`evaluation`] captions
//! whole datasets for them, and [`training`] makes the weights. What all of them write, [`files`] puts in its place whole.

pub mod captioner;
pub mod checkpoint;
pub mod data;
pub mod decoding;
pub mod device;
pub mod evaluation;
pub mod files;
pub mod image;
pub mod metrics;
pub mod model;
pub mod training;
pub mod vocabulary;
