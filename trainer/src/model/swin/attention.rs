//! Window attention with relative position bias and, in shifted blocks, a mask of window seams.

use super::super::layers::{linear, project};
use super::super::precision::attention;
use tch::nn::{Init, Linear, Path};
use tch::{Device, Kind, Tensor};

/// Score of token pairs that a shifted window joins though they are no neighbours.
const SEAM_SCORE: f64 = -100.;

/// Attention within windows; fields mirror the checkpoint.
#[derive(Debug)]
pub struct WindowAttention {
    qkv: Linear,
    proj: Linear,
    /// `[(2 window - 1)^2, heads]`
    relative_position_bias_table: Tensor,
    /// Index into the table for each pair of tokens: `[window^4]`.
    relative_position_index: Tensor,
    /// `[windows, 1, window^2, window^2]`, in shifted blocks.
    seams: Option<Tensor>,
    /// Bias and seams together, made once for inference: `[windows or 1, heads, window^2, window^2]`.
    prepared: Option<Tensor>,
    num_heads: i64,
}

impl WindowAttention {
    /// Attention over `dim` channels in windows of `window` tokens a side, shifted by `shift`.
    pub fn new(path: &Path, dim: i64, num_heads: i64, window: i64, resolution: i64, shift: i64) -> Self {
        let offsets = (2 * window - 1) * (2 * window - 1);
        let device = path.device();
        WindowAttention {
            qkv: linear(path / "qkv", dim, 3 * dim),
            proj: linear(path / "proj", dim, dim),
            relative_position_bias_table: path.var(
                "relative_position_bias_table",
                &[offsets, num_heads],
                Init::Randn { mean: 0., stdev: 0.02 },
            ),
            relative_position_index: relative_position_index(window).to_device(device),
            seams: (shift > 0).then(|| seam_scores(resolution, window, shift).to_device(device)),
            prepared: None,
            num_heads,
        }
    }

    /// `[batch * windows, window^2, dim]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (rows, tokens, dim) = x.size3().unwrap_or_default();
        let qkv = project(&self.qkv, x).view([rows, tokens, 3, self.num_heads, dim / self.num_heads]);
        let qkv = qkv.permute([2, 0, 3, 1, 4]); // [3, rows, heads, tokens, d_k]
        let bias = self.bias(rows);
        let attended = attention(&qkv.get(0), &qkv.get(1), &qkv.get(2), Some(&bias));
        project(&self.proj, &attended.transpose(1, 2).reshape([rows, tokens, dim]))
    }

    /// Computes the bias of all windows once, in the kind of the weights.
    pub fn prepare_inference(&mut self) {
        self.prepared = Some(self.window_bias().contiguous());
    }

    /// The bias for `rows` windows, broadcastable to `[rows, heads, tokens, tokens]`.
    fn bias(&self, rows: i64) -> Tensor {
        let bias = match &self.prepared {
            Some(bias) => bias.shallow_clone(),
            None => self.window_bias(),
        };
        let windows = bias.size()[0];
        if windows == 1 || windows == rows { bias } else { bias.repeat([rows / windows, 1, 1, 1]) }
    }

    /// `[windows or 1, heads, window^2, window^2]`
    fn window_bias(&self) -> Tensor {
        let table = &self.relative_position_bias_table;
        let tokens = (self.relative_position_index.size()[0] as f64).sqrt() as i64;
        let bias = table
            .index_select(0, &self.relative_position_index)
            .view([1, tokens, tokens, self.num_heads])
            .permute([0, 3, 1, 2]);
        match &self.seams {
            Some(seams) => bias + seams.to_kind(table.kind()),
            None => bias,
        }
    }
}

/// For each pair of tokens (i, j) of a window: (row_i - row_j + w - 1) * (2 w - 1) + (column_i - column_j + w - 1).
pub(super) fn relative_position_index(window: i64) -> Tensor {
    let tokens = window * window;
    let pairs = (0..tokens).flat_map(|i| (0..tokens).map(move |j| (i, j)));
    let index: Vec<i64> = pairs
        .map(|(i, j)| {
            let rows = i / window - j / window + window - 1;
            let columns = i % window - j % window + window - 1;
            rows * (2 * window - 1) + columns
        })
        .collect();
    Tensor::from_slice(&index)
}

/// 0 for pairs of tokens from the same region of the image, else `SEAM_SCORE`:
/// `[windows, 1, window^2, window^2]`.
pub(super) fn seam_scores(resolution: i64, window: i64, shift: i64) -> Tensor {
    // Rows (and columns) of the shifted image fall in three bands.
    let band = |position: i64| match position {
        p if p < resolution - window => 0,
        p if p < resolution - shift => 1,
        _ => 2,
    };
    let regions: Vec<i64> =
        (0..resolution).flat_map(|row| (0..resolution).map(move |column| 3 * band(row) + band(column))).collect();
    let side = resolution / window;
    let regions = Tensor::from_slice(&regions).view([side, window, side, window]).transpose(1, 2).reshape([
        side * side,
        1,
        window * window,
    ]);
    let differ = regions.unsqueeze(2).ne_tensor(&regions.unsqueeze(3)); // [windows, 1, tokens, tokens]
    Tensor::zeros(differ.size(), (Kind::Float, Device::Cpu)).masked_fill(&differ, SEAM_SCORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_positions_of_a_two_by_two_window() {
        let index = Vec::<i64>::try_from(relative_position_index(2)).expect("integers");
        // Token 0 against 0..3, then token 3 against 0..3, by hand.
        assert_eq!(index[..4], [4, 3, 1, 0]);
        assert_eq!(index[12..], [8, 7, 5, 4]);
    }

    #[test]
    fn seams_part_the_last_window_only() {
        let seams = seam_scores(4, 2, 1);
        assert_eq!(seams.size(), [4, 1, 4, 4]);
        let of = |window: i64| Vec::<f32>::try_from(seams.select(0, window).flatten(0, -1)).expect("floats");
        assert_eq!(of(0), [0.; 16]);
        // The last window holds four corners of the image: each sees itself alone.
        let alone: Vec<f32> = (0..16).map(|i| if i % 5 == 0 { 0. } else { -100. }).collect();
        assert_eq!(of(3), alone);
    }
}
