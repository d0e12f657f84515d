//! One decoder layer at one position, and what it keeps for the later ones.

use super::ancestry::Ancestry;
use crate::model::decoder::DecoderLayer;
use crate::model::layers::{CrossMemory, normalize_rows, project_by};
use tch::nn::{Linear, Module};
use tch::{Device, Kind, TchError, Tensor};

/// The five projections of dynamic expansion's input as one.
pub struct Joined {
    /// `[5 d, d]`: cond, key, class a, class b, selector.
    weight: Tensor,
    /// `[5 d]`
    bias: Tensor,
}

impl Joined {
    /// Joins the projections of one layer.
    pub fn of(layer: &DecoderLayer) -> Self {
        let block = &layer.dyn_exp;
        let parts =
            [&block.cond_embed, &block.key_linear, &block.class_a_embed, &block.class_b_embed, &block.selector_embed];
        Joined { weight: Tensor::cat(&parts.map(|part| &part.ws), 0), bias: Tensor::cat(&parts.map(bias_of), 0) }
    }
}

/// A decoder layer and its joined projections.
pub struct IncrementalLayer<'a> {
    pub layer: &'a DecoderLayer,
    pub joined: &'a Joined,
}

/// What a layer remembers; the slots of time `s` are written at time `s` and never moved.
pub struct LayerCache {
    /// Position keys: `[images, times, slots, d]`.
    keys: Tensor,
    /// Position conditions: `[images, times, slots, d]`.
    conds: Tensor,
    /// Class values a and b: `[2, images, times, slots, d]`.
    values: Tensor,
    /// Forward weights of each expansion over the times of its own ancestors:
    /// `[2, images, times, slots, E, times]`.
    forward: Tensor,
    /// `Q_e . key_j` of each row's ancestors; moves with the rows: `[images * rows, time, E]`.
    query_keys: Tensor,
}

impl IncrementalLayer<'_> {
    /// Room for `times` positions in `slots` rows of each image.
    pub fn empty_cache(&self, images: i64, (times, slots): (i64, i64), device: Device) -> LayerCache {
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, device));
        let (length, d_model) = self.layer.dyn_exp.query_exp_vectors.size2().unwrap_or_default();
        LayerCache {
            keys: zeros(&[images, times, slots, d_model]),
            conds: zeros(&[images, times, slots, d_model]),
            values: zeros(&[2, images, times, slots, d_model]),
            forward: zeros(&[2, images, times, slots, length, times]),
            query_keys: zeros(&[images, 0, length]),
        }
    }

    /// The layer's output at the newest position: `[images, rows, d]` to the same shape.
    pub fn step(
        &self,
        y: &Tensor,
        cache: &mut LayerCache,
        memory: &CrossMemory,
        ancestry: &Ancestry,
    ) -> Result<Tensor, TchError> {
        let layer = self.layer;
        let y = y + self.expand(&layer.norm_1.forward(y), cache, ancestry)?;
        let y = &y + layer.mha.attend(&layer.norm_2.forward(&y), memory, None, None);
        let fed = layer.ff.forward_t(&layer.norm_3.forward(&y), false);
        Ok(y + fed)
    }

    /// Dynamic expansion at the newest position: `[images, rows, d]` to the same shape.
    fn expand(&self, x: &Tensor, cache: &mut LayerCache, ancestry: &Ancestry) -> Result<Tensor, TchError> {
        let block = &self.layer.dyn_exp;
        let parts = project_by(&self.joined.weight, Some(&self.joined.bias), x).f_chunk(5, -1)?;
        let [cond, key, class_a, class_b, selector] = parts.as_slice() else {
            return Err(TchError::Shape("the joined projection must have five parts".into()));
        };
        let time = ancestry.time() - 1;
        let values = Tensor::f_stack(&[class_a, class_b], 0)?;
        let query_key = key.matmul(&block.query_exp_vectors.transpose(0, 1)); // [images, rows, E]
        cache.write(time, cond, key, &values, &query_key)?;

        self.write_forward(cond, cache, ancestry)?;
        let backward = self.backward_weights(key, &query_key, cache, ancestry); // [2, images, rows, time, E]
        let gathered = self.gather(&backward, cache, ancestry);
        Ok(gathered.get(1).lerp_tensor(&gathered.get(0), &selector.sigmoid()))
    }

    /// Forward weights of the newest expansions over all positions so far, into the cache.
    fn write_forward(&self, cond: &Tensor, cache: &mut LayerCache, ancestry: &Ancestry) -> Result<(), TchError> {
        let time = ancestry.time();
        let (images, rows, _) = cond.size3()?;
        let against_keys = ancestry.gather(&cache.against(&cache.keys, cond, time)); // [images, rows, time]
        let query_keys = cache.query_keys.view([images, rows, time, -1]).transpose(2, 3);
        let z = (against_keys.unsqueeze(2) + query_keys) * self.layer.dyn_exp.scale; // [images, rows, E, time]
        let weights = normalize_rows(&two_classes(&z), -1);
        let mut room = cache.forward.select(2, time - 1).narrow(2, 0, rows).narrow(4, 0, time);
        room.f_copy_(&weights)?;
        Ok(())
    }

    /// Weights of the newest position over all expansions so far: `[2, images, rows, time, E]`.
    fn backward_weights(&self, key: &Tensor, query_key: &Tensor, cache: &LayerCache, ancestry: &Ancestry) -> Tensor {
        let against_conds = ancestry.gather(&cache.against(&cache.conds, key, ancestry.time())); // [images, rows, time]
        let z = (against_conds.unsqueeze(3) + query_key.unsqueeze(2)) * self.layer.dyn_exp.scale;
        let weights = two_classes(&z);
        normalize_rows(&weights.flatten(3, 4), -1).view_as(&weights)
    }

    /// The gathered classes `[2, images, rows, d]`: values, conditions and biases of all expansions,
    /// each weighted once.
    fn gather(&self, backward: &Tensor, cache: &LayerCache, ancestry: &Ancestry) -> Tensor {
        let slots = cache.keys.size()[2];
        let time = ancestry.time();
        let own = ancestry.one_hot(slots); // [images, rows, time, slots]
        let spread = |over_time: &Tensor| (over_time.unsqueeze(-1) * &own).flatten(3, 4); // [2, images, rows, time * slots]

        // Backward weights, put on the slots they mean, times the forward weights that lie there:
        // [2, images, rows, time * slots * E] x [2, images, time * slots * E, time] -> [2, images, rows, time]
        let on_slots = (backward.unsqueeze(4) * own.unsqueeze(-1)).flatten(3, 5);
        let forward = cache.forward.narrow(2, 0, time).narrow(5, 0, time).flatten(2, 4);
        let on_positions = on_slots.matmul(&forward);

        let values = cache.values.narrow(2, 0, time).flatten(2, 3);
        let conds = cache.conds.narrow(1, 0, time).flatten(1, 2);
        let per_time = backward.sum_dim_intlist(-1, false, None::<Kind>);
        let per_expansion = backward.sum_dim_intlist(-2, false, None::<Kind>);
        spread(&on_positions).matmul(&values)
            + spread(&per_time).matmul(&conds)
            + per_expansion.matmul(&self.layer.dyn_exp.bias_exp_vectors)
    }
}

impl LayerCache {
    /// Stores what the newest position made, in its rows' slots.
    fn write(
        &mut self,
        time: i64,
        cond: &Tensor,
        key: &Tensor,
        values: &Tensor,
        query_key: &Tensor,
    ) -> Result<(), TchError> {
        let rows = cond.size()[1];
        self.conds.select(1, time).narrow(1, 0, rows).f_copy_(cond)?;
        self.keys.select(1, time).narrow(1, 0, rows).f_copy_(key)?;
        self.values.select(2, time).narrow(2, 0, rows).f_copy_(values)?;
        let newest = query_key.f_flatten(0, 1)?.unsqueeze(1);
        self.query_keys = Tensor::f_cat(&[&self.query_keys, &newest], 1)?;
        Ok(())
    }

    /// Scores of `queries` `[images, rows, d]` against every slot of `vectors`:
    /// `[images, rows, time, slots]`.
    fn against(&self, vectors: &Tensor, queries: &Tensor, time: i64) -> Tensor {
        let slots = vectors.size()[2];
        let written = vectors.narrow(1, 0, time).flatten(1, 2);
        queries.matmul(&written.transpose(1, 2)).unflatten(2, [time, slots])
    }

    /// Moves what moves with the rows.
    pub fn reorder_rows(&mut self, rows: &Tensor) -> Result<(), TchError> {
        self.query_keys = self.query_keys.f_index_select(0, rows)?;
        Ok(())
    }

    /// Keeps the images at `index`.
    pub fn keep_images(&mut self, index: &Tensor) -> Result<(), TchError> {
        let images = self.keys.size()[0];
        let rows = self.query_keys.f_unflatten(0, [images, -1])?;
        self.query_keys = rows.f_index_select(0, index)?.f_flatten(0, 1)?;
        self.keys = self.keys.f_index_select(0, index)?;
        self.conds = self.conds.f_index_select(0, index)?;
        self.values = self.values.f_index_select(1, index)?;
        self.forward = self.forward.f_index_select(1, index)?;
        Ok(())
    }
}

/// The positive and the negative part of the scores: `[2, ..]`.
fn two_classes(z: &Tensor) -> Tensor {
    Tensor::stack(&[z, &z.neg()], 0).relu_()
}

fn bias_of(linear: &Linear) -> Tensor {
    match &linear.bs {
        Some(bias) => bias.shallow_clone(),
        None => Tensor::zeros(linear.ws.size()[0], (linear.ws.kind(), linear.ws.device())),
    }
}
