//! Good files: what comes out of them agrees with the reference.

use ::image::RgbImage;
use safetensors::SafeTensors;
use trainer::image::{ImageFormat, Limits, Normalization, decode, normalize, resize_square, thumbnail_jpeg};

use super::{decoded, file, pixels};

const PICTURES: [&str; 4] = ["landscape.png", "portrait.png", "small.png", "square.png"];

/// The mean and the largest absolute difference of two pictures of one size.
fn difference(one: &[u8], other: &[u8]) -> (f64, u8) {
    assert_eq!(one.len(), other.len());
    let differences = one.iter().zip(other).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    (sum as f64 / one.len() as f64, differences.max().unwrap_or(0))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks();
    values.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

#[test]
fn resize_agrees_with_pillow_within_one_grey_level() {
    let bytes = file("expected_resize.safetensors");
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    for name in PICTURES {
        let picture = pixels(name);
        for size in [96, 384] {
            let expected = expected.tensor(&format!("{name}:{size}:u8")).unwrap();
            let resized = resize_square(&picture, size).unwrap();
            assert_eq!(resized.dimensions(), (size, size));
            let (mean, max) = difference(&resized, expected.data());
            println!("{name} at {size}: {:.2} % differ, by {max} at most", 100.0 * mean);
            assert!(max <= 1, "{name} at {size}: {max} levels");
            // The crate rounds its weights to fewer bits than Pillow: few roundings tip over.
            assert!(mean < 0.002, "{name} at {size}: {mean} of the levels differ");
        }
    }
}

#[test]
fn normalized_pictures_agree_with_torchvision() {
    let bytes = file("expected_resize.safetensors");
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    for name in PICTURES {
        let levels = expected.tensor(&format!("{name}:96:u8")).unwrap();
        let expected = floats(expected.tensor(&format!("{name}:96:normalized")).unwrap().data());

        // Of Pillow's own pixels: equal but for rounding.
        let pillow = RgbImage::from_raw(96, 96, levels.data().to_vec()).unwrap();
        for (value, expected) in normalize(&pillow, &Normalization::IMAGENET).iter().zip(&expected) {
            assert!((value - expected).abs() < 1e-6, "{name}: {value}, {expected}");
        }

        // Of ours: within the one grey level that the resize may differ by.
        let ours = normalize(&resize_square(&pixels(name), 96).unwrap(), &Normalization::IMAGENET);
        assert_eq!(ours.len(), expected.len());
        let level = 1.0 / (255.0 * 0.224);
        for (value, expected) in ours.iter().zip(&expected) {
            assert!((value - expected).abs() < level + 1e-5, "{name}: {value}, {expected}");
        }
    }
}

#[test]
fn lossless_coats_are_equal_to_the_picture() {
    let small = pixels("small.png");
    for name in [
        "small.bmp",
        "small.tiff",
        "small_lzw.tiff",
        "small_deflate.tiff",
        "small_cmyk.tiff",
        "small_lossless.webp",
        "small_opaque_rgba.png",
        "small_rgb16.png",
    ] {
        assert!(pixels(name) == small, "{name}");
    }
}

#[test]
fn lossy_coats_agree_with_the_picture_within_the_loss_of_their_codec() {
    let landscape = pixels("landscape.png");
    // The pictures are noisy: Pillow's own loss is 8.75 for the baseline JPEG. A picture turned the
    // wrong way is 75 off.
    for (name, loss) in [
        ("landscape_q95.jpg", 8.80),
        ("landscape_exif3.jpg", 8.80),
        ("landscape_exif6.jpg", 8.80),
        ("landscape_progressive.jpg", 9.45),
        ("landscape.webp", 8.70),
        ("landscape.gif", 9.36),
        ("landscape_palette.png", 9.36),
    ] {
        let picture = pixels(name);
        assert_eq!(picture.dimensions(), landscape.dimensions(), "{name}");
        let (mean, _) = difference(&picture, &landscape);
        println!("{name}: mean {mean:.3}");
        assert!(mean < loss, "{name}: {mean} levels on average");
    }
    let small = pixels("small.png");
    let (mean, max) = difference(&pixels("small_cmyk.jpg"), &small);
    println!("small_cmyk.jpg: mean {mean:.3}, largest {max}");
    assert!(mean < 1.5 && max < 12, "CMYK: mean {mean}, largest {max}");
}

#[test]
fn grey_coats_agree_with_the_brightness_of_the_picture() {
    for (name, of, loss) in [("landscape_grey.jpg", "landscape.png", 2.0), ("small_grey16.png", "small.png", 0.6)] {
        let grey: Vec<u8> = pixels(of)
            .pixels()
            .flat_map(|pixel| {
                let [red, green, blue] = pixel.0.map(u32::from);
                [((299 * red + 587 * green + 114 * blue + 500) / 1000) as u8; 3]
            })
            .collect();
        let (mean, _) = difference(&pixels(name), &grey);
        println!("{name}: mean {mean:.3}");
        assert!(mean < loss, "{name}: {mean} levels on average");
    }
}

#[test]
fn every_orientation_comes_out_upright() {
    let small = pixels("small.png");
    for code in 2..=8 {
        let name = format!("small_exif{code}.png");
        assert!(pixels(&name) == small, "{name}");
    }
    for name in ["small_exif6.tiff", "small_exif6.webp"] {
        assert!(pixels(name) == small, "{name}");
    }
    for name in ["small_exif5.jpg", "small_exif8.jpg"] {
        let picture = pixels(name);
        assert_eq!(picture.dimensions(), small.dimensions(), "{name}");
        let (mean, _) = difference(&picture, &small);
        assert!(mean < 3.1, "{name}: {mean} levels on average");
    }
}

#[test]
fn transparency_is_laid_over_white() {
    for (name, expected) in [
        ("small_alpha.png", "small_alpha_over_white.png"),
        ("small_alpha.webp", "small_alpha_over_white.png"),
        ("small_alpha.tiff", "small_alpha_over_white.png"),
        ("small_rgba16.png", "small_alpha_over_white.png"),
        ("small_grey_alpha.png", "small_grey_alpha_over_white.png"),
        ("small_palette_transparent.png", "small_palette_transparent_over_white.png"),
    ] {
        assert!(pixels(name) == pixels(expected), "{name}");
    }
}

#[test]
fn the_first_frame_of_a_gif_is_laid_on_its_canvas() {
    let canvas = RgbImage::from_fn(10, 8, |x, y| {
        ::image::Rgb(match (x, y) {
            (3 | 5, 2..=4) => [255, 0, 0],
            (4 | 6, 2..=4) => [0, 0, 255],
            _ => [255, 255, 255],
        })
    });
    let gif = decoded("offset_frames.gif");
    assert_eq!(gif.format, ImageFormat::Gif);
    assert!(gif.pixels == canvas);

    // Nothing after the first frame is read, so a damaged second one does no harm.
    let bytes = file("offset_frames.gif");
    let second = bytes.iter().rposition(|&byte| byte == b',').unwrap();
    let cut = decode(&bytes[..second + 4], &Limits::default()).unwrap();
    assert!(cut.pixels == canvas);
}

#[test]
fn formats_are_told_from_the_content() {
    for (name, format) in [
        ("landscape_q95.jpg", ImageFormat::Jpeg),
        ("small.png", ImageFormat::Png),
        ("small.tiff", ImageFormat::Tiff),
        ("small.bmp", ImageFormat::Bmp),
        ("small_lossless.webp", ImageFormat::WebP),
        ("bad/one_pixel.png", ImageFormat::Png),
    ] {
        assert_eq!(decoded(name).format, format, "{name}");
    }
    assert_eq!(pixels("bad/one_pixel.png").dimensions(), (1, 1));
}

#[test]
fn thumbnails_are_small_jpegs_of_the_same_aspect() {
    let landscape = pixels("landscape.png");
    let bytes = thumbnail_jpeg(&landscape, 320).unwrap();
    assert!(bytes.len() < 80_000, "{} bytes", bytes.len());
    let thumbnail = decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(thumbnail.format, ImageFormat::Jpeg);
    assert_eq!(thumbnail.pixels.dimensions(), (320, 214));
    // The same picture: both shrunk to one size, they differ by little.
    let one = resize_square(&thumbnail.pixels, 96).unwrap();
    let (mean, _) = difference(&one, &resize_square(&landscape, 96).unwrap());
    println!("thumbnail: {} bytes, mean {mean:.3}", bytes.len());
    assert!(mean < 4.0, "{mean} levels on average");

    let small = thumbnail_jpeg(&pixels("small.png"), 320).unwrap();
    let small = decode(&small, &Limits::default()).unwrap();
    assert_eq!(small.pixels.dimensions(), (61, 47), "never enlarged");
}
