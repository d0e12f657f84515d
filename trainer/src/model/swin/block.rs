//! One Swin block: (shifted) window attention and a feed-forward layer, each with a shortcut.

use super::super::config::SwinConfig;
use super::super::layers::{drop_path, layer_norm, linear, project};
use super::attention::WindowAttention;
use tch::Tensor;
use tch::nn::{LayerNorm, Linear, Module, Path};

/// A block over tokens of one resolution; fields mirror the checkpoint.
#[derive(Debug)]
pub struct SwinBlock {
    norm1: LayerNorm,
    attn: WindowAttention,
    norm2: LayerNorm,
    mlp: Mlp,
    resolution: i64,
    window: i64,
    shift: i64,
    drop_path: f64,
}

impl SwinBlock {
    /// A block of stage `stage`; `shifted` moves the windows by half their side, unless one covers all.
    pub fn new(path: &Path, config: &SwinConfig, stage: usize, resolution: i64, shifted: bool, drop_path: f64) -> Self {
        let dim = config.stage_dim(stage);
        let window = config.window_size.min(resolution);
        let shift = if shifted && resolution > config.window_size { window / 2 } else { 0 };
        SwinBlock {
            norm1: layer_norm(path / "norm1", dim),
            attn: WindowAttention::new(&(path / "attn"), dim, config.num_heads[stage], window, resolution, shift),
            norm2: layer_norm(path / "norm2", dim),
            mlp: Mlp::new(&(path / "mlp"), dim, dim * config.mlp_ratio),
            resolution,
            window,
            shift,
            drop_path,
        }
    }

    /// `[batch, resolution^2, dim]` to the same shape.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Tensor {
        let windows = self.partition(&self.norm1.forward(x));
        let attended = self.join(&self.attn.forward(&windows), x.size()[0]);
        let x = x + drop_path(attended, self.drop_path, train);
        let fed = self.mlp.forward(&self.norm2.forward(&x));
        x + drop_path(fed, self.drop_path, train)
    }

    /// Computes the attention bias once.
    pub fn prepare_inference(&mut self) {
        self.attn.prepare_inference();
    }

    /// `[batch, resolution^2, dim]` to `[batch * windows, window^2, dim]`.
    fn partition(&self, x: &Tensor) -> Tensor {
        let (batch, _, dim) = x.size3().unwrap_or_default();
        let (side, window) = (self.resolution / self.window, self.window);
        let mut grid = x.view([batch, self.resolution, self.resolution, dim]);
        if self.shift > 0 {
            grid = grid.roll([-self.shift, -self.shift], [1, 2]);
        }
        grid.view([batch, side, window, side, window, dim])
            .transpose(2, 3) // [batch, side, side, window, window, dim]
            .reshape([batch * side * side, window * window, dim])
    }

    /// The inverse of `partition`.
    fn join(&self, windows: &Tensor, batch: i64) -> Tensor {
        let dim = windows.size()[2];
        let (side, window) = (self.resolution / self.window, self.window);
        let mut grid = windows.view([batch, side, side, window, window, dim]).transpose(2, 3).reshape([
            batch,
            self.resolution,
            self.resolution,
            dim,
        ]);
        if self.shift > 0 {
            grid = grid.roll([self.shift, self.shift], [1, 2]);
        }
        grid.view([batch, self.resolution * self.resolution, dim])
    }
}

/// Linear, exact GELU, linear.
#[derive(Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    fn new(path: &Path, dim: i64, hidden: i64) -> Self {
        Mlp { fc1: linear(path / "fc1", dim, hidden), fc2: linear(path / "fc2", hidden, dim) }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        project(&self.fc2, &project(&self.fc1, x).gelu("none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, nn::VarStore};

    #[test]
    fn partition_and_join_are_inverse_with_shifted_windows() {
        let store = VarStore::new(Device::Cpu);
        let config = SwinConfig {
            patch_size: 4,
            embed_dim: 4,
            depths: vec![2],
            num_heads: vec![1],
            window_size: 2,
            mlp_ratio: 1,
        };
        let block = SwinBlock::new(&store.root(), &config, 0, 4, true, 0.);
        let x = Tensor::arange(2 * 16 * 4, (Kind::Float, Device::Cpu)).view([2, 16, 4]);
        let windows = block.partition(&x);
        assert_eq!(windows.size(), [8, 4, 4]);
        // The first window starts one row and one column in: tokens 5, 6, 9, 10.
        let first = Vec::<f32>::try_from(windows.select(0, 0).select(1, 0)).expect("floats");
        assert_eq!(first, [20., 24., 36., 40.]);
        assert_eq!(block.join(&windows, 2), x);
    }
}
