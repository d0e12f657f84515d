//! One model folder, or several as an ensemble, in memory: prepared pictures in, captions out.

mod member;
mod ranking;

use crate::checkpoint::PackageError;
use crate::decoding::{Beam, BeamSearchOptions, Ensemble, beam_search};
use crate::device::{DeviceChoice, DeviceError, PrecisionChoice};
use crate::image::{ImageError, Normalization, normalize, resize_square};
use crate::vocabulary::Vocabulary;
use ::image::RgbImage;
use member::Member;
use ranking::unrepeated_first;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::Path;
use tch::{Device, Kind, TchError, Tensor};

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
    /// The folder's name; of an ensemble, its members' with `+` between them.
    pub id: String,
    /// The names of the folders: one, or those of an ensemble.
    pub members: Vec<String>,
    /// SHA-256 (hex) of the weights, configuration and vocabulary; of an ensemble, of its members' revisions.
    pub revision: String,
    /// The backbone's name in `config.json`; different ones of an ensemble with `+` between them.
    pub backbone: String,
    /// Side of the square input in pixels.
    pub image_size: u32,
    /// Words known.
    pub vocab_size: usize,
    /// Weights of backbone and body, of all members.
    pub parameters: u64,
    /// Longest caption in tokens, SOS and EOS included, that every member can write.
    pub max_length: usize,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Number format of the backbone: `float32` or `bfloat16`; different ones with `+` between them.
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
    /// There is nothing to load.
    #[error("no model folder is named")]
    NoMembers,
    /// Models that cannot vote on the same words about the same input.
    #[error("the models {first} and {other} cannot be one ensemble: they differ in {difference}")]
    Mismatch {
        /// A member.
        first: String,
        /// One that does not go with it.
        other: String,
        /// What differs.
        difference: Difference,
    },
    /// The first caption failed.
    #[error("the model does not run: {0}")]
    WarmUp(#[from] InferenceError),
}

/// What the members of an ensemble must share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The words, and their order.
    #[error("their vocabulary")]
    Vocabulary,
    /// The side of the input.
    #[error("the size of their input")]
    ImageSize,
    /// What is done to the pixels' values.
    #[error("the normalisation of their input")]
    Normalization,
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

/// How captions are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SearchOptions {
    /// Captions kept in the race; 1 is greedy.
    pub beam_size: usize,
    /// Longest caption in tokens, SOS and EOS included; at least 2.
    pub max_length: usize,
    /// Whether captions that say a thing twice go behind the others.
    pub unrepeated_first: bool,
}

impl SearchOptions {
    /// With captions in the order of their scores, as the original has them.
    pub const fn new(beam_size: usize, max_length: usize) -> Self {
        SearchOptions { beam_size, max_length, unrepeated_first: false }
    }
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
    /// One a member: `[images, tokens, d_model]`.
    members: Vec<Tensor>,
}

impl Encoded {
    /// The encodings of some of the images, in the order asked.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn select(&self, images: &[usize]) -> Encoded {
        let index: Vec<i64> = images.iter().map(|&image| image as i64).collect();
        let select = |tokens: &Tensor| tokens.index_select(0, &Tensor::from_slice(&index).to_device(tokens.device()));
        Encoded { members: self.members.iter().map(select).collect() }
    }

    fn images(&self) -> usize {
        self.members.first().and_then(|tokens| tokens.size().first().copied()).map_or(0, |images| images as usize)
    }
}

/// A loaded model, or several that vote on every word. `Send`, not `Sync`: one thread owns it.
pub struct Captioner {
    /// At least one.
    members: Vec<Member>,
    vocabulary: Vocabulary,
    info: ModelInfo,
    preprocessor: Preprocessor,
    device: Device,
}

impl Captioner {
    /// Loads a model folder and captions a blank picture, so that the first real one is fast.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Captioner, LoadError> {
        Captioner::load_ensemble(&[folder], options)
    }

    /// Loads model folders as one: the probabilities that they give a word are averaged.
    ///
    /// # Errors
    /// See [`LoadError`]; [`LoadError::Mismatch`] where their words or their inputs differ.
    pub fn load_ensemble<P: AsRef<Path>>(folders: &[P], options: &LoadOptions) -> Result<Captioner, LoadError> {
        if let Some(threads) = options.threads {
            tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
        }
        let device = options.device.resolve()?;
        let mut loaded = Vec::with_capacity(folders.len());
        for folder in folders {
            loaded.push(Member::load(folder.as_ref(), device, options.precision)?);
        }
        let (members, vocabularies): (Vec<Member>, Vec<Vocabulary>) = loaded.into_iter().unzip();
        let (Some(first), Some(vocabulary)) = (members.first(), vocabularies.first()) else {
            return Err(LoadError::NoMembers);
        };
        for (other, words) in members.iter().zip(&vocabularies) {
            if let Some(difference) = first.difference(other, words == vocabulary) {
                let (first, other) = (first.info.id.clone(), other.info.id.clone());
                return Err(LoadError::Mismatch { first, other, difference });
            }
        }
        let info = ensemble_info(&members, &first.info);
        let preprocessor = Preprocessor::new(info.image_size, first.normalization);
        let captioner = Captioner { vocabulary: vocabulary.clone(), info, preprocessor, device, members };
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
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn encode(&self, images: &[PreparedImage]) -> Result<Encoded, InferenceError> {
        let features = self.features(images)?;
        let encode = |(member, features): (&Member, &Tensor)| member.encode(features);
        let encode_all = || self.members.iter().zip(&features).map(encode).collect();
        Ok(Encoded { members: tch::no_grad(encode_all) })
    }

    /// The backbone alone: one a member, `[images, tokens, channels]`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn features(&self, images: &[PreparedImage]) -> Result<Vec<Tensor>, InferenceError> {
        tch::no_grad(|| {
            let side = i64::from(self.info.image_size);
            let planes =
                images.iter().map(|image| Tensor::f_from_slice(&image.planes)).collect::<Result<Vec<_>, _>>()?;
            let batch = Tensor::f_stack(&planes, 0)?.f_view([-1, 3, side, side])?.f_to_device(self.device)?;
            Ok(self.members.iter().map(|member| member.features(&batch)).collect())
        })
    }

    /// The encoder alone, for features `[images, tokens, channels]` that a backbone has made before; every
    /// member of an ensemble gets the same.
    ///
    /// # Errors
    /// When they are not what the models' backbones make, or libtorch fails.
    pub fn encode_features(&self, features: &Tensor) -> Result<Encoded, InferenceError> {
        let size = features.size();
        for member in &self.members {
            let (id, channels) = (&member.info.id, member.feature_dim);
            if size.len() != 3 || size[2] != channels {
                let wanted = format!("the model {id} wants features of {channels} channels for each image");
                return Err(InferenceError(format!("{wanted}, and these are {size:?}")));
            }
        }
        tch::no_grad(|| {
            let features = features.f_to_device(self.device)?.f_to_kind(Kind::Float)?;
            Ok(Encoded { members: self.members.iter().map(|member| member.encode(&features)).collect() })
        })
    }

    /// All beams of each image, best first: `[images][beam_size]`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn search(&self, encoded: &Encoded, options: &SearchOptions) -> Result<Vec<Vec<Caption>>, InferenceError> {
        let beams = BeamSearchOptions {
            beam_size: options.beam_size.clamp(1, self.info.vocab_size),
            max_length: options.max_length.clamp(2, self.info.max_length),
        };
        let found = tch::no_grad(|| self.beams(encoded, &beams))?;
        let mut found: Vec<Vec<Caption>> =
            found.into_iter().map(|beams| beams.into_iter().map(|beam| self.caption(beam)).collect()).collect();
        if options.unrepeated_first {
            found.iter_mut().for_each(|captions| unrepeated_first(captions));
        }
        Ok(found)
    }

    fn beams(&self, encoded: &Encoded, options: &BeamSearchOptions) -> Result<Vec<Vec<Beam>>, TchError> {
        let images = encoded.images();
        let (sos, eos) = (self.vocabulary.sos(), self.vocabulary.eos());
        // One model needs no average, which would cost a rounding and two passes over the words.
        if let ([member], [tokens]) = (self.members.as_slice(), encoded.members.as_slice()) {
            return beam_search(&member.decoder(), tokens, images, sos, eos, options);
        }
        let ensemble = Ensemble(self.members.iter().map(Member::decoder).collect());
        beam_search(&ensemble, &encoded.members, images, sos, eos, options)
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
        self.search(&encoded, &SearchOptions::new(5, 8))?;
        Ok(())
    }
}

/// The name that a model folder goes by: its own, not that of a link's target.
pub fn model_id(folder: &Path) -> String {
    let resolved = if folder.file_name().is_some() { Ok(folder.to_owned()) } else { folder.canonicalize() };
    let name = resolved.ok().and_then(|folder| folder.file_name().map(|name| name.to_string_lossy().into_owned()));
    name.unwrap_or_else(|| "model".to_owned())
}

/// What members are together; `first` is one of them.
fn ensemble_info(members: &[Member], first: &ModelInfo) -> ModelInfo {
    let infos = || members.iter().map(|member| &member.info);
    let ids: Vec<String> = infos().map(|info| info.id.clone()).collect();
    let revision = match members {
        [_] => first.revision.clone(),
        _ => {
            let mut hash = Sha256::new();
            infos().for_each(|info| hash.update(&info.revision));
            format!("{:x}", hash.finalize())
        }
    };
    ModelInfo {
        id: ids.join("+"),
        members: ids,
        revision,
        backbone: joined(infos().map(|info| info.backbone.as_str())),
        parameters: infos().map(|info| info.parameters).sum(),
        max_length: infos().map(|info| info.max_length).min().unwrap_or(first.max_length),
        precision: joined(infos().map(|info| info.precision.as_str())),
        ..first.clone()
    }
}

/// Each name once, in the order they come in, with `+` between them.
fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct.join("+")
}
