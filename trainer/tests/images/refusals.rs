//! Bad, broken and outsized files: each gets its own error, at once, and none a panic.

use std::time::{Duration, Instant};

use trainer::image::{ImageError, ImageFormat, Limits, decode};

use super::file;

/// Some milliseconds on any machine; a decoder that goes round in circles takes longer than this on the fastest.
const AT_ONCE: Duration = Duration::from_secs(30);

fn refusal(bytes: &[u8]) -> ImageError {
    match decode(bytes, &Limits::default()) {
        Err(error) => error,
        Ok(image) => panic!("decoded to {:?} pixels", image.pixels.dimensions()),
    }
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let unsupported = |looks_like| ImageError::Unsupported { looks_like };
    for (name, expected) in [
        ("bad/empty.jpg", ImageError::Empty),
        ("bad/text.jpg", unsupported(Some("text"))),
        ("bad/page.html.jpg", unsupported(Some("HTML"))),
        ("bad/vector.svg", unsupported(Some("SVG"))),
        ("expected_resize.safetensors", unsupported(None)),
    ] {
        assert_eq!(refusal(&file(name)), expected, "{name}");
    }
    let palette = refusal(&file("small_palette.tiff"));
    assert!(matches!(palette, ImageError::UnsupportedKind { format: ImageFormat::Tiff, .. }), "{palette:?}");
}

#[test]
fn damaged_files_are_refused() {
    let mut bad_crc = file("landscape.png");
    bad_crc[200] ^= 0xFF;
    let short = |name: &str| {
        let bytes = file(name);
        bytes[..bytes.len() / 3].to_vec()
    };
    for (what, bytes) in [
        ("bad CRC", bad_crc),
        ("header only", file("bad/header_only.jpg")),
        ("zero width", file("bad/zero_width.png")),
        ("short JPEG", short("landscape_q95.jpg")),
        ("short progressive JPEG", short("landscape_progressive.jpg")),
        ("short PNG", short("landscape.png")),
        ("short GIF", short("landscape.gif")),
        ("short lossy WebP", short("landscape.webp")),
        ("short lossless WebP", short("small_lossless.webp")),
        ("short BMP", short("small.bmp")),
        ("short TIFF", short("small.tiff")),
    ] {
        let started = Instant::now();
        let error = refusal(&bytes);
        println!("{what}: {error}");
        assert!(matches!(error, ImageError::Damaged { .. }), "{what}: {error:?}");
        assert!(started.elapsed() < AT_ONCE, "{what}");
    }
}

#[test]
fn a_jpeg_is_refused_wherever_it_is_cut() {
    // The decoder itself would fill up what is missing with grey.
    for name in ["small_exif5.jpg", "small_progressive.jpg"] {
        let whole = file(name);
        for end in 2..whole.len() {
            assert!(decode(&whole[..end], &Limits::default()).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn a_webp_is_refused_where_its_orientation_is_cut_off() {
    let whole = file("small_exif6.webp");
    for end in 12..whole.len() {
        assert!(decode(&whole[..end], &Limits::default()).is_err(), "cut at {end}");
    }
}

/// A PNG file up to where its pixels begin.
fn header(mut png: Vec<u8>) -> Vec<u8> {
    let pixels = png.windows(4).position(|bytes| bytes == b"IDAT").expect("there are pixels") + 4;
    png.truncate(pixels);
    png
}

#[test]
fn sizes_are_refused_from_the_header() {
    for side in [20_000, 60_000] {
        let bytes = file(&format!("bad/bomb_{side}x{side}.png"));
        let error = ImageError::TooManyPixels { width: side, height: side, limit: 64_000_000 };
        assert_eq!((refusal(&bytes), refusal(&header(bytes))), (error.clone(), error));
    }
    // Of another size, the pixels would have been missed.
    let without_pixels = refusal(&header(file("small.png")));
    assert!(matches!(without_pixels, ImageError::Damaged { .. }), "{without_pixels:?}");
}

#[test]
fn a_side_too_long_to_resize_is_refused_from_the_header() {
    let wide = |width: u32| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(width, 1).write_to(&mut bytes, image::ImageFormat::Png).expect("encodes");
        bytes.into_inner()
    };
    assert!(decode(&wide(65_535), &Limits::default()).is_ok());
    let error = refusal(&wide(65_536));
    assert!(matches!(error, ImageError::UnsupportedKind { format: ImageFormat::Png, .. }), "{error:?}");
    assert!(error.to_string().contains("65536 x 1 pixels"), "{error}");
}

#[test]
fn limits_hold_to_the_byte_and_the_pixel() {
    let bytes = file("small.png");
    let with = |change: fn(&mut Limits, u64), value: u64| {
        let mut limits = Limits::default();
        change(&mut limits, value);
        decode(&bytes, &limits).map(|_| ())
    };
    let size = bytes.len();
    let max_bytes = |limits: &mut Limits, value| limits.max_bytes = value as usize;
    assert_eq!(with(max_bytes, size as u64), Ok(()));
    assert_eq!(with(max_bytes, size as u64 - 1), Err(ImageError::TooManyBytes { bytes: size, limit: size - 1 }));
    let max_pixels = |limits: &mut Limits, value| limits.max_pixels = value;
    assert_eq!(with(max_pixels, 61 * 47), Ok(()));
    assert_eq!(
        with(max_pixels, 61 * 47 - 1),
        Err(ImageError::TooManyPixels { width: 61, height: 47, limit: 61 * 47 - 1 })
    );
}

#[test]
fn memory_is_counted_with_copies_and_coefficients() {
    let pixels = 640 * 427;
    // Bytes a pixel: the picture, and the larger of its copy (turned, or freed of transparency) and
    // what decoding keeps: the coefficients of a progressive JPEG, the planes of a lossy WebP.
    for (name, bytes_a_pixel) in [
        ("landscape_q95.jpg", 3),
        ("landscape_exif3.jpg", 3),
        ("landscape_exif6.jpg", 3 + 3),
        ("landscape_progressive.jpg", 3 + 6),
        ("landscape.gif", 4 + 3),
        ("landscape.webp", 3 + 2),
    ] {
        let limit = |max_memory| Limits { max_memory, ..Limits::default() };
        let bytes = file(name);
        let enough = bytes_a_pixel * pixels;
        assert!(decode(&bytes, &limit(enough)).is_ok(), "{name}");
        let error = decode(&bytes, &limit(enough - 1)).map(|_| ()).unwrap_err();
        assert_eq!(error, ImageError::TooMuchMemory { limit: enough - 1 }, "{name}");
    }
}

#[test]
fn mutated_files_are_answered_without_a_panic() {
    let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
    let mut seed = 775_533_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    let mut refused = 0;
    for name in [
        "small_exif5.jpg",
        "small_progressive.jpg",
        "small_cmyk.jpg",
        "small_exif6.webp",
        "small_alpha.png",
        "small.bmp",
        "small_lzw.tiff",
        "offset_frames.gif",
    ] {
        let whole = file(name);
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..=random(4) {
                // Half of the changes go to the header, where they matter most.
                let end = if random(2) == 0 { bytes.len().min(64) } else { bytes.len() };
                bytes[random(end)] = random(256) as u8;
            }
            match decode(&bytes, &limits) {
                Ok(image) => assert!(!image.pixels.is_empty()),
                Err(_) => refused += 1,
            }
        }
    }
    println!("{refused} of 1200 refused");
    assert!(refused > 0);
}
