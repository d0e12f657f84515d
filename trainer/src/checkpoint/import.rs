//! From the original's checkpoint (and vocabulary) to a model folder.

use super::infer::{InferError, infer_config};
use super::load::{LoadError, load_named};
use super::package::{self, Contents, PackageError, check_vocabulary};
use super::tensors::{CheckpointError, NamedTensors, read_tensors};
use crate::model::backbone::Backbone;
use crate::model::config::ConfigFile;
use crate::model::{BackboneConfig, CaptioningModel, Dropouts, EfficientNetLite, ModelConfig};
use crate::vocabulary::{Vocabulary, VocabularyError};
use std::path::PathBuf;
use tch::nn::VarStore;
use tch::{Device, Kind};

/// What to import, and where to.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The original's `.pth`, or safetensors with the same names.
    pub checkpoint: PathBuf,
    /// `vocab.json` or the original's pickle; by default `vocab.json` beside the checkpoint.
    pub vocabulary: Option<PathBuf>,
    /// Sizes that the weights do not tell (any fields of `config.json`).
    pub config: Option<PathBuf>,
    /// The backbone, where the checkpoint holds the body alone.
    pub backbone: Option<PathBuf>,
    /// The model folder to make.
    pub output: PathBuf,
    /// Replace an existing model folder; one with anything else in it is refused.
    pub force: bool,
    /// Keep float32 on disk; float16 (half the size) otherwise.
    pub float32: bool,
}

/// What was imported.
#[derive(Clone, Debug)]
pub struct ImportReport {
    /// The model's sizes.
    pub config: ModelConfig,
    /// Weights in the model.
    pub parameters: u64,
    /// Tensors of the files that the model has no use for, by name.
    pub unused: Vec<String>,
    /// Largest change of a weight by rounding to the kind on disk.
    pub largest_rounding: f64,
}

/// Why an import failed; nothing has been written.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is something at the output already.
    #[error("{0} exists already; choose another --output, or replace it with --force")]
    Exists(PathBuf),
    /// No vocabulary was given or found.
    #[error(
        "no vocabulary: give the word list of this model with --vocabulary (vocab.json, or the original's tokens pickle)"
    )]
    NoVocabulary,
    /// The configuration file can't be read.
    #[error("{path}: {reason}")]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The weights can't be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The sizes are unknown.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The words can't be read.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// The weights do not fit the sizes.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Weights are no numbers, or none that the format of the model folder can hold.
    #[error("{name} {what}")]
    NotFinite {
        /// One of the weights.
        name: String,
        /// What is wrong with them.
        what: &'static str,
    },
    /// The model folder can't be written.
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// Makes a model folder; checks that every weight has its place before anything is written.
pub fn import(options: &ImportOptions) -> Result<ImportReport, ImportError> {
    if options.output.exists() && !options.force {
        return Err(ImportError::Exists(options.output.clone()));
    }
    package::check_replaceable(&options.output)?;
    let mut tensors = read_tensors(&options.checkpoint)?;
    if let Some(backbone) = &options.backbone {
        tensors.retain(|name, _| !is_backbone(name));
        tensors.extend(prefixed(read_tensors(backbone)?));
    }
    let config = infer_config(&tensors, read_config_file(options)?)?;
    let vocabulary = read_vocabulary(options)?;
    check_vocabulary(&vocabulary, &config)?;

    let unused: Vec<String> = tensors.keys().filter(|name| is_derived(name)).cloned().collect();
    tensors.retain(|name, _| !is_derived(name));
    let store = VarStore::new(Device::Cpu);
    let _model = CaptioningModel::new(&store.root(), &config, Dropouts::default());
    load_named(&store, &tensors)?;

    let kind = if options.float32 { Kind::Float } else { Kind::Half };
    check_finite(&tensors, Kind::Double, "has values that are no numbers: such a model says nothing of use")?;
    check_finite(&tensors, kind, "has values too large for float16: use --float32")?;
    let report = ImportReport {
        parameters: tensors.values().map(|tensor| tensor.numel() as u64).sum(),
        largest_rounding: largest_rounding(&tensors, kind),
        config,
        unused,
    };
    let model_card = model_card(options, &report);
    let contents =
        Contents { tensors: &tensors, config: &report.config, vocabulary: &vocabulary, model_card: &model_card, kind };
    package::write(&options.output, &contents)?;
    Ok(report)
}

fn read_config_file(options: &ImportOptions) -> Result<ConfigFile, ImportError> {
    let Some(path) = &options.config else {
        return Ok(ConfigFile::default());
    };
    let failed = |reason: String| ImportError::ConfigFile { path: path.clone(), reason };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
}

fn read_vocabulary(options: &ImportOptions) -> Result<Vocabulary, ImportError> {
    let beside = options.checkpoint.with_file_name(package::VOCABULARY);
    let path = match &options.vocabulary {
        Some(path) => path,
        None if beside.is_file() => &beside,
        None => return Err(ImportError::NoVocabulary),
    };
    Ok(Vocabulary::read(path)?)
}

/// Backbone checkpoints come without the model's prefix: put it before their names.
pub(crate) fn prefixed(backbone: NamedTensors) -> NamedTensors {
    let swin = Backbone::prefix(&BackboneConfig::Swin(crate::model::SwinConfig::large_384()));
    let efficientnet = Backbone::prefix(&BackboneConfig::EfficientNetLite(EfficientNetLite::Lite0));
    let prefix = if backbone.contains_key("_conv_stem.weight") { efficientnet } else { swin };
    let with_prefix = |name: String| {
        if is_backbone(&name) { name } else { format!("{prefix}.{name}") }
    };
    backbone.into_iter().map(|(name, tensor)| (with_prefix(name), tensor)).collect()
}

fn is_backbone(name: &str) -> bool {
    name.starts_with("swin_transf.") || name.starts_with("efficientnet.")
}

/// Tensors that the model computes itself, or that belong to the backbone's classifier.
pub(crate) fn is_derived(name: &str) -> bool {
    let computed = [".relative_position_index", ".attn_mask", ".num_batches_tracked"];
    let classifier = ["swin_transf.head.", "efficientnet._fc."];
    computed.iter().any(|end| name.ends_with(end)) || classifier.iter().any(|start| name.starts_with(start))
}

/// Refuses weights that are infinite or no numbers once they are of this kind.
fn check_finite(tensors: &NamedTensors, kind: Kind, what: &'static str) -> Result<(), ImportError> {
    let is_finite = |tensor: &tch::Tensor| tensor.to_kind(kind).isfinite().all().int64_value(&[]) != 0;
    match tensors.iter().find(|(_, tensor)| !is_finite(tensor)) {
        None => Ok(()),
        Some((name, _)) => Err(ImportError::NotFinite { name: name.clone(), what }),
    }
}

fn largest_rounding(tensors: &NamedTensors, kind: Kind) -> f64 {
    let rounding =
        |tensor: &tch::Tensor| (tensor - tensor.to_kind(kind).to_kind(Kind::Float)).abs().max().double_value(&[]);
    tensors.values().filter(|tensor| tensor.numel() > 0).map(rounding).fold(0., f64::max)
}

fn model_card(options: &ImportOptions, report: &ImportReport) -> String {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let config = &report.config;
    let backbone =
        options.backbone.as_ref().map(|path| format!(" and `{}` (backbone)", name(path))).unwrap_or_default();
    let kind = if options.float32 { "float32" } else { "float16" };
    format!(
        "# {output}\n\nAn ExpansionNet v2 captioning model, imported from `{checkpoint}`{backbone}.\n\n\
         | | |\n|---|---|\n| backbone | {backbone_name}, {image_size} x {image_size} pixels |\n\
         | body | d_model {d_model}, {encoders} encoder and {decoders} decoder layers, {heads} heads, feed-forward {d_ff} |\n\
         | static expansion | {lengths:?} |\n| dynamic expansion | {dynamic} |\n\
         | vocabulary | {words} words |\n| longest caption | {longest} tokens |\n| weights | {parameters}, {kind} |\n\n\
         Imported weights carry the licence and the limits of their source: say here what it was trained on,\n\
         how well it does, and what it must not be used for.\n",
        output = name(&options.output),
        checkpoint = name(&options.checkpoint),
        backbone_name = config.backbone.name(),
        image_size = config.image_size,
        d_model = config.d_model,
        encoders = config.num_encoder_layers,
        decoders = config.num_decoder_layers,
        heads = config.num_heads,
        d_ff = config.d_ff,
        lengths = config.encoder_expansion_lengths,
        dynamic = config.decoder_expansion_length,
        words = config.vocab_size,
        longest = config.max_sequence_length,
        parameters = report.parameters,
    )
}
