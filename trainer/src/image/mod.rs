//! From the bytes of an image file to what the model eats: checked, upright, opaque, square, normalised.
//!
//! ```text
//! bytes --decode--> RgbImage --resize_square--> RgbImage --normalize--> [3, size, size] floats
//!                            \--thumbnail_jpeg--> bytes for a page
//! ```
//!
//! Nothing here knows of models or tensors, so that everything can be tested without libtorch.

mod decode;
mod encode;
mod error;
mod flatten;
mod format;
mod jpeg;
mod normalize;
mod orient;
mod resize;

pub use decode::{DecodedImage, Limits, decode};
pub use encode::{encode_jpeg, thumbnail_jpeg};
pub use error::ImageError;
pub use format::ImageFormat;
pub use normalize::{Normalization, normalize};
pub use resize::resize_square;
