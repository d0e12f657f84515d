//! Image files, from their bytes to normalised tensors, against what Pillow and torchvision make of
//! them. `fixtures/images/README.md` says what each file is.

mod agreement;
mod refusals;

use std::path::{Path, PathBuf};

use ::image::RgbImage;
use trainer::image::{DecodedImage, Limits, decode};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn decoded(name: &str) -> DecodedImage {
    decode(&file(name), &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn pixels(name: &str) -> RgbImage {
    decoded(name).pixels
}
