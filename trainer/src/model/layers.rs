//! The small pieces that every part of the model is made of.

use tch::nn::{self, LayerNorm, Linear, Module, Path};
use tch::{Kind, Tensor};

/// A linear layer with bias; weights start Xavier-uniform as in the original.
pub fn linear(path: Path, in_dim: i64, out_dim: i64) -> Linear {
    linear_with_bias(path, in_dim, out_dim, true)
}

/// A linear layer; weights start Xavier-uniform as in the original.
pub fn linear_with_bias(path: Path, in_dim: i64, out_dim: i64, bias: bool) -> Linear {
    let config =
        nn::LinearConfig { ws_init: xavier_uniform(in_dim, out_dim), bs_init: Some(nn::Init::Const(0.)), bias };
    nn::linear(path, in_dim, out_dim, config)
}

/// Layer normalisation over the last dimension, with PyTorch's epsilon of 1e-5.
pub fn layer_norm(path: Path, dim: i64) -> LayerNorm {
    nn::layer_norm(path, vec![dim], nn::LayerNormConfig::default())
}

/// A table of `count` vectors, under `weight` as `nn.Embedding` stores it: `[count, dim]`.
pub fn vectors(path: Path, count: i64, dim: i64) -> Tensor {
    path.var("weight", &[count, dim], xavier_uniform(dim, count))
}

/// Xavier's uniform distribution for a matrix of these sides.
fn xavier_uniform(in_dim: i64, out_dim: i64) -> nn::Init {
    let bound = (6.0 / (in_dim + out_dim) as f64).sqrt();
    nn::Init::Uniform { lo: -bound, up: bound }
}

/// Dropout that costs nothing when it does nothing.
pub fn dropout(input: Tensor, probability: f64, train: bool) -> Tensor {
    if train && probability > 0. { input.dropout(probability, true) } else { input }
}

/// The feed-forward layer of the body: linear, ReLU, linear.
#[derive(Debug)]
pub struct FeedForward {
    pub(crate) linear_1: Linear,
    pub(crate) linear_2: Linear,
    dropout: f64,
}

impl FeedForward {
    /// A feed-forward layer `d_model -> d_ff -> d_model`.
    pub fn new(path: &Path, d_model: i64, d_ff: i64, dropout: f64) -> Self {
        FeedForward {
            linear_1: linear(path / "linear_1", d_model, d_ff),
            linear_2: linear(path / "linear_2", d_ff, d_model),
            dropout,
        }
    }

    /// `[.., d_model]` to `[.., d_model]`.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Tensor {
        let hidden = self.linear_1.forward(x).relu_();
        self.linear_2.forward(&dropout(hidden, self.dropout, train))
    }
}

/// Multi-head attention from the decoder's positions to the encoder's tokens.
#[derive(Debug)]
pub struct MultiHeadAttention {
    pub(crate) wq: Linear,
    pub(crate) wk: Linear,
    pub(crate) wv: Linear,
    pub(crate) out_linear: Linear,
    num_heads: i64,
}

/// The projected keys and values of a batch of images: made once, read at every step.
#[derive(Debug)]
pub struct CrossMemory {
    /// `[images, heads, tokens, d_k]`
    pub keys: Tensor,
    /// `[images, heads, tokens, d_k]`
    pub values: Tensor,
}

impl MultiHeadAttention {
    /// Attention of `num_heads` heads over `d_model` channels.
    pub fn new(path: &Path, d_model: i64, num_heads: i64) -> Self {
        MultiHeadAttention {
            wq: linear(path / "Wq", d_model, d_model),
            wk: linear(path / "Wk", d_model, d_model),
            wv: linear(path / "Wv", d_model, d_model),
            out_linear: linear(path / "out_linear", d_model, d_model),
            num_heads,
        }
    }

    /// Projects the encoder's output `[images, tokens, d_model]` to keys and values.
    pub fn remember(&self, encoded: &Tensor) -> CrossMemory {
        CrossMemory {
            keys: self.split_heads(&self.wk.forward(encoded)),
            values: self.split_heads(&self.wv.forward(encoded)),
        }
    }

    /// Attends from `[images, positions, d_model]` to remembered tokens.
    ///
    /// `query_mask` `[images, positions, 1]` zeroes the queries of padded positions; `bias`
    /// (broadcast to `[images, heads, positions, tokens]`) is added to the scores.
    pub fn attend(
        &self,
        x: &Tensor,
        memory: &CrossMemory,
        query_mask: Option<&Tensor>,
        bias: Option<&Tensor>,
    ) -> Tensor {
        let mut queries = self.wq.forward(x);
        if let Some(mask) = query_mask {
            queries *= mask;
        }
        let queries = self.split_heads(&queries);
        let attended =
            Tensor::scaled_dot_product_attention(&queries, &memory.keys, &memory.values, bias, 0., false, None, false);
        // [images, heads, positions, d_k] -> [images, positions, d_model]
        let joined = attended.transpose(1, 2).flatten(2, 3);
        self.out_linear.forward(&joined)
    }

    /// `[images, n, d_model]` to `[images, heads, n, d_k]`.
    fn split_heads(&self, x: &Tensor) -> Tensor {
        let (images, n, d_model) = x.size3().unwrap_or_default();
        x.view([images, n, self.num_heads, d_model / self.num_heads]).transpose(1, 2)
    }
}

/// Rows divided by their sum + `EPSILON`: the expansion's normalisation.
pub fn normalize_rows(weights: &Tensor, dim: i64) -> Tensor {
    weights / (weights.sum_dim_intlist(dim, true, None::<Kind>) + EPSILON)
}

/// Keeps an all-zero row zero (the original's `eps`).
pub const EPSILON: f64 = 1e-9;
