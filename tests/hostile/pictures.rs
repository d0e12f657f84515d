//! Pictures: of random bytes, with changed bytes, and cut off at every kind of place.

use super::mutation::{Mutation, mutations};
use super::{MAX_MEMORY, MAX_PIXELS, MAX_TIME, Target, cases, memory_stayed_bounded};
use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;
use trainer::image::{ImageError, Limits, decode};

/// Every small picture of the project: all formats, depths and orientations.
fn small_pictures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("trainer/tests/fixtures/images");
    let mut pictures: Vec<_> = fs::read_dir(&folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "md" && extension != "safetensors"))
        .filter(|path| path.metadata().is_ok_and(|file| file.is_file() && file.len() < 20_000))
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), fs::read(&path).expect("reads")))
        .collect();
    pictures.sort();
    assert!(pictures.len() > 30, "{} pictures", pictures.len());
    pictures
}

fn limits() -> Limits {
    Limits { max_bytes: 2_000_000, max_pixels: MAX_PIXELS, max_memory: MAX_MEMORY }
}

/// A picture of the project and the changes to it; printed instead of its bytes.
#[derive(Clone, Debug)]
struct Changed {
    name: String,
    mutations: Vec<Mutation>,
    /// Whether a PNG file's checksums are made right again, so that the changes get past them.
    mend: bool,
}

impl Changed {
    fn bytes(&self, pictures: &[(String, Vec<u8>)]) -> Vec<u8> {
        let (_, whole) = pictures.iter().find(|(name, _)| *name == self.name).expect("a fixture");
        let mut bytes = whole.clone();
        self.mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        if self.mend {
            mend_png(&mut bytes);
        }
        bytes
    }
}

fn changed(pictures: &[(String, Vec<u8>)]) -> impl Strategy<Value = Changed> + use<> {
    let names: Vec<_> = pictures.iter().map(|(name, _)| name.clone()).collect();
    let parts = (proptest::sample::select(names), mutations(), any::<bool>());
    parts.prop_map(|(name, mutations, mend)| Changed { name, mutations, mend })
}

/// The first bytes of each format, then noise.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let starts: [&[u8]; 8] = [
        b"",
        b"\xFF\xD8\xFF\xE0",
        b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR",
        b"RIFF\0\x10\0\0WEBPVP8 ",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"MM\0*",
    ];
    let start = proptest::sample::select(starts.map(<[u8]>::to_vec).to_vec());
    (start, proptest::collection::vec(any::<u8>(), 0..2000)).prop_map(|(start, rest)| [start, rest].concat())
}

/// Decodes within the limits; an error is one of the picture, never of our own making. True for a picture.
fn decode_calmly(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let started = Instant::now();
    let outcome = decode(bytes, &limits());
    match &outcome {
        Ok(decoded) => {
            let pixels = u64::from(decoded.pixels.width()) * u64::from(decoded.pixels.height());
            prop_assert!((1..=MAX_PIXELS).contains(&pixels));
        }
        Err(error) => {
            prop_assert!(!matches!(error, ImageError::Resize { .. } | ImageError::Encode { .. }), "{error}");
            prop_assert!(error.to_string().len() < 1000, "{error}");
        }
    }
    prop_assert!(started.elapsed() < MAX_TIME, "took {:?}", started.elapsed());
    Ok(outcome.is_ok())
}

fn upload(bytes: Vec<u8>) -> Request<Body> {
    let request = Request::post("/api/caption").header("content-type", "image/*");
    request.body(Body::from(bytes)).expect("a request")
}

#[test]
fn changed_pictures_are_decoded_or_refused() {
    let pictures = small_pictures();
    let (read, refused) = (Cell::new(0), Cell::new(0));
    proptest!(cases(20_000), |(changed in changed(&pictures))| {
        let count = if decode_calmly(&changed.bytes(&pictures))? { &read } else { &refused };
        count.set(count.get() + 1);
    });
    println!("{} read, {} refused", read.get(), refused.get());
    assert!(read.get() > 0 && refused.get() > 0, "the changes are too harmless or too harsh");
    memory_stayed_bounded();
}

#[test]
fn noise_is_refused() {
    proptest!(cases(20_000), |(noise in noise())| { decode_calmly(&noise)?; });
    memory_stayed_bounded();
}

#[test]
fn changed_pictures_go_through_the_whole_server() {
    let (target, pictures) = (Target::new(), small_pictures());
    proptest!(cases(1000), |(changed in changed(&pictures))| {
        let answered = target.send(upload(changed.bytes(&pictures)))?;
        if answered.status == 200 {
            // What is captioned can be shown.
            let answer = answered.json();
            let id = answer["image"]["id"].as_str().expect("an id");
            for size in ["full", "thumbnail"] {
                let image = target.send(Request::get(format!("/api/images/{id}?size={size}")).body(Body::empty()).expect("a request"))?;
                prop_assert_eq!(image.status.as_u16(), 200);
                prop_assert!(decode(&image.body, &limits()).is_ok(), "the stored {} cannot be decoded", size);
            }
        }
    });
    memory_stayed_bounded();
}

#[test]
fn noise_goes_no_further_than_the_door() {
    let target = Target::new();
    proptest!(cases(1000), |(noise in noise())| { target.send(upload(noise))?; });
    memory_stayed_bounded();
}

/// A file that is cut off gives all of its picture or none of it: nothing is made up.
#[test]
fn cut_off_pictures_are_whole_or_refused() {
    for (name, bytes) in small_pictures() {
        let whole = match decode(&bytes, &limits()) {
            Ok(whole) => whole.pixels,
            // The one fixture of a kind that is not read.
            Err(ImageError::UnsupportedKind { .. }) if name == "small_palette.tiff" => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        let step = (bytes.len() / 150).max(1);
        let near_the_end = bytes.len().saturating_sub(40)..bytes.len();
        for length in (0..bytes.len()).step_by(step).chain(near_the_end) {
            if let Ok(part) = decode(&bytes[..length], &limits()) {
                assert!(part.pixels == whole, "{name}, {length} of {} bytes: made up", bytes.len());
            }
        }
    }
    memory_stayed_bounded();
}

/// Makes the checksums of a PNG file's chunks right.
fn mend_png(file: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = file.get(at..at + 4).map(|bytes| u32::from_be_bytes(bytes.try_into().expect("four"))) {
        let end = at + 8 + length as usize;
        let Some(chunk) = file.get(at + 4..end) else { return };
        let checksum = crc32(chunk).to_be_bytes();
        let Some(place) = file.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&checksum);
        at = end + 4;
    }
}

/// The CRC of PNG and zip.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn the_checksum_is_that_of_png() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    let mut pictures = small_pictures();
    for (name, bytes) in pictures.iter_mut().filter(|(name, _)| name.ends_with(".png")) {
        let before = bytes.clone();
        mend_png(bytes);
        assert!(*bytes == before, "{name}: was right already");
    }
}
