//! The decoder: words so far through dynamic expansion and cross-attention to word scores.
//!
//! This form scores all positions of given captions at once (teacher forcing); generation
//! goes one position at a time in [`crate::decoding::incremental`].

use super::config::{Dropouts, ModelConfig};
use super::dynamic_expansion::DynamicExpansion;
use super::layers::{CrossMemory, FeedForward, MultiHeadAttention, dropout, layer_norm, linear, project, vectors};
use super::masks::DecoderMasks;
use tch::Tensor;
use tch::nn::{LayerNorm, Linear, Module, Path};

/// One decoder layer (pre-norm): dynamic expansion, cross-attention, feed-forward.
#[derive(Debug)]
pub struct DecoderLayer {
    pub(crate) norm_1: LayerNorm,
    pub(crate) norm_2: LayerNorm,
    pub(crate) norm_3: LayerNorm,
    pub(crate) dyn_exp: DynamicExpansion,
    pub(crate) mha: MultiHeadAttention,
    pub(crate) ff: FeedForward,
    dropout: f64,
}

impl DecoderLayer {
    fn new(path: &Path, config: &ModelConfig, dropout: f64) -> Self {
        DecoderLayer {
            norm_1: layer_norm(path / "norm_1", config.d_model),
            norm_2: layer_norm(path / "norm_2", config.d_model),
            norm_3: layer_norm(path / "norm_3", config.d_model),
            dyn_exp: DynamicExpansion::new(
                &(path / "dyn_exp"),
                config.d_model,
                config.decoder_expansion_length,
                dropout,
            ),
            mha: MultiHeadAttention::new(&(path / "mha"), config.d_model, config.num_heads),
            ff: FeedForward::new(&(path / "ff"), config.d_model, config.d_ff, dropout),
            dropout,
        }
    }

    fn forward_t(&self, y: &Tensor, memory: &CrossMemory, masks: &DecoderMasks, train: bool) -> Tensor {
        let expanded = self.dyn_exp.forward_t(&self.norm_1.forward(y), &masks.causal, train);
        let y = y + dropout(expanded, self.dropout, train);
        let normed = self.norm_2.forward(&y);
        let attended = self.mha.attend(&normed, memory, masks.positions.as_ref(), masks.cross_bias.as_ref());
        let y = y + dropout(attended, self.dropout, train);
        let fed = self.ff.forward_t(&self.norm_3.forward(&y), train);
        y + dropout(fed, self.dropout, train)
    }
}

/// The whole decoder; fields mirror the checkpoint's names.
#[derive(Debug)]
pub struct Decoder {
    /// `out_embedder.embed`: `[vocab_size, d_model]`
    pub(crate) out_embedder: Tensor,
    /// `[max_sequence_length, d_model]`
    pub(crate) pos_encoder: Tensor,
    pub(crate) decoders: Vec<DecoderLayer>,
    pub(crate) dec_reduce_group: Linear,
    pub(crate) dec_reduce_norm: LayerNorm,
    /// States to word scores.
    pub vocab_linear: Linear,
    dropouts: Dropouts,
}

impl Decoder {
    /// A decoder of the given sizes.
    pub fn new(path: &Path, config: &ModelConfig, dropouts: Dropouts) -> Self {
        let layers = path / "decoders";
        let d_model = config.d_model;
        Decoder {
            out_embedder: vectors(path / "out_embedder" / "embed", config.vocab_size, d_model),
            pos_encoder: vectors(path / "pos_encoder", config.max_sequence_length, d_model),
            decoders: (0..config.num_decoder_layers)
                .map(|i| DecoderLayer::new(&(&layers / i), config, dropouts.decoder))
                .collect(),
            dec_reduce_group: linear(path / "dec_reduce_group", d_model * config.num_decoder_layers, d_model),
            dec_reduce_norm: layer_norm(path / "dec_reduce_norm", d_model),
            vocab_linear: linear(path / "vocab_linear", d_model, config.vocab_size),
            dropouts,
        }
    }

    /// Scores `[batch, positions, vocab_size]` (before softmax) of the word after each of
    /// `tokens` `[batch, positions]`, given the encoder's output `[images, image tokens, d_model]`.
    ///
    /// The batch may hold several captions of each image, side by side.
    pub fn forward_t(&self, tokens: &Tensor, encoded: &Tensor, masks: &DecoderMasks, train: bool) -> Tensor {
        let captions = tokens.size()[0];
        let memories =
            self.remember(encoded).into_iter().map(|memory| memory.for_captions(captions)).collect::<Vec<_>>();
        project(&self.vocab_linear, &self.states(tokens, &memories, masks, train))
    }

    /// What each layer attends to of the encoder's output `[images, image tokens, d_model]`.
    pub fn remember(&self, encoded: &Tensor) -> Vec<CrossMemory> {
        self.decoders.iter().map(|layer| layer.mha.remember(encoded)).collect()
    }

    /// The states `[batch, positions, d_model]` from which `vocab_linear` scores the word after each of `tokens`
    /// `[batch, positions]`; `memories` are of the image of each row.
    pub fn states(&self, tokens: &Tensor, memories: &[CrossMemory], masks: &DecoderMasks, train: bool) -> Tensor {
        let embedded = dropout(self.embed(tokens), self.dropouts.decoder_input, train);
        let mut y = embedded + self.pos_encoder.narrow(0, 0, tokens.size()[1]);
        let mut outputs = Vec::with_capacity(self.decoders.len());
        for (layer, memory) in self.decoders.iter().zip(memories) {
            y = layer.forward_t(&y, memory, masks, train);
            outputs.push(y.shallow_clone());
        }
        let reduced = project(&self.dec_reduce_group, &Tensor::cat(&outputs, -1));
        self.dec_reduce_norm.forward(&(y + dropout(reduced, self.dropouts.other, train)))
    }

    /// Word vectors scaled by sqrt(d_model): `[..]` to `[.., d_model]`.
    pub(crate) fn embed(&self, tokens: &Tensor) -> Tensor {
        let d_model = self.out_embedder.size()[1] as f64;
        Tensor::embedding(&self.out_embedder, tokens, -1, false, false) * d_model.sqrt()
    }
}
