//! From the original's files to a model folder, and what is said when something is amiss.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::{CHECKPOINT, fixture, reference_tensors};
use tch::{Device, Kind};
use trainer::checkpoint::{ImportError, ImportOptions, Package, import, read_tensors};
use trainer::vocabulary::Vocabulary;

fn options(output: PathBuf) -> ImportOptions {
    ImportOptions {
        checkpoint: fixture("tiny_model").join(CHECKPOINT),
        vocabulary: Some(fixture("tiny_model/vocab.pickle")),
        config: Some(fixture("tiny_model/config.json")),
        backbone: None,
        output,
        force: false,
        float32: true,
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn a_full_training_save_becomes_a_model_folder() {
    let folder = folder();
    let report = import(&options(folder.path().join("tiny"))).expect("imports");
    assert_eq!(report.largest_rounding, 0.);
    assert!(report.unused.iter().all(|name| name.ends_with("relative_position_index") || name.ends_with("attn_mask")));

    let package = Package::read(&folder.path().join("tiny"), Device::Cpu).expect("reads back");
    assert_eq!(package.config, report.config);
    assert_eq!(package.vocabulary, Vocabulary::read(&fixture("tiny_model/vocab.json")).expect("the fixture reads"));
    let image = &reference_tensors("tiny_model/tensors.safetensors")["image"];
    let features = tch::no_grad(|| package.model.backbone.forward_t(image, false));
    support::assert_close("features", &features, &reference_tensors("tiny_model/tensors.safetensors")["swin_features"]);
    let card = fs::read_to_string(folder.path().join("tiny/MODEL_CARD.md")).expect("has a model card");
    assert!(card.contains("swin, 96 x 96") && card.contains("[4, 8, 16]"), "{card}");
}

#[test]
fn what_shapes_do_not_tell_is_asked_for_by_name() {
    let folder = folder();
    let without_config = ImportOptions { config: None, ..options(folder.path().join("tiny")) };
    let message = import(&without_config).unwrap_err().to_string();
    assert!(message.contains("num_heads, encoder_expansion_lengths") && message.contains("--config"), "{message}");
    assert!(!message.contains("image_size"), "the shift mask tells the image size: {message}");

    let partial = folder.path().join("partial.json");
    fs::write(&partial, r#"{"num_heads": 4, "encoder_expansion_lengths": [4, 8, 16]}"#).expect("writable");
    let report = import(&ImportOptions { config: Some(partial), ..without_config }).expect("the rest is inferred");
    assert_eq!(report.config, support::tiny_model(CHECKPOINT).config);
}

#[test]
fn a_contradicting_configuration_is_named() {
    let folder = folder();
    let wrong = folder.path().join("wrong.json");
    fs::write(&wrong, r#"{"d_ff": 65}"#).expect("writable");
    let message =
        import(&ImportOptions { config: Some(wrong), ..options(folder.path().join("x")) }).unwrap_err().to_string();
    assert_eq!(message, "the configuration says d_ff = 65, the weights say 64");
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let folder = folder();
    let file = folder.path().join("weights.safetensors");
    let refused = |value: f64, float32: bool| {
        let tensors = read_tensors(&fixture("tiny_model").join(CHECKPOINT)).expect("reads");
        let _ = tch::no_grad(|| tensors["vocab_linear.bias"].get(0).fill_(value));
        tch::Tensor::write_safetensors(&tensors.into_iter().collect::<Vec<_>>(), &file).expect("writable");
        let output = folder.path().join(format!("{value}-{float32}"));
        import(&ImportOptions { checkpoint: file.clone(), float32, ..options(output) })
            .err()
            .map(|error| error.to_string())
    };
    let infinite = refused(f64::NAN, true).expect("is refused");
    assert!(infinite.starts_with("vocab_linear.bias has values that are no numbers"), "{infinite}");
    let large = refused(1e5, false).expect("is refused");
    assert!(large.contains("--float32"), "{large}");
    assert_eq!(refused(1e5, true), None);
}

#[test]
fn body_and_backbone_from_two_files() {
    let folder = folder();
    let tensors = read_tensors(&fixture("tiny_model").join(CHECKPOINT)).expect("reads");
    let (swin, body): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(name, _)| name.starts_with("swin_transf."));
    let swin: Vec<_> = swin
        .into_iter()
        .map(|(name, tensor)| (name.trim_start_matches("swin_transf.").to_owned(), tensor))
        .chain([("head.weight".to_owned(), tch::Tensor::ones([3], (Kind::Float, Device::Cpu)))])
        .collect();
    let (backbone_file, body_file) = (folder.path().join("swin.safetensors"), folder.path().join("body.safetensors"));
    tch::Tensor::write_safetensors(&swin, &backbone_file).expect("writable");
    tch::Tensor::write_safetensors(&body, &body_file).expect("writable");

    let both =
        ImportOptions { checkpoint: body_file, backbone: Some(backbone_file), ..options(folder.path().join("tiny")) };
    let report = import(&both).expect("imports");
    assert!(
        report.unused.contains(&"swin_transf.head.weight".to_owned()),
        "the classifier is reported, not lost silently"
    );

    let message =
        import(&ImportOptions { backbone: None, output: folder.path().join("y"), ..both }).unwrap_err().to_string();
    assert!(message.contains("swin_transf.patch_embed.proj.weight"), "{message}");
}

#[test]
fn nothing_is_overwritten_or_left_half_done() {
    let folder = folder();
    let output = folder.path().join("tiny");
    fs::create_dir(&output).expect("writable");
    assert!(matches!(import(&options(output.clone())), Err(ImportError::Exists(_))));
    let forced = ImportOptions { force: true, ..options(output.clone()) };
    let no_vocabulary = ImportOptions { vocabulary: Some(fixture("tiny_model/config.json")), ..forced.clone() };
    import(&no_vocabulary).unwrap_err();
    assert_eq!(entries(&output), 0, "a failed import changes nothing");
    import(&forced).expect("replaces");
    assert_eq!(entries(&output), 4);
    assert_eq!(entries(folder.path()), 1, "no temporary folder stays behind");
}

#[test]
fn a_folder_with_more_than_a_model_is_not_replaced() {
    let folder = folder();
    let inside = folder.path().join("rf_model.pth");
    fs::copy(fixture("tiny_model").join(CHECKPOINT), &inside).expect("the fixture is there");
    let forced = ImportOptions { checkpoint: inside.clone(), force: true, ..options(folder.path().to_owned()) };
    let message = import(&forced).unwrap_err().to_string();
    assert!(message.contains("holds more than a model, rf_model.pth for one"), "{message}");
    let onto_a_file = ImportOptions { output: inside.clone(), ..forced };
    let message = import(&onto_a_file).unwrap_err().to_string();
    assert!(message.contains("is no folder") && inside.is_file(), "{message}");
    assert_eq!(entries(folder.path()), 1, "nothing is removed or added");
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

#[test]
fn weights_under_the_key_model_are_found_and_widened() {
    let tensors = read_tensors(&fixture("weights_under_model.pth")).expect("reads");
    assert_eq!(tensors.keys().collect::<Vec<_>>(), ["norm.weight"]);
    assert_eq!(tensors["norm.weight"].kind(), Kind::Float);
    assert_eq!(tensors["norm.weight"].double_value(&[1]), 1.5);
}

#[test]
fn damaged_checkpoints_are_errors() {
    let folder = folder();
    let whole = fs::read(fixture("weights_under_model.pth")).expect("the fixture is there");
    let path = folder.path().join("broken.pth");
    let (half, empty, text): (&[u8], &[u8], &[u8]) = (&whole[..whole.len() / 2], b"", b"no checkpoint at all");
    for bytes in [half, empty, text] {
        fs::write(&path, bytes).expect("writable");
        let message = read_tensors(&path).unwrap_err().to_string();
        assert!(message.contains("broken.pth"), "{message}");
    }
    assert!(read_tensors(&folder.path().join("absent.pth")).unwrap_err().to_string().contains("absent.pth"));
}
