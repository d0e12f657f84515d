//! Dynamic expansion (paper, section 3.3): the decoder's causal replacement for self-attention.
//!
//! Every position adds a projection of itself to the learned query and bias vectors, so that
//! the sequence is spread over `positions x expansion_length` vectors and gathered back.
//! [`crate::decoding::incremental`] computes the same one position at a time.

use super::layers::{dropout, linear, normalize_rows, vectors};
use tch::Tensor;
use tch::nn::{Linear, Module, Path};

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
        let cond = self.cond_embed.forward(x);
        let keys = self.key_linear.forward(x).transpose(-1, -2); // [batch, d, positions]

        // (query + cond) . key = query . key + cond . key, so the expanded queries are never made:
        // [batch, 1, E, positions] + [batch, positions, 1, positions] -> [batch, positions, E, positions]
        let z = (self.query_exp_vectors.matmul(&keys).unsqueeze(1) + cond.matmul(&keys).unsqueeze(2)) * self.scale;
        let z = dropout(z, self.dropout, train);

        let bias = &self.bias_exp_vectors + cond.unsqueeze(2); // [batch, positions, E, d]
        let class_a = self.one_class(&z.relu(), &self.class_a_embed.forward(x), &bias, mask, train);
        let class_b = self.one_class(&z.neg().relu_(), &self.class_b_embed.forward(x), &bias, mask, train);
        let selector = self.selector_embed.forward(x).sigmoid_();
        class_b.lerp_tensor(&class_a, &selector)
    }

    /// Forward to every position's expansions and back, for one class.
    ///
    /// `weights` `[batch, positions, E, positions]` (not negative), `values` `[batch, positions, d]`,
    /// `bias` `[batch, positions, E, d]`.
    fn one_class(&self, weights: &Tensor, values: &Tensor, bias: &Tensor, mask: &Tensor, train: bool) -> Tensor {
        let forward = normalize_rows(&(weights * mask.unsqueeze(2)), -1);
        let expanded = forward.flatten(1, 2).matmul(values); // [batch, positions * E, d]
        let expanded = dropout(expanded, self.dropout, train) + bias.flatten(1, 2);

        // Position t gathers from the expansions of positions <= t:
        // [batch, s, E, t] -> [batch, t, s, E] -> [batch, t, s * E]
        let backward = weights.permute([0, 3, 1, 2]) * mask.unsqueeze(-1);
        let backward = normalize_rows(&backward.flatten(2, 3), -1);
        dropout(backward.matmul(&expanded), self.dropout, train)
    }
}
