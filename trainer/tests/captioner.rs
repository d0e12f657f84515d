//! From a picture's bytes to captions: the whole library against the original, and its own promises.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::{CHECKPOINT, fixture, floats, integers, reference_json, reference_tensors};
use trainer::captioner::{Captioner, Difference, LoadError, LoadOptions, PreparedImage, SearchOptions};
use trainer::checkpoint::{ImportOptions, import, inspect};
use trainer::device::{DeviceChoice, PrecisionChoice};
use trainer::image::{Limits, decode};

/// Pillow's and our resize differ by one grey level here and there, which moves log-probabilities.
const RESIZE_TOLERANCE: f64 = 2e-3;

fn tiny_captioner(folder: &Path, precision: PrecisionChoice) -> Captioner {
    let output = tiny_folder(folder, "tiny", CHECKPOINT);
    let options = LoadOptions { device: DeviceChoice::Cpu, precision, threads: None };
    Captioner::load(&output, &options).expect("loads")
}

/// A model folder with the weights of one of the fixture's checkpoints.
fn tiny_folder(folder: &Path, name: &str, checkpoint: &str) -> PathBuf {
    let output = folder.join(name);
    if !output.exists() {
        import(&ImportOptions {
            checkpoint: fixture("tiny_model").join(checkpoint),
            vocabulary: Some(fixture("tiny_model/vocab.json")),
            config: Some(fixture("tiny_model/config.json")),
            backbone: None,
            output: output.clone(),
            force: false,
            float32: true,
        })
        .expect("imports");
    }
    output
}

fn prepared(captioner: &Captioner, name: &str) -> PreparedImage {
    let bytes = fs::read(fixture("images").join(name)).expect("the fixture is there");
    let picture = decode(&bytes, &Limits::default()).expect("decodes");
    captioner.preprocessor().prepare(&picture.pixels).expect("resizes")
}

/// Identical tokens and sentences; returns the largest difference of a log-probability.
fn largest_difference(captioner: &Captioner, prepare: impl Fn(&str) -> PreparedImage) -> f64 {
    let expected = reference_json("tiny_model/expected_image_files.json");
    let options = SearchOptions::new(5, 20);
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
    let options = SearchOptions::new(3, 12);
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
fn what_says_a_thing_twice_can_come_last() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let captioner = tiny_captioner(folder.path(), PrecisionChoice::Float32);
    let encoded = captioner.encode(&[prepared(&captioner, "portrait.png")]).expect("encodes");
    let plain = SearchOptions::new(5, 20);
    let found = captioner.search(&encoded, &plain).expect("searches").remove(0);
    assert!(found[1].caption.starts_with("Red table in table in table") && found[2].caption == "Red.", "{found:?}");
    let tidied = captioner.search(&encoded, &SearchOptions { unrepeated_first: true, ..plain }).expect("searches");
    assert_eq!(tidied, [[0, 2, 1, 3, 4].map(|place| found[place].clone())]);
}

#[test]
fn wishes_beyond_the_model_are_brought_within_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let captioner = tiny_captioner(folder.path(), PrecisionChoice::Float32);
    assert_eq!((captioner.info().max_length, captioner.info().vocab_size), (20, 50));
    let encoded = captioner.encode(&[prepared(&captioner, "small.png")]).expect("encodes");
    let wide = captioner.search(&encoded, &SearchOptions::new(999, 999)).expect("searches");
    assert_eq!(wide[0].len(), 50);
    let short = captioner.search(&encoded, &SearchOptions::new(0, 0)).expect("searches");
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
    let inspected = |tiny: &Path| inspect(tiny).map_err(|error| error.to_string());
    assert_eq!(inspected(&tiny), Ok(weights.len() as u64));
    fs::write(tiny.join("model.safetensors"), [&weights[..], b"more"].concat()).expect("writable");
    assert!(inspected(&tiny).expect_err("too long").contains("longer than its header says"));
    fs::write(tiny.join("model.safetensors"), &weights[..weights.len() / 2]).expect("writable");
    assert!(message(&tiny).contains("model.safetensors"));
    assert!(inspected(&tiny).expect_err("too short").contains("model.safetensors: the file is cut off"));
    fs::write(tiny.join("model.safetensors"), "hello").expect("writable");
    assert!(inspected(&tiny).expect_err("other text").contains("no safetensors file"));
    fs::write(tiny.join("config.json"), "{").expect("writable");
    assert!(message(&tiny).contains("config.json"));
    assert!(inspected(&tiny).expect_err("half JSON").contains("config.json"));
    fs::remove_file(tiny.join("vocab.json")).expect("removable");
    assert!(message(&tiny).contains("has no vocab.json"));
    assert!(inspected(&tiny).expect_err("no words").contains("has no vocab.json"));
}

fn cpu() -> LoadOptions {
    LoadOptions { device: DeviceChoice::Cpu, precision: PrecisionChoice::Float32, threads: None }
}

#[test]
fn an_ensemble_votes_like_the_originals() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folders =
        [tiny_folder(folder.path(), "one", CHECKPOINT), tiny_folder(folder.path(), "two", "second_model.pth")];
    let ensemble = Captioner::load_ensemble(&folders, &cpu()).expect("loads");
    let tensors = reference_tensors("tiny_model/tensors.safetensors");
    let image = &tensors["image"];
    let pictures: Vec<PreparedImage> = (0..2)
        .map(|picture| PreparedImage { planes: Vec::try_from(image.get(picture).flatten(0, -1)).expect("floats") })
        .collect();
    let encoded = ensemble.encode(&pictures).expect("encodes");
    let found = ensemble.search(&encoded, &SearchOptions::new(3, 12)).expect("searches");
    let expected = &reference_json("tiny_model/expected.json")["ensemble_beam3_maxlen12"];
    for (picture, beams) in found.iter().enumerate() {
        assert_eq!(beams.len(), 3);
        for (rank, beam) in beams.iter().enumerate() {
            assert_eq!(beam.tokens, integers(&expected["tokens"][picture][rank]), "picture {picture}, beam {rank}");
            for (ours, theirs) in beam.log_probs.iter().zip(floats(&expected["logprobs"][picture][rank])) {
                assert!((f64::from(*ours) - theirs).abs() <= support::TOLERANCE, "{ours} is not {theirs}");
            }
        }
    }
}

#[test]
fn an_ensemble_says_what_it_is_made_of() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folders =
        [tiny_folder(folder.path(), "one", CHECKPOINT), tiny_folder(folder.path(), "two", "second_model.pth")];
    let load = |folders: &[PathBuf]| Captioner::load_ensemble(folders, &cpu()).expect("loads").info().clone();
    let (one, both) = (load(&folders[..1]), load(&folders));
    assert_eq!((one.id.as_str(), both.id.as_str()), ("one", "one+two"));
    assert_eq!(both.members, ["one", "two"]);
    assert_eq!((both.max_length, both.vocab_size, both.image_size), (20, 50, one.image_size));
    assert_eq!(both.parameters, 2 * one.parameters);
    assert_eq!((&both.backbone, &both.precision), (&one.backbone, &one.precision));
    assert_ne!(both.revision, one.revision);
    assert_eq!(both.revision.len(), 64);
}

#[test]
fn a_model_and_itself_write_what_it_writes_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tiny = tiny_folder(folder.path(), "tiny", CHECKPOINT);
    let alone = Captioner::load(&tiny, &cpu()).expect("loads");
    let twice = Captioner::load_ensemble(&[&tiny, &tiny], &cpu()).expect("loads");
    let options = SearchOptions::new(5, 20);
    let pictures = ["small.png", "portrait.png", "square.png"].map(|name| prepared(&alone, name));
    let search = |captioner: &Captioner| {
        let encoded = captioner.encode(&pictures).expect("encodes").select(&[2, 0]);
        captioner.search(&encoded, &options).expect("searches")
    };
    for (twice, alone) in search(&twice).iter().flatten().zip(search(&alone).iter().flatten()) {
        assert_eq!(twice.tokens, alone.tokens);
        assert!((twice.score - alone.score).abs() < 1e-5, "{} and {}", twice.score, alone.score);
    }
}

#[test]
fn models_with_other_words_make_no_ensemble() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folders =
        [tiny_folder(folder.path(), "one", CHECKPOINT), tiny_folder(folder.path(), "two", "second_model.pth")];
    let vocabulary = folders[1].join("vocab.json");
    let words = fs::read_to_string(&vocabulary).expect("has words");
    let mut words: serde_json::Value = serde_json::from_str(&words).expect("JSON");
    words["idx2word"].as_array_mut().expect("a list").swap(10, 11);
    fs::write(&vocabulary, words.to_string()).expect("writable");
    let error = Captioner::load_ensemble(&folders, &cpu()).err().expect("the words are in another order");
    assert!(matches!(error, LoadError::Mismatch { difference: Difference::Vocabulary, .. }), "{error}");
    assert_eq!(error.to_string(), "the models one and two cannot be one ensemble: they differ in their vocabulary");
}

#[test]
fn no_folder_is_no_model() {
    let error = Captioner::load_ensemble::<PathBuf>(&[], &cpu()).err();
    assert!(matches!(error, Some(LoadError::NoMembers)));
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
    let search = SearchOptions::new(5, 20);
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
