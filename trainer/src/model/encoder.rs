//! The encoder: projected features through static expansion layers.

use super::config::{Dropouts, ModelConfig};
use super::layers::{FeedForward, dropout, layer_norm, linear, project};
use super::static_expansion::StaticExpansion;
use tch::Tensor;
use tch::nn::{LayerNorm, Linear, Module, Path};

/// One encoder layer (pre-norm): static expansion, then feed-forward.
#[derive(Debug)]
pub struct EncoderLayer {
    norm_1: LayerNorm,
    norm_2: LayerNorm,
    stc_exp: StaticExpansion,
    ff: FeedForward,
    dropout: f64,
}

impl EncoderLayer {
    fn new(path: &Path, config: &ModelConfig, dropout: f64) -> Self {
        EncoderLayer {
            norm_1: layer_norm(path / "norm_1", config.d_model),
            norm_2: layer_norm(path / "norm_2", config.d_model),
            stc_exp: StaticExpansion::new(
                &(path / "stc_exp"),
                config.d_model,
                &config.encoder_expansion_lengths,
                dropout,
            ),
            ff: FeedForward::new(&(path / "ff"), config.d_model, config.d_ff, dropout),
            dropout,
        }
    }

    /// `[batch, tokens, d_model]` to the same shape; `token_mask` `[batch, 1, tokens]` is 0 at padding.
    pub fn forward_t(&self, x: &Tensor, token_mask: Option<&Tensor>, train: bool) -> Tensor {
        let expanded = self.stc_exp.forward_t(&self.norm_1.forward(x), token_mask, train);
        let x = x + dropout(expanded, self.dropout, train);
        let fed = self.ff.forward_t(&self.norm_2.forward(&x), train);
        x + dropout(fed, self.dropout, train)
    }
}

/// The whole encoder; fields mirror the checkpoint's names.
#[derive(Debug)]
pub struct Encoder {
    /// Projects features to `d_model`.
    pub input_linear: Linear,
    /// The layers, first to last.
    pub encoders: Vec<EncoderLayer>,
    enc_reduce_group: Linear,
    enc_reduce_norm: LayerNorm,
    dropouts: Dropouts,
}

impl Encoder {
    /// An encoder for features of `feature_dim` channels.
    pub fn new(path: &Path, config: &ModelConfig, feature_dim: i64, dropouts: Dropouts) -> Self {
        let layers = path / "encoders";
        Encoder {
            input_linear: linear(path / "input_linear", feature_dim, config.d_model),
            encoders: (0..config.num_encoder_layers)
                .map(|i| EncoderLayer::new(&(&layers / i), config, dropouts.encoder))
                .collect(),
            enc_reduce_group: linear(
                path / "enc_reduce_group",
                config.d_model * config.num_encoder_layers,
                config.d_model,
            ),
            enc_reduce_norm: layer_norm(path / "enc_reduce_norm", config.d_model),
            dropouts,
        }
    }

    /// Features `[batch, tokens, feature_dim]` to `[batch, tokens, d_model]`;
    /// `token_mask` `[batch, 1, tokens]` is 0 at padding.
    pub fn forward_t(&self, features: &Tensor, token_mask: Option<&Tensor>, train: bool) -> Tensor {
        self.forward_projected(project(&self.input_linear, features), token_mask, train)
    }

    /// As [`Encoder::forward_t`], of what is of the model's width already: `[batch, tokens, d_model]`.
    pub fn forward_projected(&self, projected: Tensor, token_mask: Option<&Tensor>, train: bool) -> Tensor {
        let mut x = dropout(projected, self.dropouts.encoder_input, train);
        let mut outputs = Vec::with_capacity(self.encoders.len());
        for layer in &self.encoders {
            x = layer.forward_t(&x, token_mask, train);
            outputs.push(x.shallow_clone());
        }
        let reduced = project(&self.enc_reduce_group, &Tensor::cat(&outputs, -1));
        self.enc_reduce_norm.forward(&(x + dropout(reduced, self.dropouts.other, train)))
    }
}
