//! The architecture's sizes, as they stand in a model folder's `config.json`.
//!
//! What training adds (dropouts) is kept apart in [`Dropouts`]: it is no part of a trained model.

use crate::image::Normalization;
use serde::{Deserialize, Serialize};

/// The sizes of a whole captioning model: backbone and ExpansionNet body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ConfigFile", into = "ConfigFile")]
pub struct ModelConfig {
    /// The image encoder in front of the body.
    pub backbone: BackboneConfig,
    /// Side of the square input, in pixels.
    pub image_size: i64,
    /// Width of the body.
    pub d_model: i64,
    /// Static expansion layers.
    pub num_encoder_layers: i64,
    /// Dynamic expansion layers.
    pub num_decoder_layers: i64,
    /// Heads of the decoder's cross-attention.
    pub num_heads: i64,
    /// Width of the feed-forward layers.
    pub d_ff: i64,
    /// Lengths of the static expansions; one table of their sum per encoder layer.
    pub encoder_expansion_lengths: Vec<i64>,
    /// Length of the dynamic expansion, per position.
    pub decoder_expansion_length: i64,
    /// Longest caption in tokens, SOS and EOS included.
    pub max_sequence_length: i64,
    /// Words, PAD, SOS, EOS and UNK included.
    pub vocab_size: i64,
}

/// Which image encoder, and its sizes where they can differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackboneConfig {
    /// Swin Transformer (Liu et al., 2021), as the paper uses it.
    Swin(SwinConfig),
    /// EfficientNet-lite 0 to 2, for small machines.
    EfficientNetLite(EfficientNetLite),
}

/// The sizes of a Swin Transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwinConfig {
    /// Side of a patch, in pixels.
    pub patch_size: i64,
    /// Channels of the first stage; doubled at each further one.
    pub embed_dim: i64,
    /// Blocks of each stage.
    pub depths: Vec<i64>,
    /// Attention heads of each stage.
    pub num_heads: Vec<i64>,
    /// Side of an attention window, in tokens.
    pub window_size: i64,
    /// Width of the feed-forward layers over the channels.
    pub mlp_ratio: i64,
}

/// The EfficientNet-lite variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum EfficientNetLite {
    Lite0,
    Lite1,
    Lite2,
}

/// Why a configuration can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The backbone's name is unknown.
    #[error("unknown backbone `{0}`: use `swin`, `efficientnet_lite0`, `efficientnet_lite1` or `efficientnet_lite2`")]
    UnknownBackbone(String),
    /// A size that this backbone needs is missing.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// A size is out of range, or two do not fit together.
    #[error("{0}")]
    Invalid(String),
}

impl ModelConfig {
    /// The paper's model: Swin-L at 384 pixels, three layers each way, the 10,000 words of COCO.
    pub fn expansionnet_v2_large() -> Self {
        ModelConfig {
            backbone: BackboneConfig::Swin(SwinConfig::large_384()),
            image_size: 384,
            d_model: 512,
            num_encoder_layers: 3,
            num_decoder_layers: 3,
            num_heads: 8,
            d_ff: 2048,
            encoder_expansion_lengths: vec![32, 64, 128, 256, 512],
            decoder_expansion_length: 16,
            max_sequence_length: 74,
            vocab_size: 10_000,
        }
    }

    /// Checks that the sizes are positive, bounded and fit together.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("image_size", self.image_size),
            ("d_model", self.d_model),
            ("num_encoder_layers", self.num_encoder_layers),
            ("num_decoder_layers", self.num_decoder_layers),
            ("num_heads", self.num_heads),
            ("d_ff", self.d_ff),
            ("decoder_expansion_length", self.decoder_expansion_length),
            ("max_sequence_length", self.max_sequence_length),
            ("vocab_size", self.vocab_size),
        ];
        for (name, value) in positive {
            in_range(name, value)?;
        }
        if self.encoder_expansion_lengths.is_empty() {
            return Err(ConfigError::Missing("encoder_expansion_lengths"));
        }
        for &length in &self.encoder_expansion_lengths {
            in_range("encoder_expansion_lengths", length)?;
        }
        if self.max_sequence_length < 2 {
            return invalid("max_sequence_length must be at least 2 (SOS and EOS)".into());
        }
        if self.d_model % self.num_heads != 0 {
            return invalid(format!("d_model ({}) must be a multiple of num_heads ({})", self.d_model, self.num_heads));
        }
        match &self.backbone {
            BackboneConfig::Swin(swin) => swin.validate(self.image_size),
            BackboneConfig::EfficientNetLite(_) => Ok(()),
        }
    }
}

impl BackboneConfig {
    /// The name that stands in `config.json`.
    pub fn name(&self) -> &'static str {
        match self {
            BackboneConfig::Swin(_) => "swin",
            BackboneConfig::EfficientNetLite(EfficientNetLite::Lite0) => "efficientnet_lite0",
            BackboneConfig::EfficientNetLite(EfficientNetLite::Lite1) => "efficientnet_lite1",
            BackboneConfig::EfficientNetLite(EfficientNetLite::Lite2) => "efficientnet_lite2",
        }
    }

    /// Channels of the features that the body reads.
    pub fn feature_dim(&self) -> i64 {
        match self {
            BackboneConfig::Swin(swin) => swin.stage_dim(swin.depths.len().saturating_sub(1)),
            BackboneConfig::EfficientNetLite(_) => 1280,
        }
    }

    /// How the backbone wants its pixels.
    pub fn normalization(&self) -> Normalization {
        match self {
            BackboneConfig::Swin(_) => Normalization::IMAGENET,
            BackboneConfig::EfficientNetLite(_) => Normalization::CENTERED,
        }
    }
}

impl SwinConfig {
    /// Swin-L for 384 pixels, window 12: the paper's backbone.
    pub fn large_384() -> Self {
        SwinConfig {
            patch_size: 4,
            embed_dim: 192,
            depths: vec![2, 2, 18, 2],
            num_heads: vec![6, 12, 24, 48],
            window_size: 12,
            mlp_ratio: 4,
        }
    }

    /// Channels of a stage (0-based).
    pub fn stage_dim(&self, stage: usize) -> i64 {
        self.embed_dim << stage
    }

    fn validate(&self, image_size: i64) -> Result<(), ConfigError> {
        for (name, value) in [
            ("swin_patch_size", self.patch_size),
            ("swin_embed_dim", self.embed_dim),
            ("swin_window_size", self.window_size),
            ("swin_mlp_ratio", self.mlp_ratio),
        ] {
            in_range(name, value)?;
        }
        if self.depths.is_empty() || self.depths.len() > 6 || self.depths.len() != self.num_heads.len() {
            return invalid("swin_depths and swin_num_heads must have one entry for each of 1 to 6 stages".into());
        }
        if image_size % self.patch_size != 0 {
            return invalid(format!(
                "image_size ({image_size}) must be a multiple of swin_patch_size ({})",
                self.patch_size
            ));
        }
        let mut resolution = image_size / self.patch_size;
        for (stage, (&depth, &heads)) in self.depths.iter().zip(&self.num_heads).enumerate() {
            in_range("swin_depths", depth)?;
            in_range("swin_num_heads", heads)?;
            if self.stage_dim(stage) % heads != 0 {
                return invalid(format!(
                    "swin_num_heads: {heads} heads do not divide the {} channels of stage {stage}",
                    self.stage_dim(stage)
                ));
            }
            let window = self.window_size.min(resolution);
            if resolution % window != 0 {
                return invalid(format!(
                    "swin_window_size: stage {stage} has {resolution} tokens a side, not a multiple of {window}"
                ));
            }
            if stage + 1 < self.depths.len() {
                if resolution % 2 != 0 {
                    return invalid(format!(
                        "image_size: stage {stage} has {resolution} tokens a side, which can't be halved"
                    ));
                }
                resolution /= 2;
            }
        }
        Ok(())
    }
}

/// Dropout probabilities, named as in the original's `drop_args`; all zero outside training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dropouts {
    /// Inside the encoder layers.
    pub encoder: f64,
    /// Inside the decoder layers.
    pub decoder: f64,
    /// On the projected features.
    pub encoder_input: f64,
    /// On the word embeddings.
    pub decoder_input: f64,
    /// On the encoder's and decoder's reduced outputs.
    pub other: f64,
    /// Largest stochastic depth rate of the backbone (rises linearly from 0).
    pub drop_path: f64,
}

/// Largest size accepted: a guard against a hostile or broken file, far above any real model.
const LARGEST_SIZE: i64 = 1 << 20;

fn in_range(name: &str, value: i64) -> Result<(), ConfigError> {
    match value {
        1..=LARGEST_SIZE => Ok(()),
        _ => invalid(format!("{name} is {value}: it must lie between 1 and {LARGEST_SIZE}")),
    }
}

fn invalid<T>(message: String) -> Result<T, ConfigError> {
    Err(ConfigError::Invalid(message))
}

/// `config.json`: one flat object; every field optional, so that an import can complete it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ConfigFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backbone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swin_patch_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swin_embed_dim: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swin_depths: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swin_num_heads: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swin_window_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swin_mlp_ratio: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_model: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_encoder_layers: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_decoder_layers: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_heads: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_ff: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_expansion_lengths: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_expansion_length: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sequence_length: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<i64>,
}

impl TryFrom<ConfigFile> for ModelConfig {
    type Error = ConfigError;

    fn try_from(file: ConfigFile) -> Result<Self, ConfigError> {
        let missing = ConfigError::Missing;
        let config = ModelConfig {
            backbone: backbone_of(&file)?,
            image_size: file.image_size.ok_or(missing("image_size"))?,
            d_model: file.d_model.ok_or(missing("d_model"))?,
            num_encoder_layers: file.num_encoder_layers.ok_or(missing("num_encoder_layers"))?,
            num_decoder_layers: file.num_decoder_layers.ok_or(missing("num_decoder_layers"))?,
            num_heads: file.num_heads.ok_or(missing("num_heads"))?,
            d_ff: file.d_ff.ok_or(missing("d_ff"))?,
            encoder_expansion_lengths: file.encoder_expansion_lengths.ok_or(missing("encoder_expansion_lengths"))?,
            decoder_expansion_length: file.decoder_expansion_length.ok_or(missing("decoder_expansion_length"))?,
            max_sequence_length: file.max_sequence_length.ok_or(missing("max_sequence_length"))?,
            vocab_size: file.vocab_size.ok_or(missing("vocab_size"))?,
        };
        config.validate()?;
        Ok(config)
    }
}

fn backbone_of(file: &ConfigFile) -> Result<BackboneConfig, ConfigError> {
    use EfficientNetLite::{Lite0, Lite1, Lite2};
    match file.backbone.as_deref().unwrap_or("swin") {
        "swin" => Ok(BackboneConfig::Swin(SwinConfig {
            patch_size: file.swin_patch_size.unwrap_or(4),
            embed_dim: file.swin_embed_dim.ok_or(ConfigError::Missing("swin_embed_dim"))?,
            depths: file.swin_depths.clone().ok_or(ConfigError::Missing("swin_depths"))?,
            num_heads: file.swin_num_heads.clone().ok_or(ConfigError::Missing("swin_num_heads"))?,
            window_size: file.swin_window_size.ok_or(ConfigError::Missing("swin_window_size"))?,
            mlp_ratio: file.swin_mlp_ratio.unwrap_or(4),
        })),
        "efficientnet_lite0" => Ok(BackboneConfig::EfficientNetLite(Lite0)),
        "efficientnet_lite1" => Ok(BackboneConfig::EfficientNetLite(Lite1)),
        "efficientnet_lite2" => Ok(BackboneConfig::EfficientNetLite(Lite2)),
        other => Err(ConfigError::UnknownBackbone(other.to_owned())),
    }
}

impl From<ModelConfig> for ConfigFile {
    fn from(config: ModelConfig) -> Self {
        let mut file = ConfigFile {
            backbone: Some(config.backbone.name().to_owned()),
            image_size: Some(config.image_size),
            d_model: Some(config.d_model),
            num_encoder_layers: Some(config.num_encoder_layers),
            num_decoder_layers: Some(config.num_decoder_layers),
            num_heads: Some(config.num_heads),
            d_ff: Some(config.d_ff),
            encoder_expansion_lengths: Some(config.encoder_expansion_lengths),
            decoder_expansion_length: Some(config.decoder_expansion_length),
            max_sequence_length: Some(config.max_sequence_length),
            vocab_size: Some(config.vocab_size),
            ..ConfigFile::default()
        };
        if let BackboneConfig::Swin(swin) = config.backbone {
            file.swin_patch_size = Some(swin.patch_size);
            file.swin_embed_dim = Some(swin.embed_dim);
            file.swin_depths = Some(swin.depths);
            file.swin_num_heads = Some(swin.num_heads);
            file.swin_window_size = Some(swin.window_size);
            file.swin_mlp_ratio = Some(swin.mlp_ratio);
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_model_survives_a_round_trip() {
        let config = ModelConfig::expansionnet_v2_large();
        config.validate().expect("the paper's sizes fit together");
        let text = serde_json::to_string(&config).expect("serialises");
        assert_eq!(serde_json::from_str::<ModelConfig>(&text).expect("parses"), config);
        assert_eq!(config.backbone.feature_dim(), 1536);
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = serde_json::from_str::<ModelConfig>(r#"{"backbone": "efficientnet_lite0"}"#).unwrap_err();
        assert!(error.to_string().contains("`image_size` is missing"), "{error}");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let large = ModelConfig::expansionnet_v2_large();
        let heads = ModelConfig { num_heads: 7, ..large.clone() };
        assert!(heads.validate().unwrap_err().to_string().contains("num_heads"));
        let image = ModelConfig { image_size: 388, ..large.clone() };
        assert!(image.validate().unwrap_err().to_string().contains("swin_window_size"));
        let absurd = ModelConfig { vocab_size: i64::MAX, ..large };
        assert!(absurd.validate().unwrap_err().to_string().contains("vocab_size"));
    }
}
