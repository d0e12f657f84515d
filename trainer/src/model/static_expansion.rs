//! Static expansion (paper, section 3.2): the encoder's replacement for self-attention.
//!
//! The input sequence is spread over learned vectors of several lengths (forward) and gathered
//! back (backward), twice, for a positive and a negative class that a selector mixes.

use super::layers::{dropout, linear, normalize_rows, project, vectors};
use super::precision::product;
use tch::Tensor;
use tch::nn::{Linear, Path};

/// One static expansion layer; fields mirror `stc_exp.*` in the checkpoint.
#[derive(Debug)]
pub struct StaticExpansion {
    /// `[sum of lengths, d_model]`
    query_exp_vectors: Tensor,
    /// `[sum of lengths, d_model]`
    bias_exp_vectors: Tensor,
    key_embed: Linear,
    class_a_embed: Linear,
    class_b_embed: Linear,
    selector_embed: Linear,
    expansion_lengths: Vec<i64>,
    scale: f64,
    dropout: f64,
}

impl StaticExpansion {
    /// A layer over `d_model` channels with expansions of the given lengths.
    pub fn new(path: &Path, d_model: i64, expansion_lengths: &[i64], dropout: f64) -> Self {
        let total = expansion_lengths.iter().sum();
        StaticExpansion {
            query_exp_vectors: vectors(path / "query_exp_vectors", total, d_model),
            bias_exp_vectors: vectors(path / "bias_exp_vectors", total, d_model),
            key_embed: linear(path / "key_embed", d_model, d_model),
            class_a_embed: linear(path / "class_a_embed", d_model, d_model),
            class_b_embed: linear(path / "class_b_embed", d_model, d_model),
            selector_embed: linear(path / "selector_embed", d_model, d_model),
            expansion_lengths: expansion_lengths.to_vec(),
            scale: 1. / (d_model as f64).sqrt(),
            dropout,
        }
    }

    /// `[batch, tokens, d_model]` to the same shape; `token_mask` `[batch, 1, tokens]` is 0 at padding.
    pub fn forward_t(&self, x: &Tensor, token_mask: Option<&Tensor>, train: bool) -> Tensor {
        // [expansions, d] x [batch, d, tokens] -> [batch, expansions, tokens]; in full precision, as rows of small
        // scores are blown up by their normalisation, rounding and all.
        let keys = project(&self.key_embed, x);
        let z = self.query_exp_vectors.matmul(&keys.transpose(-1, -2)) * self.scale;
        let z = dropout(z, self.dropout, train);

        // Both classes at once: [2, batch, expansions, tokens] and [2, batch, tokens, d].
        let weights = Tensor::stack(&[&z, &z.neg()], 0).relu_();
        let values = Tensor::stack(&[project(&self.class_a_embed, x), project(&self.class_b_embed, x)], 0);
        let gathered = self.spread_and_gather(&weights, &values, token_mask, train);
        let selector = project(&self.selector_embed, x).sigmoid_();
        gathered.get(1).lerp_tensor(&gathered.get(0), &selector)
    }

    /// Forward to the expansions and back to the tokens: `[2, batch, tokens, d_model]`.
    ///
    /// `weights` `[2, batch, expansions, tokens]` (not negative), `values` `[2, batch, tokens, d_model]`.
    fn spread_and_gather(&self, weights: &Tensor, values: &Tensor, token_mask: Option<&Tensor>, train: bool) -> Tensor {
        let forward = match token_mask {
            Some(mask) => normalize_rows(&(weights * mask), -1),
            None => normalize_rows(weights, -1),
        };
        let expanded = product(&forward, values) + &self.bias_exp_vectors; // [2, batch, expansions, d_model]
        let expanded = dropout(expanded, self.dropout, train);

        let backward = self.backward_weights(weights); // [2, batch, tokens, expansions]
        let gathered = product(&backward, &expanded) / self.expansion_lengths.len() as f64;
        dropout(gathered, self.dropout, train)
    }

    /// Transposed weights, normalised within each expansion length on its own.
    fn backward_weights(&self, weights: &Tensor) -> Tensor {
        let groups: Vec<Tensor> = weights
            .transpose(-1, -2)
            .split_with_sizes(&self.expansion_lengths, -1)
            .iter()
            .map(|group| normalize_rows(group, -1))
            .collect();
        Tensor::cat(&groups, -1)
    }
}
