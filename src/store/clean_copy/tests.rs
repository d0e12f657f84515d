//! Copies have the pixels of the upload and nothing of its metadata.

use super::*;
use trainer::image::{Limits, decode};

const SECRET: &[u8] = b"Somewhere 12, Anna's phone";

/// Camera data with an orientation and a secret, in the middle of a directory that parsers accept.
fn exif(orientation: u8) -> Bytes {
    let mut exif = orientation_only_bytes(orientation).to_vec();
    exif.extend_from_slice(SECRET);
    exif.into()
}

fn orientation_only_bytes(orientation: u8) -> Bytes {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif.into()
}

/// A picture without symmetry.
fn picture() -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| ::image::Rgb([(x * 5) as u8, (y * 7) as u8, ((x * y) % 251) as u8]))
}

fn file(format: ::image::ImageFormat) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    picture().write_to(&mut file, format).expect("the picture is written");
    file.into_inner()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Makes the copy and checks that it shows the same as the upload; gives the copy.
fn copy_of(uploaded: &[u8]) -> CleanCopy {
    let decoded = decode(uploaded, &Limits::default()).expect("the upload decodes");
    let copy = clean_copy(uploaded, &decoded, 16).expect("a copy");
    let again = decode(&copy.bytes, &Limits::default()).expect("the copy decodes");
    assert_eq!(again.pixels.dimensions(), decoded.pixels.dimensions());
    assert_eq!(again.format.media_type(), copy.media_type);
    let pairs = again.pixels.iter().zip(decoded.pixels.iter());
    let apart: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    let apart = apart / decoded.pixels.len() as f64;
    assert!(apart < 4.0, "the copy differs by {apart} grey levels on average");
    assert!(!contains(&copy.bytes, SECRET), "the copy keeps a secret");
    copy
}

fn jpeg_with(change: impl FnOnce(&mut Jpeg)) -> Vec<u8> {
    let mut jpeg = Jpeg::from_bytes(file(::image::ImageFormat::Jpeg).into()).expect("a JPEG");
    change(&mut jpeg);
    jpeg.encoder().bytes().into()
}

#[test]
fn a_jpeg_keeps_pixels_and_orientation_and_loses_the_rest() {
    for orientation in 1..=8 {
        let uploaded = jpeg_with(|jpeg| {
            jpeg.set_exif(Some(exif(orientation)));
            let comment = JpegSegment::new_with_contents(markers::COM, SECRET.into());
            let xmp = [b"http://ns.adobe.com/xap/1.0/\0", SECRET].concat();
            let xmp = JpegSegment::new_with_contents(markers::APP1, xmp.into());
            jpeg.segments_mut().splice(1..1, [comment, xmp]);
        });
        assert!(contains(&uploaded, SECRET));
        let copy = copy_of(&uploaded);
        let tag = Jpeg::from_bytes(copy.bytes.into()).expect("a JPEG").exif();
        let expected = (orientation > 1).then(|| orientation_only_bytes(orientation));
        assert_eq!(tag, expected);
    }
}

#[test]
fn a_jpeg_without_metadata_stays_as_it_is() {
    let uploaded = file(::image::ImageFormat::Jpeg);
    assert_eq!(copy_of(&uploaded).bytes, uploaded);
}

#[test]
fn a_jpeg_keeps_its_colour_profile() {
    let profile = [b"ICC_PROFILE\0\x01\x01".as_slice(), b"colours"].concat();
    let segment = JpegSegment::new_with_contents(markers::APP2, profile.clone().into());
    let uploaded = jpeg_with(|jpeg| jpeg.segments_mut().insert(1, segment));
    assert!(contains(&copy_of(&uploaded).bytes, &profile));
}

#[test]
fn what_hides_behind_a_jpeg_is_gone() {
    // Phones put films, depth maps and second photos there, with metadata of their own.
    let uploaded = [file(::image::ImageFormat::Jpeg).as_slice(), SECRET, b"\xFF\xD9"].concat();
    let copy = copy_of(&uploaded);
    assert_eq!(copy.media_type, "image/jpeg");
}

#[test]
fn a_turned_jpeg_with_something_behind_it_becomes_upright_pixels() {
    let turned = jpeg_with(|jpeg| jpeg.set_exif(Some(exif(6))));
    let copy = copy_of(&[turned.as_slice(), SECRET].concat());
    let copy = Jpeg::from_bytes(copy.bytes.into()).expect("a JPEG");
    assert_eq!(copy.exif(), None);
    assert_eq!(copy.dimensions(), Some((32, 48)));
}

#[test]
fn a_png_keeps_pixels_and_orientation_and_loses_the_rest() {
    let mut png = Png::from_bytes(file(::image::ImageFormat::Png).into()).expect("a PNG");
    png.set_exif(Some(exif(6)));
    let text = img_parts::png::PngChunk::new(*b"tEXt", [b"Author\0", SECRET].concat().into());
    png.chunks_mut().insert(1, text);
    let mut uploaded: Vec<u8> = png.encoder().bytes().into();
    uploaded.extend_from_slice(SECRET);
    let copy = copy_of(&uploaded);
    assert_eq!(copy.media_type, "image/png");
    let tag = Png::from_bytes(copy.bytes.into()).expect("a PNG").exif();
    assert_eq!(tag, Some(orientation_only_bytes(6)));
}

#[test]
fn a_webp_keeps_pixels_and_orientation_and_loses_the_rest() {
    let mut webp = WebP::from_bytes(file(::image::ImageFormat::WebP).into()).expect("a WebP");
    webp.set_exif(Some(exif(8)));
    let uploaded: Vec<u8> = webp.encoder().bytes().into();
    assert!(contains(&uploaded, SECRET));
    let copy = copy_of(&uploaded);
    assert_eq!(copy.media_type, "image/webp");
    let tag = WebP::from_bytes(copy.bytes.into()).expect("a WebP").exif();
    assert_eq!(tag, Some(orientation_only_bytes(8)));
}

#[test]
fn a_webp_with_other_chunks_is_encoded_anew() {
    use img_parts::riff::{RiffChunk, RiffContent};
    let mut webp = WebP::from_bytes(file(::image::ImageFormat::WebP).into()).expect("a WebP");
    let xmp = RiffChunk::new(*b"XMP ", RiffContent::Data(SECRET.into()));
    webp.chunks_mut().push(xmp);
    let copy = copy_of(&webp.encoder().bytes());
    assert_eq!(copy.media_type, "image/jpeg");
}

#[test]
fn other_formats_become_png() {
    for format in [::image::ImageFormat::Gif, ::image::ImageFormat::Bmp, ::image::ImageFormat::Tiff] {
        let uploaded = match format {
            ::image::ImageFormat::Gif => {
                let mut gif = std::io::Cursor::new(Vec::new());
                let rgba = ::image::DynamicImage::from(picture()).into_rgba8();
                rgba.write_to(&mut gif, format).expect("the picture is written");
                gif.into_inner()
            }
            _ => file(format),
        };
        let copy = copy_of(&uploaded);
        assert_eq!(copy.media_type, "image/png");
    }
}

#[test]
fn thumbnails_are_small_jpegs() {
    let copy = copy_of(&file(::image::ImageFormat::Png));
    let thumbnail = decode(&copy.thumbnail, &Limits::default()).expect("the thumbnail decodes");
    assert_eq!(thumbnail.pixels.dimensions(), (16, 11));
    assert_eq!(thumbnail.format, ImageFormat::Jpeg);
}
