//! From the bytes of a file to upright, opaque 8-bit RGB, with every bound checked first.

use std::error::Error;
use std::io::Cursor;

use ::image::error::{ImageError as CodecError, LimitErrorKind};
use ::image::metadata::Orientation;
use ::image::{ColorType, DynamicImage, ImageDecoder, ImageReader, RgbImage};

use super::{ImageError, ImageFormat, flatten, jpeg, orient};

/// Bounds on one image, checked before the work or the memory they bound is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes.
    pub max_bytes: usize,
    /// Largest width times height, as the header declares them.
    pub max_pixels: u64,
    /// Most memory that decoding may hold at a time, in bytes, the file itself not counted.
    pub max_memory: u64,
}

impl Default for Limits {
    /// 20 MB, 64 million pixels, 512 MiB.
    fn default() -> Self {
        Self { max_bytes: 20_000_000, max_pixels: 64_000_000, max_memory: 512 * 1024 * 1024 }
    }
}

/// A picture as a person would see it.
#[derive(Clone, Debug)]
pub struct DecodedImage {
    /// The pixels: upright, transparency over white, 8 bits a channel.
    pub pixels: RgbImage,
    /// The format of the file they came from.
    pub format: ImageFormat,
}

/// Decodes an image file.
///
/// The format is told from the content. Of animations and many-page files, the first picture
/// counts. Orientation from the metadata is applied; colour profiles are ignored, as by the
/// preprocessing that the models are trained with.
///
/// # Errors
/// Files that are empty, too large in any of the [`Limits`], in no known format, or damaged. A file
/// that ends early is damaged, even where a decoder would make up the rest.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<DecodedImage, ImageError> {
    let format = check_file(bytes, limits)?;
    let buffered = match format {
        ImageFormat::Jpeg => check_jpeg(bytes)?,
        ImageFormat::WebP => check_webp(bytes)?,
        _ => 0,
    };
    let codec_error = |error| from_codec(error, format, limits);

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.codec());
    reader.limits(codec_limits(limits.max_memory));
    let mut decoder = reader.into_decoder().map_err(codec_error)?;
    check_pixels(decoder.dimensions(), format, limits)?;

    // Unreadable metadata is no reason to refuse a readable picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let spare = spare_memory(&decoder, orientation, buffered, limits)?;
    decoder.set_limits(codec_limits(spare)).map_err(codec_error)?;

    let decoded = DynamicImage::from_decoder(decoder).map_err(codec_error)?;
    Ok(DecodedImage { pixels: orient::upright(flatten::over_white(decoded), orientation), format })
}

/// What can be said of the file before any decoder sees it.
fn check_file(bytes: &[u8], limits: &Limits) -> Result<ImageFormat, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    if bytes.len() > limits.max_bytes {
        return Err(ImageError::TooManyBytes { bytes: bytes.len(), limit: limits.max_bytes });
    }
    ImageFormat::sniff(bytes).map_err(|looks_like| ImageError::Unsupported { looks_like })
}

/// Checks that a JPEG file is whole, and says how many bytes a pixel are kept beside the picture when decoding.
fn check_jpeg(bytes: &[u8]) -> Result<u64, ImageError> {
    let outline = jpeg::outline(bytes);
    if outline.complete { Ok(2 * u64::from(outline.buffered_components)) } else { Err(damaged(ENDS_EARLY)) }
}

/// Checks that a WebP file is whole, as its orientation comes after the picture, and says what [`check_jpeg`] does: the
/// decoder counts none of its buffers.
fn check_webp(bytes: &[u8]) -> Result<u64, ImageError> {
    const ANIMATION: u8 = 0x02;
    const ALPHA: u8 = 0x10;
    // "RIFF", then how many bytes follow these eight.
    let size = bytes.get(4..8).and_then(|size| size.try_into().ok()).map_or(0, u32::from_le_bytes);
    if (bytes.len() as u64) < 8 + u64::from(size) {
        return Err(damaged(ENDS_EARLY));
    }
    let flags = bytes.get(20).copied().unwrap_or(0);
    Ok(match bytes.get(12..16) {
        // A frame and the canvas, RGBA both; the planes of a lossy frame and its transparency.
        Some(b"VP8X") if flags & ANIMATION != 0 => 11,
        // What transparency is decoded to, and itself.
        Some(b"VP8X") if flags & ALPHA != 0 => 5,
        // Lossless, or one or the other.
        Some(b"VP8L" | b"VP8X") => 4,
        // Planes: a whole one and two quarters.
        _ => 2,
    })
}

/// Checks the size that the header declares.
fn check_pixels((width, height): (u32, u32), format: ImageFormat, limits: &Limits) -> Result<(), ImageError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(damaged(&format!("its header says {width} x {height} pixels")));
    }
    if pixels > limits.max_pixels {
        return Err(ImageError::TooManyPixels { width, height, limit: limits.max_pixels });
    }
    if width.max(height) > LONGEST_SIDE {
        let reason = format!("{width} x {height} pixels, and no side may have more than {LONGEST_SIDE}");
        return Err(ImageError::UnsupportedKind { format, reason });
    }
    Ok(())
}

/// Checks the memory that decoding takes: the picture, and beside it first the `buffered` bytes a pixel
/// that its decoder keeps without counting them, later the one copy that flattening or turning makes. Answers what is
/// left to the decoder for its own buffers beside the picture.
fn spare_memory(
    decoder: &impl ImageDecoder,
    orientation: Orientation,
    buffered: u64,
    limits: &Limits,
) -> Result<u64, ImageError> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width).saturating_mul(u64::from(height));
    let copies = decoder.color_type() != ColorType::Rgb8 || orient::copies(orientation);
    let beside = pixels.saturating_mul(buffered).max(if copies { pixels.saturating_mul(3) } else { 0 });
    let needed = decoder.total_bytes().saturating_add(beside);
    if needed > limits.max_memory {
        return Err(ImageError::TooMuchMemory { limit: limits.max_memory });
    }
    Ok(limits.max_memory - decoder.total_bytes())
}

fn codec_limits(max_alloc: u64) -> ::image::Limits {
    let mut limits = ::image::Limits::no_limits();
    limits.max_alloc = Some(max_alloc);
    limits
}

/// As in JPEG. Resizing takes memory by the longer side alone, 16 bytes a pixel of it.
const LONGEST_SIDE: u32 = 65_535;

/// Why a file is called damaged that is cut off.
const ENDS_EARLY: &str = "the file ends before the picture does";

fn damaged(reason: &str) -> ImageError {
    ImageError::Damaged { reason: in_short(reason) }
}

/// A decoder's words without their end: some list every value of a table that the file made long.
fn in_short(reason: &str) -> String {
    const MOST: usize = 200;
    let reason = reason.trim().trim_end_matches('.');
    match reason.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// Sorts a decoder's error into ours.
fn from_codec(error: CodecError, format: ImageFormat, limits: &Limits) -> ImageError {
    match error {
        CodecError::Limits(error) if error.kind() == LimitErrorKind::InsufficientMemory => {
            ImageError::TooMuchMemory { limit: limits.max_memory }
        }
        CodecError::Unsupported(error) => ImageError::UnsupportedKind { format, reason: in_short(&error.to_string()) },
        CodecError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => damaged(ENDS_EARLY),
        // The cause says more than "format error", which is what the decoder wraps it in.
        other => match other.source() {
            Some(cause) => damaged(&cause.to_string()),
            None => damaged(&other.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reasons_are_shortened() {
        assert_eq!(in_short(" Bits per sample [8] is unsupported. "), "Bits per sample [8] is unsupported");
        let list = format!("bits per sample {}", "[1, ".repeat(100_000));
        assert_eq!(in_short(&list).chars().count(), 201);
    }
}
