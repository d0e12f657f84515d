//! Photos made up from a number: no two alike, and different enough to be captioned differently.

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use std::io;

/// A small generator of numbers that look random; the same seed gives the same ones (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    fn color(&mut self) -> Rgb<u8> {
        let [r, g, b, ..] = self.number().to_le_bytes();
        Rgb([r, g, b])
    }
}

/// A horizon with a few round and square things before it, as a JPEG file.
///
/// # Errors
/// When the encoder fails.
pub fn photo(seed: u64, width: u32, height: u32) -> io::Result<Vec<u8>> {
    let mut chance = Chance(seed);
    let (sky, ground) = (chance.color(), chance.color());
    let horizon = height / 4 + chance.below(u64::from(height / 2)) as u32;
    let things: Vec<Thing> = (0..3 + chance.below(8)).map(|_| Thing::any(&mut chance, width, height)).collect();
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let behind = if y < horizon { sky } else { ground };
        let front = things.iter().rev().find(|thing| thing.covers(x, y));
        // Light from above, and the grain of a sensor: flat colours are rare in photos.
        let light = 80 * y / height + (x * 31 + y * 17) % 7;
        front.map_or(behind, |thing| thing.color).0.map(|level| level.saturating_sub(light as u8)).into()
    });
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 85).encode_image(&picture).map_err(io::Error::other)?;
    Ok(file)
}

/// A disc or a box.
struct Thing {
    round: bool,
    center: (i64, i64),
    reach: (i64, i64),
    color: Rgb<u8>,
}

impl Thing {
    fn any(chance: &mut Chance, width: u32, height: u32) -> Thing {
        let mut within = |end: u32| chance.below(u64::from(end)) as i64;
        let center = (within(width), within(height));
        let reach = (4 + within(width / 4), 4 + within(height / 4));
        Thing { round: chance.below(2) == 0, center, reach, color: chance.color() }
    }

    fn covers(&self, x: u32, y: u32) -> bool {
        let across = (i64::from(x) - self.center.0) as f64 / self.reach.0 as f64;
        let down = (i64::from(y) - self.center.1) as f64 / self.reach.1 as f64;
        if self.round { across.hypot(down) < 1. } else { across.abs().max(down.abs()) < 1. }
    }
}
