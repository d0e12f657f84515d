//! One decoder position at a time, exactly: the cached form of dynamic expansion.
//!
//! Dynamic expansion is causal, so what position `s` did stays valid for every later position
//! `t`. Two identities keep the cache small and the work per step at O(t):
//!
//! - the score of an expansion against a key splits, `(Q_e + cond_s) . key_j = Q_e . key_j + cond_s . key_j`,
//!   so neither the expanded queries nor the expanded biases are stored;
//! - gathering is associative: `backward (forward values) = (backward forward) values`, so the
//!   forward *weights* (`[s, e, j]`, scalars) are stored in place of the forward results.
//!
//! Beams share one cache per image: the vectors made by row `k` at time `s` lie in slot `(s, k)`
//! and never move. [`Ancestry`] says which slot a row descends from at each time, so that
//! reordering beams moves a few integers.

mod ancestry;
mod layer;

use super::step::StepDecoder;
use crate::device::sent;
use crate::model::Decoder;
use crate::model::layers::{CrossMemory, project};
use ancestry::Ancestry;
use layer::{IncrementalLayer, Joined, LayerCache};
use tch::nn::Module;
use tch::{Device, TchError, Tensor};

/// Each layer's projections that read the same input, copied into one matrix: make them once for
/// fixed weights, and again after the weights have changed.
pub struct JoinedProjections(Vec<Joined>);

impl JoinedProjections {
    /// Joins the projections of every layer.
    pub fn of(decoder: &Decoder) -> Self {
        JoinedProjections(tch::no_grad(|| decoder.decoders.iter().map(Joined::of).collect()))
    }
}

/// A decoder for step-by-step use.
pub struct IncrementalDecoder<'a> {
    decoder: &'a Decoder,
    layers: Vec<IncrementalLayer<'a>>,
}

/// Where a batch stands.
pub struct State {
    caches: Vec<LayerCache>,
    memories: Vec<CrossMemory>,
    ancestry: Ancestry,
    images: i64,
}

impl<'a> IncrementalDecoder<'a> {
    /// A view of `decoder` and the projections joined from it.
    pub fn new(decoder: &'a Decoder, joined: &'a JoinedProjections) -> Self {
        let layers = decoder.decoders.iter().zip(&joined.0).map(|(layer, joined)| IncrementalLayer { layer, joined });
        IncrementalDecoder { decoder, layers: layers.collect() }
    }
}

impl StepDecoder for IncrementalDecoder<'_> {
    /// The encoder's output, `[images, tokens, d_model]`.
    type Source = Tensor;
    type State = State;

    fn start(&self, encoded: &Tensor, beam_size: i64, max_length: i64) -> Result<State, TchError> {
        let images = encoded.size()[0];
        let slots = (max_length, beam_size);
        Ok(State {
            caches: self.layers.iter().map(|layer| layer.empty_cache(images, slots, encoded.device())).collect(),
            memories: self.decoder.decoders.iter().map(|layer| layer.mha.remember(encoded)).collect(),
            ancestry: Ancestry::new(images, encoded.device()),
            images,
        })
    }

    fn step(&self, state: &mut State, tokens: &[i64]) -> Result<Tensor, TchError> {
        let device = self.decoder.pos_encoder.device();
        let time = state.ancestry.advance(tokens.len() as i64 / state.images.max(1));
        let tokens = sent(&Tensor::f_from_slice(tokens)?, device)?.f_view([state.images, -1])?;
        let mut y = self.decoder.embed(&tokens) + self.decoder.pos_encoder.f_get(time)?; // [images, rows, d]
        let mut outputs = Vec::with_capacity(self.layers.len());
        for ((layer, cache), memory) in self.layers.iter().zip(&mut state.caches).zip(&state.memories) {
            y = layer.step(&y, cache, memory, &state.ancestry)?;
            outputs.push(y.shallow_clone());
        }
        let reduced = project(&self.decoder.dec_reduce_group, &Tensor::f_cat(&outputs, -1)?);
        let y = self.decoder.dec_reduce_norm.forward(&(y + reduced));
        let scores = project(&self.decoder.vocab_linear, &y.flatten(0, 1));
        scores.f_log_softmax(-1, None)
    }

    fn reorder(&self, state: &mut State, images: &[i64], parents: &[Vec<i64>]) -> Result<(), TchError> {
        if !images.iter().copied().eq(0..state.images) {
            let index = sent(&Tensor::f_from_slice(images)?, device_of(&state.memories))?;
            for memory in &mut state.memories {
                memory.keys = memory.keys.f_index_select(0, &index)?;
                memory.values = memory.values.f_index_select(0, &index)?;
            }
            for cache in &mut state.caches {
                cache.keep_images(&index)?;
            }
            state.ancestry.keep_images(&index)?;
            state.images = images.len() as i64;
        }
        let rows = state.ancestry.reorder(parents)?;
        for cache in &mut state.caches {
            cache.reorder_rows(&rows)?;
        }
        Ok(())
    }
}

fn device_of(memories: &[CrossMemory]) -> Device {
    memories.first().map_or(Device::Cpu, |memory| memory.keys.device())
}
