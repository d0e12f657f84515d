//! A photo as it is kept: without the metadata that came with it (places, cameras, names, previews).
//!
//! JPEG, PNG and WebP files keep their compressed pixels and lose everything else but colour profile and
//! orientation. A file with parts that are not surely pixels, and every other format, is encoded anew
//! from the upright pixels.

use ::image::codecs::png::{CompressionType, FilterType, PngEncoder};
use ::image::metadata::Orientation;
use ::image::{ExtendedColorType, ImageEncoder, RgbImage};
use img_parts::jpeg::{Jpeg, JpegSegment, markers};
use img_parts::png::Png;
use img_parts::webp::WebP;
use img_parts::{Bytes, ImageEXIF};
use trainer::image::{DecodedImage, ImageError, ImageFormat};

/// What is stored of a photo.
#[derive(Clone, Debug)]
pub struct CleanCopy {
    /// The photo without metadata.
    pub bytes: Vec<u8>,
    /// Media type of `bytes`.
    pub media_type: &'static str,
    /// A small JPEG of the photo.
    pub thumbnail: Vec<u8>,
}

/// JPEG quality of photos that are encoded anew.
const QUALITY: u8 = 92;

/// Makes the copy that is kept of an uploaded file and its decoded pixels.
///
/// # Errors
/// When the pixels cannot be encoded.
pub fn clean_copy(uploaded: &[u8], decoded: &DecodedImage, thumbnail_side: u32) -> Result<CleanCopy, ImageError> {
    let stripped = match decoded.format {
        ImageFormat::Jpeg => strip_jpeg(uploaded),
        ImageFormat::Png => strip_png(uploaded),
        ImageFormat::WebP => strip_webp(uploaded),
        _ => None,
    };
    let (bytes, format) = match stripped {
        Some(bytes) => (bytes, decoded.format),
        None => encode(&decoded.pixels, decoded.format)?,
    };
    Ok(CleanCopy {
        bytes,
        media_type: format.media_type(),
        thumbnail: trainer::image::thumbnail_jpeg(&decoded.pixels, thumbnail_side)?,
    })
}

/// The JPEG with only the segments that decoding needs; `None` if anything else may hide in it.
fn strip_jpeg(uploaded: &[u8]) -> Option<Vec<u8>> {
    let mut jpeg = Jpeg::from_bytes(Bytes::copy_from_slice(uploaded)).ok()?;
    // The last segment read is the head of the first scan; what follows it is kept as it is.
    let scan = jpeg.segments().last()?;
    let scans_length = scan.len_with_entropy() - scan.len();
    if !only_scans(&uploaded[uploaded.len().checked_sub(scans_length)?..]) {
        return None;
    }
    let orientation = orientation_only(jpeg.exif());
    jpeg.segments_mut().retain(needed_to_decode);
    jpeg.set_exif(orientation);
    Some(jpeg.encoder().bytes().into())
}

/// Tables, frames and scans; a JFIF header without a preview; Adobe's colour transform; the colour profile.
fn needed_to_decode(segment: &JpegSegment) -> bool {
    let contents = segment.contents();
    match segment.marker() {
        markers::APP0 => contents.starts_with(b"JFIF\0") && contents.len() == 14,
        markers::APP2 => contents.starts_with(b"ICC_PROFILE\0"),
        markers::APP14 => contents.starts_with(b"Adobe"),
        markers::APP1..=markers::APP15 | markers::COM => false,
        _ => true,
    }
}

/// True when the bytes after the head of the first scan hold pixels, tables and further scans, and end with
/// the first end marker: no segments between scans, no second image, no film behind the photo.
fn only_scans(scans: &[u8]) -> bool {
    let end = [markers::P, markers::EOI];
    let Some(pixels) = scans.strip_suffix(&end) else {
        return false;
    };
    pixels.windows(2).all(|pair| {
        pair[0] != markers::P
            || matches!(
                pair[1],
                markers::Z | markers::P | markers::RST0
                    ..=markers::RST7 | markers::SOS | markers::DHT | markers::DQT | markers::DRI
            )
    })
}

/// The PNG with only the chunks that a still picture needs.
fn strip_png(uploaded: &[u8]) -> Option<Vec<u8>> {
    const NEEDED: [&[u8; 4]; 9] = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP"];
    let mut png = Png::from_bytes(Bytes::copy_from_slice(uploaded)).ok()?;
    let orientation = orientation_only(png.exif());
    png.chunks_mut().retain(|chunk| NEEDED.contains(&&chunk.kind()));
    png.set_exif(orientation);
    Some(png.encoder().bytes().into())
}

/// The WebP without camera data; `None` for films and files with chunks beyond pixels and profile.
fn strip_webp(uploaded: &[u8]) -> Option<Vec<u8>> {
    const KNOWN: [&[u8; 4]; 6] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF"];
    let mut webp = WebP::from_bytes(Bytes::copy_from_slice(uploaded)).ok()?;
    if !webp.chunks().iter().all(|chunk| KNOWN.contains(&&chunk.id())) {
        return None;
    }
    let orientation = orientation_only(webp.exif());
    webp.set_exif(orientation);
    Some(webp.encoder().bytes().into())
}

/// Camera data that says nothing but how to hold the picture; `None` when it is upright.
fn orientation_only(exif: Option<Bytes>) -> Option<Bytes> {
    let orientation = Orientation::from_exif_chunk(&exif?)?;
    if orientation == Orientation::NoTransforms {
        return None;
    }
    let mut exif = Vec::with_capacity(26);
    exif.extend_from_slice(b"II*\0\x08\0\0\0"); // little-endian TIFF, first directory at byte 8
    exif.extend_from_slice(b"\x01\0"); // one entry:
    exif.extend_from_slice(b"\x12\x01\x03\0\x01\0\0\0"); // orientation, one 16-bit number
    exif.extend_from_slice(&[orientation.to_exif(), 0, 0, 0]);
    exif.extend_from_slice(b"\0\0\0\0"); // no further directory
    Some(exif.into())
}

/// The upright pixels as a new file: JPEG for what is usually lossy, PNG for the rest.
fn encode(pixels: &RgbImage, format: ImageFormat) -> Result<(Vec<u8>, ImageFormat), ImageError> {
    match format {
        ImageFormat::Jpeg | ImageFormat::WebP => Ok((trainer::image::encode_jpeg(pixels, QUALITY)?, ImageFormat::Jpeg)),
        ImageFormat::Png | ImageFormat::Gif | ImageFormat::Bmp | ImageFormat::Tiff => {
            let mut bytes = Vec::new();
            let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
            let written = encoder.write_image(pixels, pixels.width(), pixels.height(), ExtendedColorType::Rgb8);
            written.map_err(|error| ImageError::Encode { reason: error.to_string() })?;
            Ok((bytes, ImageFormat::Png))
        }
    }
}

#[cfg(test)]
mod tests;
