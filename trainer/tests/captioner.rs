//! From a picture's bytes to captions: the whole library against the original, and its own promises.

mod support;

use std::fs;
use std::path::Path;
use support::{CHECKPOINT, fixture, floats, integers, reference_json, reference_tensors};
use trainer::captioner::{Captioner, LoadOptions, PreparedImage, SearchOptions};
use trainer::checkpoint::{ImportOptions, import};
use trainer::device::{DeviceChoice, PrecisionChoice};
use trainer::image::{Limits, decode};

/// Pillow's and our resize differ by one grey level here and there, which moves log-probabilities.
const RESIZE_TOLERANCE: f64 = 2e-3;

fn tiny_captioner(folder: &Path, precision: PrecisionChoice) -> Captioner {
    let output = folder.join("tiny");
    if !output.exists() {
        import(&ImportOptions {
            checkpoint: fixture("tiny_model").join(CHECKPOINT),
            vocabulary: Some(fixture("tiny_model/vocab.json")),
            config: Some(fixture("tiny_model/config.json")),
            backbone: None,
            output: output.clone(),
            force: false,
            float32: true,
        })
        .expect("imports");
    }
    let options = LoadOptions { device: DeviceChoice::Cpu, precision, threads: None };
    Captioner::load(&output, &options).expect("loads")
}

fn prepared(captioner: &Captioner, name: &str) -> PreparedImage {
    let bytes = fs::read(fixture("images").join(name)).expect("the fixture is there");
    let picture = decode(&bytes, &Limits::default()).expect("decodes");
    captioner.preprocessor().prepare(&picture.pixels).expect("resizes")
}

/// Identical tokens and sentences; returns the largest difference of a log-probability.
fn largest_difference(captioner: &Captioner, prepare: impl Fn(&str) -> PreparedImage) -> f64 {
    let expected = reference_json("tiny_model/expected_image_files.json");
    let options = SearchOptions { beam_size: 5, max_length: 20 };
    let mut largest = 0f64;
    for (name, beams) in expected.as_object().expect("by picture") {
        let encoded = captioner.encode(&[prepare(name)]).expect("encodes");
        let captions = captioner.search(&encoded, &options).expect("searches").remove(0);
        for (rank, (ours, theirs)) in captions.iter().zip(beams.as_array().expect("beams")).enumerate() {
            assert_eq!(ours.tokens, integers(&theirs["tokens"]), "{name}, beam {rank}");
            assert_eq!(ours.caption, theirs["caption"], "{name}, beam {rank}");
            for (a, b) in ours.log_probs.iter().zip(floats(&theirs["log_probs"])) {
                largest = largest.max((f64::from(*a) - b).abs());
            }
        }
    }
    largest
}

#[test]
fn pictures_get_the_originals_captions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let captioner = tiny_captioner(folder.path(), PrecisionChoice::Float32);
    let largest = largest_difference(&captioner, |name| prepared(&captioner, name));
    println!("largest difference of a log-probability: {largest:.1e}");
    assert!(largest < RESIZE_TOLERANCE, "{largest}");
}

#[test]
fn pillows_pixels_get_the_originals_log_probabilities() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let captioner = tiny_captioner(folder.path(), PrecisionChoice::Float32);
    let resized = reference_tensors("images/expected_resize.safetensors");
    let largest = largest_difference(&captioner, |name| {
        let planes = resized[&format!("{name}:96:normalized")].flatten(0, -1);
        PreparedImage { planes: Vec::try_from(planes).expect("floats") }
    });
    println!("largest difference of a log-probability: {largest:.1e}");
    assert!(largest <= support::TOLERANCE, "{largest}");
}

#[test]
fn a_batch_is_captioned_like_its_pictures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let captioner = tiny_captioner(folder.path(), PrecisionChoice::Float32);
    let options = SearchOptions { beam_size: 3, max_length: 12 };
    let pictures: Vec<_> = ["small.png", "portrait.png", "square.png"].map(|name| prepared(&captioner, name)).to_vec();
    let together = captioner.encode(&pictures).expect("encodes");
    let swapped = captioner.search(&together.select(&[2, 0]), &options).expect("searches");
    for (found, index) in swapped.iter().zip([2, 0]) {
        let alone = captioner.encode(&pictures[index..=index]).expect("encodes");
        let alone = captioner.search(&alone, &options).expect("searches").remove(0);
        assert_eq!(
            found.iter().map(|c| &c.tokens).collect::<Vec<_>>(),
            alone.iter().map(|c| &c.tokens).collect::<Vec<_>>()
        );
    }
}

#[test]
fn wishes_beyond_the_model_are_brought_within_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let captioner = tiny_captioner(folder.path(), PrecisionChoice::Float32);
    assert_eq!((captioner.info().max_length, captioner.info().vocab_size), (20, 50));
    let encoded = captioner.encode(&[prepared(&captioner, "small.png")]).expect("encodes");
    let wide = captioner.search(&encoded, &SearchOptions { beam_size: 999, max_length: 999 }).expect("searches");
    assert_eq!(wide[0].len(), 50);
    let short = captioner.search(&encoded, &SearchOptions { beam_size: 0, max_length: 0 }).expect("searches");
    assert_eq!((short[0].len(), short[0][0].tokens.len()), (1, 2));
}

#[test]
fn a_broken_model_folder_says_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    drop(tiny_captioner(folder.path(), PrecisionChoice::Float32));
    let tiny = folder.path().join("tiny");
    let message = |tiny: &Path| match Captioner::load(tiny, &LoadOptions::default()) {
        Ok(_) => panic!("the folder is broken"),
        Err(error) => error.to_string(),
    };
    let weights = fs::read(tiny.join("model.safetensors")).expect("has weights");
    fs::write(tiny.join("model.safetensors"), &weights[..weights.len() / 2]).expect("writable");
    assert!(message(&tiny).contains("model.safetensors"));
    fs::write(tiny.join("config.json"), "{").expect("writable");
    assert!(message(&tiny).contains("config.json"));
    fs::remove_file(tiny.join("vocab.json")).expect("removable");
    assert!(message(&tiny).contains("has no vocab.json"));
}

/// The best caption of each picture stays, unless float32 itself held it for a near tie.
#[test]
fn bfloat16_keeps_the_captions_or_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let exact = tiny_captioner(folder.path(), PrecisionChoice::Float32);
    let options = LoadOptions { device: DeviceChoice::Cpu, precision: PrecisionChoice::Bfloat16, threads: None };
    let narrow = match Captioner::load(&folder.path().join("tiny"), &options) {
        Ok(captioner) => captioner,
        Err(error) => return assert!(error.to_string().contains("no bfloat16 arithmetic"), "{error}"),
    };
    assert_eq!(narrow.info().precision, "bfloat16");
    let search = SearchOptions { beam_size: 5, max_length: 20 };
    for name in ["landscape.png", "portrait.png", "small.png", "square.png"] {
        let best = |captioner: &Captioner| {
            let encoded = captioner.encode(&[prepared(captioner, name)]).expect("encodes");
            captioner.search(&encoded, &search).expect("searches").remove(0)
        };
        let (exact, narrow) = (best(&exact), best(&narrow));
        let margin = exact[0].score - exact[1].score;
        println!("{name}: same {}, margin {margin:.4}", exact[0].tokens == narrow[0].tokens);
        assert!(
            exact[0].tokens == narrow[0].tokens || margin < 0.02,
            "{name}: {} became {}",
            exact[0].caption,
            narrow[0].caption
        );
    }
}
