//! A model that says how large the picture is, can be held in mid-work, and fails on pictures of certain widths.

use super::gate::{Gate, Keeper, gate};
use expansionnet::captioning::{CaptionService, Model, Prepare, QueueSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trainer::captioner::{Caption, InferenceError, ModelInfo, PreparedImage, SearchOptions};

/// Pictures of this width make the model panic.
pub const PANICS: u32 = 13;
/// Pictures of this width make the model return an error.
pub const FAILS: u32 = 14;
/// Pictures of this width get a caption full of markup.
pub const MARKUP: u32 = 15;
/// Pictures of this width make the model's thread fail: what is thrown panics when it is thrown away.
pub const KILLS: u32 = 16;
/// Pictures of this width make the preparation panic.
pub const UNPREPARABLE: u32 = 17;
/// Pictures of this width make the model say that its GPU is lost.
pub const LOSES_GPU: u32 = 18;
/// The longest caption of the fake model.
pub const MAX_LENGTH: usize = 20;

/// The fake.
pub struct FakeModel {
    info: ModelInfo,
    /// Before each batch.
    gate: Option<Arc<Gate>>,
    /// Before the preparation of each picture.
    intake_gate: Option<Arc<Gate>>,
    /// Set when the model is dropped.
    dropped: Arc<AtomicBool>,
}

impl FakeModel {
    /// A model that works at once.
    pub fn new() -> FakeModel {
        FakeModel { info: info(), gate: None, intake_gate: None, dropped: Arc::default() }
    }

    /// A model that stops at each batch.
    pub fn gated() -> (FakeModel, Keeper) {
        let ((gate, keeper), mut model) = (gate(), FakeModel::new());
        model.gate = Some(gate);
        (model, keeper)
    }

    /// A model that stops before each picture is prepared.
    pub fn gated_intake() -> (FakeModel, Keeper) {
        let ((gate, keeper), mut model) = (gate(), FakeModel::new());
        model.intake_gate = Some(gate);
        (model, keeper)
    }

    /// Tells whether the model is gone.
    pub fn dropped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.dropped)
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

/// A panic whose remains panic.
struct PanicsAgain;

impl Drop for PanicsAgain {
    fn drop(&mut self) {
        panic!("the fake model's panic panics on purpose");
    }
}

fn info() -> ModelInfo {
    ModelInfo {
        id: "fake".to_owned(),
        members: vec!["fake".to_owned()],
        revision: "0123456789abcdef".to_owned(),
        backbone: "none".to_owned(),
        image_size: 8,
        vocab_size: 10,
        parameters: 0,
        max_length: MAX_LENGTH,
        device: "cpu".to_owned(),
        precision: "float32".to_owned(),
    }
}

/// The input of a picture of this size.
pub fn picture(width: u32, height: u32) -> PreparedImage {
    PreparedImage { planes: vec![width as f32, height as f32] }
}

impl Model for FakeModel {
    /// Width and height of each picture.
    type Encoded = Vec<(u32, u32)>;

    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn prepare(&self) -> Prepare {
        let gate = self.intake_gate.clone();
        Arc::new(move |image| {
            if let Some(gate) = &gate {
                gate.pass(1);
            }
            assert_ne!(image.width(), UNPREPARABLE, "the preparation panics on purpose");
            Ok(picture(image.width(), image.height()))
        })
    }

    fn encode(&self, images: &[PreparedImage]) -> Result<Self::Encoded, InferenceError> {
        if let Some(gate) = &self.gate {
            gate.pass(images.len());
        }
        let sizes = images.iter().map(|image| (image.planes[0] as u32, image.planes[1] as u32));
        let sizes: Vec<_> = sizes.collect();
        let has = |width| sizes.iter().any(|size| size.0 == width);
        assert!(!has(PANICS), "the fake model panics on purpose");
        if has(KILLS) {
            std::panic::panic_any(PanicsAgain);
        }
        if has(FAILS) {
            return Err(InferenceError("secret internals".to_owned()));
        }
        if has(LOSES_GPU) {
            return Err(InferenceError("CUDA error: unspecified launch failure\nand more".to_owned()));
        }
        Ok(sizes)
    }

    fn select(encoded: &Self::Encoded, images: &[usize]) -> Self::Encoded {
        images.iter().map(|&image| encoded[image]).collect()
    }

    fn search(&self, encoded: &Self::Encoded, options: &SearchOptions) -> Result<Vec<Vec<Caption>>, InferenceError> {
        let beams = |&(width, height): &(u32, u32)| {
            let caption = |beam| Caption {
                caption: match width {
                    MARKUP => "<script>alert(\"1\")</script> & more.".to_owned(),
                    _ => format!("A picture of {width} by {height}, wording {beam}."),
                },
                score: -0.5 - 0.25 * beam as f64,
                tokens: vec![1, 4, 2],
                log_probs: vec![-0.5, -0.5, -0.5],
            };
            (0..options.beam_size).map(caption).collect()
        };
        Ok(encoded.iter().map(beams).collect())
    }
}

/// A service around a model that loads at once.
pub fn service(model: FakeModel, settings: QueueSettings) -> CaptionService {
    let mut model = Some(model);
    CaptionService::start(settings, move || model.take().ok_or("the fake loads once")).expect("a thread")
}
