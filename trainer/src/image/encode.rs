//! Pictures as JPEG files: small ones for pages, large ones for what is kept.

use super::{ImageError, resize};
use ::image::RgbImage;
use jpeg_encoder::{ColorType, Encoder};

/// Quality of a thumbnail's JPEG file, from 1 to 100.
const THUMBNAIL_QUALITY: u8 = 82;

/// Writes a small JPEG of a picture: its aspect is kept, its longer side is at most `max_side`
/// pixels, and it is never enlarged. It carries no metadata.
///
/// # Errors
/// A side of zero pixels, in the picture or asked for.
pub fn thumbnail_jpeg(image: &RgbImage, max_side: u32) -> Result<Vec<u8>, ImageError> {
    let (width, height) = fit(image.dimensions(), max_side);
    if (width, height) == image.dimensions() {
        return encode_jpeg(image, THUMBNAIL_QUALITY);
    }
    encode_jpeg(&resize::resize(image, width, height)?, THUMBNAIL_QUALITY)
}

/// Writes a picture as a JPEG file of a quality from 1 to 100, without metadata.
///
/// # Errors
/// A side of zero pixels, or of more than JPEG allows: 65,535.
pub fn encode_jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, ImageError> {
    let failed = |reason: &dyn std::fmt::Display| ImageError::Encode { reason: reason.to_string() };
    let side = |side: u32| u16::try_from(side).map_err(|error| failed(&error));
    let (width, height) = (side(image.width())?, side(image.height())?);
    let mut file = Vec::new();
    // In a quarter of the time that the `image` crate takes.
    let encoder = Encoder::new(&mut file, quality);
    encoder.encode(image.as_raw(), width, height, ColorType::Rgb).map_err(|error| failed(&error))?;
    Ok(file)
}

/// The largest size of the same aspect with no side over `max_side` or over its own length, and
/// none under one pixel unless `max_side` is zero.
fn fit((width, height): (u32, u32), max_side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= max_side {
        return (width, height);
    }
    let scale = |side: u32| {
        let scaled = (u64::from(side) * u64::from(max_side) + u64::from(longer) / 2) / u64::from(longer);
        // No more than `max_side`, since `side` is no more than `longer`.
        (scaled as u32).max(1).min(max_side)
    };
    (scale(width), scale(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::Rgb;

    #[test]
    fn thumbnails_keep_the_aspect_and_are_never_enlarged() {
        assert_eq!(fit((640, 427), 320), (320, 214));
        assert_eq!(fit((427, 640), 320), (214, 320));
        assert_eq!(fit((100, 50), 320), (100, 50));
        assert_eq!(fit((10_000, 1), 100), (100, 1));
        assert_eq!(fit((u32::MAX, u32::MAX), 7), (7, 7));
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let (none, one) = (RgbImage::new(0, 3), RgbImage::new(1, 1));
        for result in [thumbnail_jpeg(&none, 8), thumbnail_jpeg(&one, 0), encode_jpeg(&none, 92)] {
            assert!(matches!(result, Err(ImageError::Resize { .. } | ImageError::Encode { .. })), "{result:?}");
        }
    }

    #[test]
    fn what_is_written_is_the_picture() {
        let slope = RgbImage::from_fn(75, 43, |x, y| Rgb([x as u8 * 3, y as u8 * 5, 255 - x as u8]));
        for quality in [THUMBNAIL_QUALITY, 92] {
            let file = encode_jpeg(&slope, quality).unwrap();
            let read = ::image::load_from_memory(&file).unwrap().into_rgb8();
            assert_eq!(read.dimensions(), slope.dimensions());
            let levels = read.as_raw().iter().zip(slope.as_raw());
            let worst = levels.map(|(read, written)| read.abs_diff(*written)).max();
            assert!(worst < Some(24), "quality {quality}: {worst:?} grey levels apart");
        }
    }
}
