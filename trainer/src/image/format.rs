//! Which format the bytes are in, told from the bytes alone: names and declared types lie.

use std::fmt;

/// An image format that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageFormat {
    /// Baseline and progressive, grey, colour and CMYK.
    Jpeg,
    /// Every colour type and depth; of an animation, the default image.
    Png,
    /// Lossy and lossless; of an animation, the first frame.
    WebP,
    /// The first frame.
    Gif,
    /// Windows and OS/2 bitmaps.
    Bmp,
    /// The first page; grey, RGB and CMYK.
    Tiff,
}

impl ImageFormat {
    /// Finds the format from the first bytes of the file.
    ///
    /// # Errors
    /// What the bytes look like instead, where that can be told.
    pub(super) fn sniff(bytes: &[u8]) -> Result<Self, Option<&'static str>> {
        use ::image::ImageFormat as Known;
        match ::image::guess_format(bytes) {
            Ok(Known::Jpeg) => Ok(Self::Jpeg),
            Ok(Known::Png) => Ok(Self::Png),
            Ok(Known::WebP) => Ok(Self::WebP),
            Ok(Known::Gif) => Ok(Self::Gif),
            Ok(Known::Bmp) => Ok(Self::Bmp),
            Ok(Known::Tiff) => Ok(Self::Tiff),
            _ => Err(name_of_stranger(bytes)),
        }
    }

    /// The media type, as in a `Content-Type` header.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        self.codec().to_mime_type()
    }

    /// The decoder's own name of the format.
    pub(super) fn codec(self) -> ::image::ImageFormat {
        match self {
            Self::Jpeg => ::image::ImageFormat::Jpeg,
            Self::Png => ::image::ImageFormat::Png,
            Self::WebP => ::image::ImageFormat::WebP,
            Self::Gif => ::image::ImageFormat::Gif,
            Self::Bmp => ::image::ImageFormat::Bmp,
            Self::Tiff => ::image::ImageFormat::Tiff,
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        })
    }
}

/// How much of an unknown file is looked at.
const SAMPLE: usize = 1024;

/// Names what people send by mistake, so that the message can say it.
fn name_of_stranger(bytes: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 9] = [
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive or an office document"),
        (b"8BPS", "a Photoshop document"),
        (b"\0\0\x01\0", "an icon"),
        (b"\xFF\x0A", "JPEG XL"),
        (b"\0\0\0\x0CJXL ", "JPEG XL"),
        (b"\0\0\0\x0CjP  ", "JPEG 2000"),
        (b"\x1A\x45\xDF\xA3", "a video"),
        (b"qoif", "QOI"),
    ];
    let signature = SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, name)| *name);
    signature.or_else(|| name_of_iso_media(bytes)).or_else(|| name_of_text(&bytes[..bytes.len().min(SAMPLE)]))
}

/// Names the relatives of MP4 by the brand in their first box: phones send HEIC, browsers AVIF.
fn name_of_iso_media(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    Some(match bytes.get(8..12)? {
        b"avif" | b"avis" => "AVIF",
        b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1" => "HEIC",
        _ => "a video",
    })
}

/// Names text files: markup by its first tag, anything else without control characters as text.
fn name_of_text(sample: &[u8]) -> Option<&'static str> {
    let control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if sample.iter().any(control) {
        return None;
    }
    // A sample may end within a character, and old text files are not UTF-8: only tags matter.
    let text = String::from_utf8_lossy(sample).to_ascii_lowercase();
    Some(if text.contains("<svg") {
        "SVG"
    } else if text.contains("<!doctype html") || text.contains("<html") {
        "HTML"
    } else {
        "text"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_the_usual_media_types() {
        let expected = [
            (ImageFormat::Jpeg, "image/jpeg"),
            (ImageFormat::Png, "image/png"),
            (ImageFormat::WebP, "image/webp"),
            (ImageFormat::Gif, "image/gif"),
            (ImageFormat::Bmp, "image/bmp"),
            (ImageFormat::Tiff, "image/tiff"),
        ];
        for (format, media_type) in expected {
            assert_eq!(format.media_type(), media_type);
        }
    }

    #[test]
    fn strangers_are_named() {
        let expected: [(&[u8], Option<&str>); 9] = [
            (b"%PDF-1.7", Some("a PDF document")),
            (b"\0\0\0\x18ftypheic\0\0\0\0", Some("HEIC")),
            (b"\0\0\0\x1cftypavif\0\0\0\0", Some("AVIF")),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", Some("a video")),
            (b"<?xml version='1.0'?>\n<svg/>", Some("SVG")),
            (b"<!DOCTYPE html><p>", Some("HTML")),
            ("Käse".as_bytes(), Some("text")),
            (b"\x01\x02\x03", None),
            (b"\0\0\0\x18ftyp", None),
        ];
        for (bytes, name) in expected {
            assert_eq!(ImageFormat::sniff(bytes), Err(name), "{bytes:?}");
        }
    }
}
