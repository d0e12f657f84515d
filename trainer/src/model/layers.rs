//! The small pieces that every part of the model is made of.

use super::precision::{self, attention};
use tch::nn::{self, LayerNorm, Linear, Path};
use tch::{Device, Kind, Tensor};

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

/// `x` `[.., in]` through a linear layer: `[.., out]`.
///
/// A few rows (the beams of one image) are limited by the reading of the weights, which libtorch's
/// CPU product does almost three times as fast with the weights as its left side
/// (docs/PERFORMANCE.md).
pub fn project(linear: &Linear, x: &Tensor) -> Tensor {
    project_by(&linear.ws, linear.bs.as_ref(), x)
}

/// [`project`] with weight `[out, in]` and bias `[out]` given.
pub fn project_by(weight: &Tensor, bias: Option<&Tensor>, x: &Tensor) -> Tensor {
    const FEW: i64 = 16;
    if let Some(kind) = precision::narrow() {
        let bias = bias.map(|bias| bias.to_kind(kind));
        return x.to_kind(kind).linear(&weight.to_kind(kind), bias.as_ref()).to_kind(Kind::Float);
    }
    let mut shape = x.size();
    let Some(in_dim) = shape.pop() else { return x.linear(weight, bias) };
    let rows: i64 = shape.iter().product();
    if !(2..=FEW).contains(&rows) || x.device() != Device::Cpu {
        return x.linear(weight, bias);
    }
    let product = weight.matmul(&x.reshape([rows, in_dim]).transpose(0, 1)).transpose(0, 1).contiguous();
    shape.push(weight.size()[0]);
    match bias {
        Some(bias) => (product + bias).view(shape.as_slice()),
        None => product.view(shape.as_slice()),
    }
}

/// Dropout that costs nothing when it does nothing.
pub fn dropout(input: Tensor, probability: f64, train: bool) -> Tensor {
    if !train || probability <= 0. {
        return input;
    }
    match input.device() {
        Device::Cpu => &input * kept(&input, 1. - probability),
        _ => input.dropout(probability, true),
    }
}

/// Stochastic depth (Huang et al., 2016): drops a branch `[batch, ..]` of whole samples and scales the kept ones.
pub fn drop_path(branch: Tensor, rate: f64, train: bool) -> Tensor {
    if !train || rate <= 0. {
        return branch;
    }
    let keep = 1. - rate;
    let mut each = vec![1; branch.dim()];
    each[0] = branch.size()[0];
    let kept = Tensor::rand(each, (Kind::Float, branch.device())).lt(keep);
    branch * kept.to_kind(Kind::Float) / keep
}

/// The rate of each of so many blocks: rising linearly from 0 at the first to `largest` at the last.
pub fn drop_path_rates(blocks: usize, largest: f64) -> Vec<f64> {
    let last = blocks.saturating_sub(1).max(1) as f64;
    (0..blocks).map(|block| largest * block as f64 / last).collect()
}

/// 0 at elements to drop, else what the others are multiplied by, in the shape of `input`.
///
/// On a CPU libtorch draws a random number for each element, which took most of a training step. Here one of 64 bits
/// is drawn for four elements; shares are multiples of 2^-16, and the factor makes up for the rounding.
fn kept(input: &Tensor, share: f64) -> Tensor {
    const STEPS: f64 = 65536.;
    let elements = input.numel() as i64;
    let draws = [(elements + 3) / 4];
    let drawn = Tensor::empty(draws, (Kind::Int64, Device::Cpu)).random_from_(i64::MIN, None); // all 64 bits
    let limit = (share * STEPS).round().max(1.);
    let kept = drawn.view_dtype(Kind::Int16).lt(limit as i64 - 32768);
    let mut factors = kept.narrow(0, 0, elements).view(input.size().as_slice()).to_kind(input.kind());
    factors *= STEPS / limit;
    factors
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
        let hidden = project(&self.linear_1, x).relu_();
        project(&self.linear_2, &dropout(hidden, self.dropout, train))
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

impl CrossMemory {
    /// The same for `captions` captions, as many of each image, side by side.
    pub fn for_captions(self, captions: i64) -> Self {
        let each = captions / self.keys.size()[0].max(1);
        if each == 1 {
            return self;
        }
        let repeated = |tensor: Tensor| tensor.repeat_interleave_self_int(each, 0, None);
        CrossMemory { keys: repeated(self.keys), values: repeated(self.values) }
    }

    /// That of the images at `index` `[captions]`, one after another.
    pub fn of_images(&self, index: &Tensor) -> Self {
        CrossMemory { keys: self.keys.index_select(0, index), values: self.values.index_select(0, index) }
    }
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
            keys: self.split_heads(&project(&self.wk, encoded)),
            values: self.split_heads(&project(&self.wv, encoded)),
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
        let mut queries = project(&self.wq, x);
        if let Some(mask) = query_mask {
            queries *= mask;
        }
        let queries = self.split_heads(&queries);
        let attended = attention(&queries, &memory.keys, &memory.values, bias);
        // [images, heads, positions, d_k] -> [images, positions, d_model]
        let joined = attended.transpose(1, 2).flatten(2, 3);
        project(&self.out_linear, &joined)
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

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn::{Module, VarStore};

    #[test]
    fn few_rows_are_projected_like_many() {
        tch::manual_seed(5);
        let store = VarStore::new(Device::Cpu);
        let layer = linear(store.root(), 6, 10);
        for shape in [vec![1, 6], vec![5, 6], vec![2, 3, 6], vec![16, 6], vec![17, 6], vec![0, 6]] {
            let x = Tensor::randn(shape.as_slice(), (Kind::Float, Device::Cpu));
            let (ours, plain) = (project(&layer, &x), layer.forward(&x));
            assert_eq!(ours.size(), plain.size());
            assert!(ours.allclose(&plain, 1e-5, 1e-6, false), "{shape:?}");
        }
    }

    #[test]
    fn drop_path_keeps_or_drops_whole_samples() {
        tch::manual_seed(1);
        for shape in [vec![200, 3, 2], vec![200, 2, 3, 1]] {
            let dropped = drop_path(Tensor::ones(shape, (Kind::Float, Device::Cpu)), 0.5, true);
            let per_sample = dropped.flatten(1, -1).sum_dim_intlist(1, false, None::<Kind>);
            let per_sample = Vec::<f32>::try_from(per_sample).expect("floats");
            assert!(per_sample.iter().all(|&sum| sum == 0. || sum == 12.));
            assert!(per_sample.contains(&0.) && per_sample.contains(&12.));
        }
    }

    #[test]
    fn drop_path_rises_to_its_largest_rate() {
        assert_eq!(drop_path_rates(5, 0.4), [0.0, 0.1, 0.2, 0.30000000000000004, 0.4]);
        assert_eq!(drop_path_rates(1, 0.4), [0.0]);
    }

    #[test]
    fn dropout_keeps_its_share_and_the_mean() {
        tch::manual_seed(7);
        let ones = Tensor::ones([250, 401], (Kind::Float, Device::Cpu));
        for probability in [0.1, 0.3, 0.9] {
            let dropped = dropout(ones.shallow_clone(), probability, true);
            let share = dropped.eq(0.).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            assert!((share - probability).abs() < 6e-3, "{share}");
            assert!((dropped.max().double_value(&[]) - 1. / (1. - probability)).abs() < 1e-3);
            // No lane of the four in a draw is unlike the others.
            for lane in 0..4 {
                let of_lane = dropped.flatten(0, 1).slice(0, lane, None, 4).eq(0.).to_kind(Kind::Double);
                let share = of_lane.mean(Kind::Double).double_value(&[]);
                assert!((share - probability).abs() < 0.012, "{lane}: {share}");
            }
        }
        assert_eq!(dropout(ones.shallow_clone(), 0.5, false), ones);
    }

    #[test]
    fn rows_are_divided_by_their_sum_and_empty_ones_stay_empty() {
        let weights = Tensor::from_slice(&[1f32, 3., 0., 0.]).view([2, 2]);
        let normalized = Vec::<f32>::try_from(normalize_rows(&weights, -1).flatten(0, -1)).expect("floats");
        assert_eq!(normalized, [0.25, 0.75, 0., 0.]);
    }
}
