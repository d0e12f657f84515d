//! Checkpoints of the original, and of other runs: as a start, and as what is handed back.

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use support::made_dataset::MadeDataset;
use support::{CHECKPOINT, fixture};
use tch::Device;
use trainer::checkpoint::{
    Checkpoints, ImportOptions, NamedTensors, import, package, read_tensors, state_dict, write_pth,
};
use trainer::training::{Events, Recipe, Run};

const OTHER: &str = "second_model.pth";

fn tiny(name: &str) -> PathBuf {
    fixture("tiny_model").join(name)
}

/// End-to-end training of the tiny model that the original's fixtures were made with, for so few iterations that
/// the optimiser changes nothing: its variance can't be told before the sixth.
fn recipe(made: &MadeDataset, backbone: &str, body: &str) -> Recipe {
    let images = made.folder.path().display();
    let text = format!(
        r#"
seed = 1
[data]
dataset = "{images}/dataset.json"
images = "{images}/images"
vocabulary = "{vocabulary}"
[weights]
backbone = "{first}"
body = "{first}"
[model]
backbone = "swin"
image_size = 96
swin_embed_dim = 16
swin_depths = [2, 2, 4, 2]
swin_num_heads = [1, 2, 4, 8]
swin_window_size = 3
d_model = 32
num_encoder_layers = 2
num_decoder_layers = 2
num_heads = 4
d_ff = 64
encoder_expansion_lengths = [4, 8, 16]
decoder_expansion_length = 4
max_sequence_length = 20
[[phase]]
name = "xe"
step = "cross-entropy"
backbone = "{backbone}"
body = "{body}"
epochs = 1
batch_size = 4
learning_rate = 1e-3
evaluation_images = 0
"#,
        vocabulary = tiny("vocab.json").display(),
        first = tiny(CHECKPOINT).display(),
    );
    Recipe::parse(&text, &[]).expect("is one")
}

fn weights_after(recipe: &Recipe, folder: &Path) -> NamedTensors {
    let stop = AtomicBool::new(false);
    let run = Run::open(recipe, folder, Device::Cpu, &stop).expect("opens");
    run.run(None, &mut Events::default()).expect("trains");
    Checkpoints::at(&folder.join("xe"), 1).newest().expect("reads").expect("is there").model
}

fn assert_same(ours: &NamedTensors, theirs: &NamedTensors, of: impl Fn(&str) -> bool) {
    let names: Vec<&String> = ours.keys().filter(|name| of(name)).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(ours[name].equal(&theirs[name]), "{name} differs");
    }
}

fn of_backbone(name: &str) -> bool {
    name.starts_with("swin_transf.")
}

#[test]
fn a_phase_starts_from_checkpoints_of_the_original_part_by_part() {
    let made = MadeDataset::new();
    let (first, second) = (read_tensors(&tiny(CHECKPOINT)).expect("reads"), read_tensors(&tiny(OTHER)).expect("reads"));
    let body = format!("checkpoint:{}", tiny(OTHER).display());
    let weights = weights_after(&recipe(&made, "pretrained", &body), &made.path("a"));
    assert_same(&weights, &first, of_backbone);
    assert_same(&weights, &second, |name| !of_backbone(name));
    assert!(!second["vocab_linear.weight"].equal(&first["vocab_linear.weight"]));
}

#[test]
fn a_phase_starts_from_a_checkpoint_or_a_model_of_another_run() {
    let made = MadeDataset::new();
    let second = format!("checkpoint:{}", tiny(OTHER).display());
    let expected = weights_after(&recipe(&made, &second, &second), &made.path("a"));
    let state = format!("checkpoint:{}", made.path("a/xe/state-00000003").display());
    let model = format!("checkpoint:{}", made.path("a/xe/model").display());
    let weights = weights_after(&recipe(&made, &state, &model), &made.path("b"));
    assert_same(&weights, &expected, |_| true);
}

/// A model folder of the original's checkpoint.
fn imported(folder: &Path) {
    let options = ImportOptions {
        checkpoint: tiny(CHECKPOINT),
        vocabulary: Some(tiny("vocab.json")),
        config: Some(tiny("config.json")),
        backbone: None,
        output: folder.to_owned(),
        force: false,
        float32: true,
    };
    import(&options).expect("imports");
}

#[test]
fn the_original_gets_back_its_whole_state_dictionary() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    imported(&folder.path().join("model"));
    let (config, tensors) = package::weights(&folder.path().join("model")).expect("reads");
    let path = folder.path().join("back.pth");
    write_pth(&path, &state_dict(tensors, &config, false).expect("has a Swin")).expect("written");
    // Every name that the original saved, its buffers among them, with the same kind and numbers; and no other.
    let (ours, theirs) = (read_tensors(&path).expect("reads"), read_tensors(&tiny(CHECKPOINT)).expect("reads"));
    assert!(theirs.contains_key("swin_transf.layers.0.blocks.1.attn_mask"));
    assert!(ours.keys().eq(theirs.keys()));
    for (name, tensor) in &theirs {
        assert_eq!(ours[name].kind(), tensor.kind(), "{name}");
        assert!(ours[name].equal(tensor), "{name} differs");
    }
}

#[test]
fn the_body_alone_is_what_the_originals_model_without_a_backbone_has() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    imported(&folder.path().join("model"));
    let (config, tensors) = package::weights(&folder.path().join("model")).expect("reads");
    let body = state_dict(tensors, &config, true).expect("any backbone will do");
    assert!(body.contains_key("input_linear.weight") && !body.keys().any(|name| of_backbone(name)));
}
