//! Reads a model's sizes off the names and shapes of its tensors.

use super::tensors::NamedTensors;
use crate::model::config::{ConfigError, ConfigFile, ModelConfig};
use serde::Serialize;

/// Why the sizes of a model are not known.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// These tensors are not those of an ExpansionNet v2 model.
    #[error("this is no ExpansionNet v2 checkpoint: it has no tensor `{0}`")]
    NotAModel(String),
    /// Fields that shapes do not tell.
    #[error("these sizes can't be read off the weights: {}; give them in a JSON file with --config", .0.join(", "))]
    Unknown(Vec<&'static str>),
    /// The file given says otherwise than the weights.
    #[error("the configuration says {field} = {given}, the weights say {found}")]
    Contradiction {
        /// The field.
        field: &'static str,
        /// In the configuration.
        given: String,
        /// In the weights.
        found: String,
    },
    /// A size that is beyond all numbers, or zero where there must be something.
    #[error("no model has such weights: {0} is out of range")]
    OutOfRange(&'static str),
    /// The sizes do not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The published models' expansion lengths and head count, which leave no trace in any shape: taken
/// where everything that does leave one (their sum, `d_model`) is as published.
const PUBLISHED_LENGTHS: [i64; 5] = [32, 64, 128, 256, 512];
const PUBLISHED_D_MODEL: i64 = 512;
const PUBLISHED_NUM_HEADS: i64 = 8;

/// The sizes of the model that `tensors` belong to, completed by (and checked against) `given`.
pub fn infer_config(tensors: &NamedTensors, given: ConfigFile) -> Result<ModelConfig, InferError> {
    let shapes = Shapes(tensors);
    let mut file = given;
    shapes.body(&mut file)?;
    if tensors.contains_key("swin_transf.patch_embed.proj.weight") {
        shapes.swin(&mut file)?;
    } else if tensors.contains_key("efficientnet._conv_head.weight") {
        shapes.efficientnet(&mut file)?;
    } else if file.backbone.is_none() {
        return Err(InferError::NotAModel(
            "swin_transf.patch_embed.proj.weight` or `efficientnet._conv_head.weight".into(),
        ));
    }
    let unknown = unknown_fields(&file);
    if !unknown.is_empty() {
        return Err(InferError::Unknown(unknown));
    }
    Ok(ModelConfig::try_from(file)?)
}

fn unknown_fields(file: &ConfigFile) -> Vec<&'static str> {
    let mut unknown = Vec::new();
    if file.image_size.is_none() {
        unknown.push("image_size");
    }
    if file.num_heads.is_none() {
        unknown.push("num_heads");
    }
    if file.encoder_expansion_lengths.is_none() {
        unknown.push("encoder_expansion_lengths");
    }
    unknown
}

struct Shapes<'a>(&'a NamedTensors);

impl Shapes<'_> {
    fn body(&self, file: &mut ConfigFile) -> Result<(), InferError> {
        let d_model = self.side("input_linear.weight", 0)?;
        let total = self.side("encoders.0.stc_exp.query_exp_vectors.weight", 0)?;
        settle("d_model", &mut file.d_model, d_model)?;
        let (encoders, decoders) = (self.count("encoders.")?, self.count("decoders.")?);
        settle("num_encoder_layers", &mut file.num_encoder_layers, encoders)?;
        settle("num_decoder_layers", &mut file.num_decoder_layers, decoders)?;
        settle("d_ff", &mut file.d_ff, self.side("encoders.0.ff.linear_1.weight", 0)?)?;
        let dynamic = self.side("decoders.0.dyn_exp.query_exp_vectors.weight", 0)?;
        settle("decoder_expansion_length", &mut file.decoder_expansion_length, dynamic)?;
        settle("max_sequence_length", &mut file.max_sequence_length, self.side("pos_encoder.weight", 0)?)?;
        settle("vocab_size", &mut file.vocab_size, self.side("vocab_linear.weight", 0)?)?;
        match &file.encoder_expansion_lengths {
            Some(lengths) => {
                let given = sum(lengths)?;
                if given != total {
                    return Err(contradiction("the sum of encoder_expansion_lengths", &given, &total));
                }
            }
            None if total == sum(&PUBLISHED_LENGTHS)? => {
                file.encoder_expansion_lengths = Some(PUBLISHED_LENGTHS.to_vec())
            }
            None => {}
        }
        if file.num_heads.is_none() && d_model == PUBLISHED_D_MODEL {
            file.num_heads = Some(PUBLISHED_NUM_HEADS);
        }
        Ok(())
    }

    fn swin(&self, file: &mut ConfigFile) -> Result<(), InferError> {
        let stages = self.count("swin_transf.layers.")?;
        let block = |stage: i64, name: &str| format!("swin_transf.layers.{stage}.blocks.0.{name}");
        let embed_dim = self.side("swin_transf.patch_embed.proj.weight", 0)?;
        let patch_size = self.side("swin_transf.patch_embed.proj.weight", 2)?;
        let mut num_heads = Vec::new();
        for stage in 0..stages {
            num_heads.push(self.side(&block(stage, "attn.relative_position_bias_table"), 1)?);
        }
        // The table of a window of side w has (2 w - 1)^2 rows; only a last stage may have a smaller window.
        let rows = self.side(&block(0, "attn.relative_position_bias_table"), 0)?;
        let window = ((rows as f64).sqrt() as i64 + 1) / 2;
        let depth = |stage: i64| self.count(&format!("swin_transf.layers.{stage}.blocks."));
        let depths = (0..stages).map(depth).collect::<Result<Vec<_>, _>>()?;
        let mlp_ratio = self.side(&block(0, "mlp.fc1.weight"), 0)?.checked_div(embed_dim);
        let mlp_ratio = mlp_ratio.ok_or(InferError::OutOfRange("swin_embed_dim"))?;

        settle("backbone", &mut file.backbone, "swin".to_owned())?;
        settle("swin_embed_dim", &mut file.swin_embed_dim, embed_dim)?;
        settle("swin_patch_size", &mut file.swin_patch_size, patch_size)?;
        settle("swin_depths", &mut file.swin_depths, depths)?;
        settle("swin_num_heads", &mut file.swin_num_heads, num_heads)?;
        settle("swin_window_size", &mut file.swin_window_size, window)?;
        settle("swin_mlp_ratio", &mut file.swin_mlp_ratio, mlp_ratio)?;
        // The shift mask has one entry a window, of which there are (image / patch / window)^2.
        if let Ok(windows) = self.side("swin_transf.layers.0.blocks.1.attn_mask", 0) {
            let side = (windows as f64).sqrt().round() as i64;
            let image_size = side.checked_mul(window).and_then(|tokens| tokens.checked_mul(patch_size));
            settle("image_size", &mut file.image_size, image_size.ok_or(InferError::OutOfRange("image_size"))?)?;
        }
        Ok(())
    }

    fn efficientnet(&self, file: &mut ConfigFile) -> Result<(), InferError> {
        let blocks = self.count("efficientnet._blocks.")?;
        let channels = self.side("efficientnet._conv_head.weight", 1)?;
        let (name, image_size) = match (blocks, channels) {
            (16, 320) => ("efficientnet_lite0", 224),
            (21, 320) => ("efficientnet_lite1", 240),
            (21, 352) => ("efficientnet_lite2", 260),
            _ => {
                return Err(ConfigError::UnknownBackbone(format!(
                    "an EfficientNet of {blocks} blocks, {channels} channels"
                ))
                .into());
            }
        };
        settle("backbone", &mut file.backbone, name.to_owned())?;
        file.image_size.get_or_insert(image_size); // convolutions run at any size: the published one is a default
        Ok(())
    }

    /// One side of a tensor's shape.
    fn side(&self, name: &str, dim: usize) -> Result<i64, InferError> {
        let missing = || InferError::NotAModel(name.to_owned());
        self.0.get(name).and_then(|tensor| tensor.size().get(dim).copied()).ok_or_else(missing)
    }

    /// How many numbers follow `prefix` in the names.
    fn count(&self, prefix: &str) -> Result<i64, InferError> {
        let number = |name: &String| name.strip_prefix(prefix)?.split('.').next()?.parse::<i64>().ok();
        let count = self.0.keys().filter_map(number).max().map_or(Some(0), |last| last.checked_add(1));
        count.ok_or(InferError::OutOfRange("the number of layers"))
    }
}

fn sum(lengths: &[i64]) -> Result<i64, InferError> {
    let sum = lengths.iter().try_fold(0_i64, |sum, &length| sum.checked_add(length));
    sum.ok_or(InferError::OutOfRange("the sum of encoder_expansion_lengths"))
}

/// Fills a field in, or checks it if it was given.
fn settle<T: PartialEq + Serialize>(field: &'static str, slot: &mut Option<T>, found: T) -> Result<(), InferError> {
    match slot {
        Some(given) if *given != found => Err(contradiction(field, given, &found)),
        _ => {
            *slot = Some(found);
            Ok(())
        }
    }
}

fn contradiction<T: Serialize>(field: &'static str, given: &T, found: &T) -> InferError {
    let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
    InferError::Contradiction { field, given: text(given), found: text(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    /// The telling tensors of the published `rf_model.pth`, by shape alone: no memory behind them.
    fn published() -> NamedTensors {
        let mut shapes = vec![
            ("input_linear.weight".to_owned(), vec![512, 1536]),
            ("encoders.2.stc_exp.query_exp_vectors.weight".to_owned(), vec![992, 512]),
            ("encoders.0.stc_exp.query_exp_vectors.weight".to_owned(), vec![992, 512]),
            ("encoders.0.ff.linear_1.weight".to_owned(), vec![2048, 512]),
            ("decoders.2.norm_1.weight".to_owned(), vec![512]),
            ("decoders.0.dyn_exp.query_exp_vectors.weight".to_owned(), vec![16, 512]),
            ("pos_encoder.weight".to_owned(), vec![74, 512]),
            ("vocab_linear.weight".to_owned(), vec![10_000, 512]),
            ("swin_transf.patch_embed.proj.weight".to_owned(), vec![192, 3, 4, 4]),
            ("swin_transf.layers.0.blocks.0.mlp.fc1.weight".to_owned(), vec![768, 192]),
            ("swin_transf.layers.0.blocks.1.attn_mask".to_owned(), vec![64, 144, 144]),
        ];
        for (stage, (depth, heads)) in [(2, 6), (2, 12), (18, 24), (2, 48)].into_iter().enumerate() {
            for block in [0, depth - 1] {
                let name = format!("swin_transf.layers.{stage}.blocks.{block}.attn.relative_position_bias_table");
                shapes.push((name, vec![529, heads]));
            }
        }
        shapes.into_iter().map(|(name, shape)| (name, of_shape(&shape))).collect()
    }

    /// Zeros of this shape, without memory behind them.
    fn of_shape(shape: &[i64]) -> Tensor {
        Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand(shape, false)
    }

    #[test]
    fn the_published_checkpoint_needs_no_configuration() {
        let config = infer_config(&published(), ConfigFile::default()).expect("everything is known");
        assert_eq!(config, ModelConfig::expansionnet_v2_large());
    }

    #[test]
    fn sizes_beyond_all_numbers_are_refused() {
        let with = |name: &str, tensor: Tensor| {
            let mut tensors = published();
            tensors.insert(name.to_owned(), tensor);
            tensors
        };
        let patches = "swin_transf.patch_embed.proj.weight";
        let nothing = Tensor::zeros([0, 3, 4, 4], (Kind::Float, Device::Cpu));
        for (tensors, what) in [
            (with(patches, nothing), "swin_embed_dim"),
            (with(patches, of_shape(&[1, 1, 1 << 58, 1])), "image_size"),
            (with("encoders.9223372036854775807.norm_1.weight", of_shape(&[1])), "the number of layers"),
            (with("swin_transf.layers.0.blocks.9223372036854775807.a", of_shape(&[1])), "the number of layers"),
        ] {
            let error = infer_config(&tensors, ConfigFile::default()).expect_err("no model is like this");
            assert!(matches!(error, InferError::OutOfRange(found) if found == what), "{error}");
        }
        let lengths = Some(vec![i64::MAX, 1]);
        let given = ConfigFile { encoder_expansion_lengths: lengths, ..ConfigFile::default() };
        let error = infer_config(&published(), given).expect_err("no model is like this");
        assert!(matches!(error, InferError::OutOfRange(_)), "{error}");
    }

    #[test]
    fn another_file_is_no_model() {
        let zero = Tensor::zeros([1], (Kind::Float, Device::Cpu));
        let error = infer_config(&NamedTensors::from([("weight".into(), zero)]), ConfigFile::default()).unwrap_err();
        assert!(error.to_string().contains("no tensor `input_linear.weight`"), "{error}");
    }
}
