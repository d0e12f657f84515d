//! What can be wrong with an image, in words that a person can act on.

use super::ImageFormat;

/// Why an image was refused.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// There are no bytes at all.
    #[error("the file is empty: choose an image file")]
    Empty,

    /// The file is larger than [`Limits::max_bytes`](super::Limits::max_bytes).
    #[error("the file has {bytes} bytes and at most {limit} are accepted: send a smaller or more compressed image")]
    TooManyBytes {
        /// Size of the file.
        bytes: usize,
        /// Largest size accepted.
        limit: usize,
    },

    /// The bytes are none of the formats in [`ImageFormat`].
    #[error("{}: send a JPEG, PNG, WebP, GIF, BMP or TIFF image", unsupported(*looks_like))]
    Unsupported {
        /// What the bytes look like, e.g. `"SVG"` or `"HTML"`, where that can be told.
        looks_like: Option<&'static str>,
    },

    /// The format is read, but not this rare kind of it.
    #[error("this kind of {format} is not supported ({reason}): save it as an ordinary JPEG or PNG")]
    UnsupportedKind {
        /// The format of the file.
        format: ImageFormat,
        /// What the decoder cannot do.
        reason: String,
    },

    /// The header promises more pixels than [`Limits::max_pixels`](super::Limits::max_pixels).
    #[error("the image is {width} x {height} pixels and at most {limit} pixels are accepted: scale it down")]
    TooManyPixels {
        /// Pixels a row.
        width: u32,
        /// Pixels a column.
        height: u32,
        /// Largest product of the two accepted.
        limit: u64,
    },

    /// Decoding would need more than [`Limits::max_memory`](super::Limits::max_memory).
    #[error("decoding the image takes more than {limit} bytes of memory: scale it down, or save it as a baseline JPEG")]
    TooMuchMemory {
        /// Most memory granted to one image, in bytes.
        limit: u64,
    },

    /// The file ends early, or its content contradicts itself.
    #[error("the image is damaged or incomplete ({reason}): send another copy of it")]
    Damaged {
        /// What the decoder stumbled over.
        reason: String,
    },

    /// The picture cannot be brought to the size asked for.
    #[error("the image cannot be resized to {width} x {height} pixels ({reason})")]
    Resize {
        /// Pixels a row asked for.
        width: u32,
        /// Pixels a column asked for.
        height: u32,
        /// What stands against it.
        reason: String,
    },

    /// The picture cannot be written as a JPEG file.
    #[error("the image cannot be written as JPEG ({reason})")]
    Encode {
        /// What stands against it.
        reason: String,
    },
}

/// The first half of the message of [`ImageError::Unsupported`].
fn unsupported(looks_like: Option<&'static str>) -> String {
    match looks_like {
        Some(name) => format!("this looks like {name}, which is not read here"),
        None => "this is not an image in a known format".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_is_wrong_and_what_to_do() {
        let messages = [
            (
                ImageError::Unsupported { looks_like: Some("SVG") },
                "this looks like SVG, which is not read here: send a JPEG, PNG, WebP, GIF, BMP or TIFF image",
            ),
            (
                ImageError::Unsupported { looks_like: None },
                "this is not an image in a known format: send a JPEG, PNG, WebP, GIF, BMP or TIFF image",
            ),
            (
                ImageError::TooManyPixels { width: 60_000, height: 60_000, limit: 64_000_000 },
                "the image is 60000 x 60000 pixels and at most 64000000 pixels are accepted: scale it down",
            ),
        ];
        for (error, message) in messages {
            assert_eq!(error.to_string(), message);
        }
    }
}
