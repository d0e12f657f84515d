//! Dynamic expansion (paper, section 3.3): the decoder's causal replacement for self-attention.
//!
//! Every position adds a projection of itself to the learned query and bias vectors, so that
//! the sequence is spread over `positions x expansion_length` vectors and gathered back.
//! [`crate::decoding::incremental`] computes the same one position at a time.

use super::layers::{dropout, linear, normalize_rows, project, vectors};
use super::precision::product;
use tch::nn::{Linear, Path};
use tch::{Kind, Tensor};

/// One dynamic expansion layer; fields mirror `dyn_exp.*` in the checkpoint.
#[derive(Debug)]
pub struct DynamicExpansion {
    pub(crate) cond_embed: Linear,
    /// `[expansion_length, d_model]`
    pub(crate) query_exp_vectors: Tensor,
    /// `[expansion_length, d_model]`
    pub(crate) bias_exp_vectors: Tensor,
    pub(crate) key_linear: Linear,
    pub(crate) class_a_embed: Linear,
    pub(crate) class_b_embed: Linear,
    pub(crate) selector_embed: Linear,
    /// 1 / sqrt(d_model)
    pub(crate) scale: f64,
    dropout: f64,
}

impl DynamicExpansion {
    /// A layer over `d_model` channels with `expansion_length` vectors per position.
    pub fn new(path: &Path, d_model: i64, expansion_length: i64, dropout: f64) -> Self {
        DynamicExpansion {
            cond_embed: linear(path / "cond_embed", d_model, d_model),
            query_exp_vectors: vectors(path / "query_exp_vectors", expansion_length, d_model),
            bias_exp_vectors: vectors(path / "bias_exp_vectors", expansion_length, d_model),
            key_linear: linear(path / "key_linear", d_model, d_model),
            class_a_embed: linear(path / "class_a_embed", d_model, d_model),
            class_b_embed: linear(path / "class_b_embed", d_model, d_model),
            selector_embed: linear(path / "selector_embed", d_model, d_model),
            scale: 1. / (d_model as f64).sqrt(),
            dropout,
        }
    }

    /// `[batch, positions, d_model]` to the same shape.
    ///
    /// `mask` `[batch, positions, positions]` is 1 where the row's position may see the column's.
    pub fn forward_t(&self, x: &Tensor, mask: &Tensor, train: bool) -> Tensor {
        let cond = project(&self.cond_embed, x);
        let keys = project(&self.key_linear, x).transpose(-1, -2); // [batch, d, positions]

        // (query + cond) . key = query . key + cond . key, so the expanded queries are never made:
        // [batch, 1, E, positions] + [batch, positions, 1, positions] -> [batch, positions, E, positions]
        // In full precision: rows of small scores are blown up by their normalisation, rounding and all.
        let of_queries = self.query_exp_vectors.matmul(&keys).unsqueeze(1);
        let z = (of_queries + cond.matmul(&keys).unsqueeze(2)) * self.scale;
        let z = dropout(z, self.dropout, train);

        // Both classes at once: [2, batch, positions, E, positions] and [2, batch, positions, d].
        let weights = Tensor::stack(&[&z, &z.neg()], 0).relu_();
        let values = Tensor::stack(&[project(&self.class_a_embed, x), project(&self.class_b_embed, x)], 0);
        let gathered = dropout(self.spread_and_gather(&weights, &values, &cond, mask, train), self.dropout, train);
        let selector = project(&self.selector_embed, x).sigmoid_();
        gathered.get(1).lerp_tensor(&gathered.get(0), &selector)
    }

    /// Forward to every position's expansions and back: `[2, batch, positions, d]`.
    ///
    /// `weights` `[2, batch, positions, E, positions]` (not negative), `values` `[2, batch, positions, d]`,
    /// `cond` `[batch, positions, d]`.
    fn spread_and_gather(
        &self,
        weights: &Tensor,
        values: &Tensor,
        cond: &Tensor,
        mask: &Tensor,
        train: bool,
    ) -> Tensor {
        let forward = normalize_rows(&(weights * mask.unsqueeze(2)), -1);
        let expanded = product(&forward.flatten(2, 3), values); // [2, batch, positions * E, d]
        let expanded = dropout(expanded, self.dropout, train);

        // Position t gathers from the expansions of positions <= t:
        // [2, batch, s, E, t] -> [2, batch, t, s, E] -> [2, batch, t, s * E]
        let backward = weights.permute([0, 1, 4, 2, 3]) * mask.unsqueeze(-1);
        let (positions, length) = (backward.size()[3], backward.size()[4]);
        let backward = normalize_rows(&backward.flatten(3, 4), -1);

        // What is gathered of the biases, Q'_e + cond_s, needs only the sums of weights over e and over s, so that the
        // expanded biases [batch, positions * E, d] are never made.
        let split = backward.unflatten(3, [positions, length]);
        let per_position = split.sum_dim_intlist(-1, false, None::<Kind>); // [2, batch, t, s]
        let per_vector = split.sum_dim_intlist(-2, false, None::<Kind>); // [2, batch, t, E]
        product(&backward, &expanded) + product(&per_position, cond) + product(&per_vector, &self.bias_exp_vectors)
    }
}
