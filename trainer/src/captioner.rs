//! A model folder in memory: prepared pictures in, captions out.

use crate::checkpoint::{Package, PackageError};
use crate::decoding::{Beam, BeamSearchOptions, IncrementalDecoder, JoinedProjections, beam_search};
use crate::device::{DeviceChoice, DeviceError, PrecisionChoice, device_name};
use crate::image::{ImageError, Normalization, normalize, resize_square};
use crate::model::{BackboneConfig, CaptioningModel};
use crate::vocabulary::Vocabulary;
use ::image::RgbImage;
use serde::Serialize;
use std::path::Path;
use tch::{Device, Kind, TchError, Tensor};

pub use crate::decoding::BeamSearchOptions as SearchOptions;

/// How a model folder is to be loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Where to run.
    pub device: DeviceChoice,
    /// In which number format the backbone runs.
    pub precision: PrecisionChoice,
    /// CPU threads of libtorch; none: one a core.
    pub threads: Option<usize>,
}

/// What is loaded: shown to people and clients.
#[derive(Clone, Debug, Serialize)]
pub struct ModelInfo {
    /// The folder's name.
    pub id: String,
    /// SHA-256 (hex) of the weights, configuration and vocabulary.
    pub revision: String,
    /// The backbone's name in `config.json`.
    pub backbone: String,
    /// Side of the square input in pixels.
    pub image_size: u32,
    /// Words known.
    pub vocab_size: usize,
    /// Weights of backbone and body.
    pub parameters: u64,
    /// Longest caption in tokens, SOS and EOS included.
    pub max_length: usize,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Number format of the backbone: `float32` or `bfloat16`.
    pub precision: String,
}

/// Why a model can't be put to work.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The device or number format can't be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The model folder can't be read.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The first caption failed.
    #[error("the model does not run: {0}")]
    WarmUp(#[from] InferenceError),
}

/// libtorch failed while captioning.
#[derive(Debug, thiserror::Error)]
#[error("the model failed: {0}")]
pub struct InferenceError(pub String);

impl From<TchError> for InferenceError {
    fn from(error: TchError) -> Self {
        InferenceError(error.to_string())
    }
}

/// Turns a decoded picture into the model's input, off the model's thread.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    image_size: u32,
    normalization: Normalization,
}

/// One picture as the model wants it.
#[derive(Clone, Debug)]
pub struct PreparedImage {
    /// `[3, image_size, image_size]`, normalised.
    pub planes: Vec<f32>,
}

impl Preprocessor {
    /// The way to a square of `image_size` pixels, normalised as the backbone wants it.
    pub fn new(image_size: u32, normalization: Normalization) -> Self {
        Preprocessor { image_size, normalization }
    }

    /// Resizes to the model's square and normalises.
    pub fn prepare(&self, image: &RgbImage) -> Result<PreparedImage, ImageError> {
        let square = resize_square(image, self.image_size)?;
        Ok(PreparedImage { planes: normalize(&square, &self.normalization) })
    }
}

/// One caption of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Caption {
    /// Sentence case, full stop: "A dog runs through the grass."
    pub caption: String,
    /// Mean log-probability per token (SOS included, as in the original).
    pub score: f64,
    /// SOS, words, and EOS unless the length limit came first.
    pub tokens: Vec<i64>,
    /// Log-probability of each token; 0 for SOS.
    pub log_probs: Vec<f32>,
}

/// Encoder outputs of a batch.
pub struct Encoded {
    /// `[images, tokens, d_model]`
    tokens: Tensor,
}

impl Encoded {
    /// The encodings of some of the images, in the order asked.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn select(&self, images: &[usize]) -> Encoded {
        let index: Vec<i64> = images.iter().map(|&image| image as i64).collect();
        let index = Tensor::from_slice(&index).to_device(self.tokens.device());
        Encoded { tokens: self.tokens.index_select(0, &index) }
    }
}

/// A loaded model. `Send`, not `Sync`: one thread owns it.
pub struct Captioner {
    model: CaptioningModel,
    joined: JoinedProjections,
    vocabulary: Vocabulary,
    info: ModelInfo,
    preprocessor: Preprocessor,
    device: Device,
}

impl Captioner {
    /// Loads a model folder and captions a blank picture, so that the first real one is fast.
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Captioner, LoadError> {
        if let Some(threads) = options.threads {
            tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
        }
        let device = options.device.resolve()?;
        let Package { mut store, mut model, config, vocabulary, revision } = Package::read(folder, device)?;
        // A Swin is 3 times as fast in bfloat16 on a CPU; a small convolutional backbone gains little
        // and a fifth of its captions change (docs/PERFORMANCE.md).
        let gains = matches!(config.backbone, BackboneConfig::Swin(_)) || device.is_cuda();
        let bfloat16 = options.precision.bfloat16_on(device, gains)?;
        store.freeze();
        if bfloat16 {
            to_bfloat16(&store, crate::model::Backbone::prefix(&config.backbone));
        }
        model.backbone.prepare_inference();

        let info = ModelInfo {
            id: folder_name(folder),
            revision,
            backbone: config.backbone.name().to_owned(),
            image_size: config.image_size as u32,
            vocab_size: vocabulary.len(),
            parameters: store.variables().values().map(|tensor| tensor.numel() as u64).sum(),
            max_length: config.max_sequence_length as usize,
            device: device_name(device),
            precision: if bfloat16 { "bfloat16" } else { "float32" }.to_owned(),
        };
        let preprocessor = Preprocessor::new(info.image_size, config.backbone.normalization());
        let joined = JoinedProjections::of(&model.body.decoder);
        let captioner = Captioner { model, joined, vocabulary, info, preprocessor, device };
        captioner.warm_up()?;
        Ok(captioner)
    }

    /// What is loaded.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The way from pixels to this model's input.
    pub fn preprocessor(&self) -> Preprocessor {
        self.preprocessor.clone()
    }

    /// Backbone and encoder for a whole batch at once.
    pub fn encode(&self, images: &[PreparedImage]) -> Result<Encoded, InferenceError> {
        tch::no_grad(|| {
            let side = i64::from(self.info.image_size);
            let planes =
                images.iter().map(|image| Tensor::f_from_slice(&image.planes)).collect::<Result<Vec<_>, _>>()?;
            let batch = Tensor::f_stack(&planes, 0)?.f_view([-1, 3, side, side])?.f_to_device(self.device)?;
            let features = self.model.backbone.forward_t(&batch, false);
            Ok(Encoded { tokens: self.model.body.encoder.forward_t(&features, None, false) })
        })
    }

    /// All beams of each image, best first: `[images][beam_size]`.
    pub fn search(&self, encoded: &Encoded, options: &BeamSearchOptions) -> Result<Vec<Vec<Caption>>, InferenceError> {
        let options = BeamSearchOptions {
            beam_size: options.beam_size.clamp(1, self.info.vocab_size),
            max_length: options.max_length.clamp(2, self.info.max_length),
        };
        let decoder = IncrementalDecoder::new(&self.model.body.decoder, &self.joined);
        let images = encoded.tokens.size().first().map_or(0, |&images| images as usize);
        let (sos, eos) = (self.vocabulary.sos(), self.vocabulary.eos());
        let found = tch::no_grad(|| beam_search(&decoder, &encoded.tokens, images, sos, eos, &options))?;
        Ok(found.into_iter().map(|beams| beams.into_iter().map(|beam| self.caption(beam)).collect()).collect())
    }

    fn caption(&self, beam: Beam) -> Caption {
        Caption {
            caption: self.vocabulary.sentence(&beam.tokens),
            score: f64::from(beam.score()),
            tokens: beam.tokens,
            log_probs: beam.log_probs,
        }
    }

    fn warm_up(&self) -> Result<(), InferenceError> {
        let side = self.info.image_size as usize;
        let blank = PreparedImage { planes: vec![0.; 3 * side * side] };
        let encoded = self.encode(&[blank])?;
        self.search(&encoded, &BeamSearchOptions { beam_size: 5, max_length: 8 })?;
        Ok(())
    }
}

/// Turns the variables under `prefix` to bfloat16, in place.
fn to_bfloat16(store: &tch::nn::VarStore, prefix: &str) {
    tch::no_grad(|| {
        for (name, mut variable) in store.variables() {
            if name.starts_with(prefix) && variable.kind() == Kind::Float {
                let narrowed = variable.to_kind(Kind::BFloat16);
                variable.set_data(&narrowed);
            }
        }
    });
}

fn folder_name(folder: &Path) -> String {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    resolved.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}
