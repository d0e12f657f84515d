//! The tiny model with random weights that the original's numbers were taken from, and comparisons.
#![allow(dead_code, missing_docs)]

pub mod made_dataset;
pub mod recompute;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use trainer::checkpoint::{NamedTensors, load_named, read_tensors};
use trainer::model::{CaptioningModel, Dropouts, ModelConfig};

pub const TOLERANCE: f64 = 1e-4;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub struct Tiny {
    pub store: VarStore,
    pub model: CaptioningModel,
    pub config: ModelConfig,
}

/// The tiny model with the weights of one of its checkpoints, ready for inference.
pub fn tiny_model(checkpoint: &str) -> Tiny {
    let mut tiny = tiny_model_to_train(checkpoint, Dropouts::default());
    tiny.model.backbone.prepare_inference();
    tiny
}

/// The tiny model with the weights of one of its checkpoints and these dropouts.
pub fn tiny_model_to_train(checkpoint: &str, dropouts: Dropouts) -> Tiny {
    let config = std::fs::read(fixture("tiny_model/config.json")).expect("the fixture is there");
    let config: ModelConfig = serde_json::from_slice(&config).expect("the fixture parses");
    let store = VarStore::new(Device::Cpu);
    // Drawn, though the checkpoint's weights take their place.
    let model = drawn(0, || CaptioningModel::new(&store.root(), &config, dropouts));
    let mut tensors = read_tensors(&fixture("tiny_model").join(checkpoint)).expect("the checkpoint reads");
    tensors.retain(|name, _| !name.ends_with("relative_position_index") && !name.ends_with("attn_mask"));
    load_named(&store, &tensors).expect("the checkpoint fits");
    Tiny { store, model, config }
}

/// What is drawn from this seed. libtorch's random numbers are the process's: tests that run beside this one draw theirs
/// before or afterwards.
pub fn drawn<T>(seed: i64, draw: impl FnOnce() -> T) -> T {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    draw()
}

pub const CHECKPOINT: &str = "checkpoint_rf.pth";

pub fn reference_tensors(name: &str) -> NamedTensors {
    read_tensors(&fixture(name)).expect("the fixture reads")
}

pub fn reference_json(name: &str) -> Value {
    let text = std::fs::read(fixture(name)).expect("the fixture is there");
    serde_json::from_slice(&text).expect("the fixture parses")
}

/// Panics with the figure if any two values differ by more than [`TOLERANCE`].
pub fn assert_close(what: &str, ours: &Tensor, theirs: &Tensor) {
    assert_eq!(ours.size(), theirs.size(), "{what}: shapes");
    let difference = (ours - theirs).abs().max().to_kind(Kind::Double).double_value(&[]);
    println!("{what}: largest difference {difference:.1e}");
    assert!(difference <= TOLERANCE, "{what}: {difference} > {TOLERANCE}");
}

pub fn integers(value: &Value) -> Vec<i64> {
    value.as_array().expect("an array").iter().map(|item| item.as_i64().expect("an integer")).collect()
}

pub fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(|item| item.as_f64().expect("a number")).collect()
}
