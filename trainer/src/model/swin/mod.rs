//! Swin Transformer (Liu et al., 2021): the paper's backbone, any size; fields mirror the checkpoint.

mod attention;
mod block;
pub mod buffers;

pub use attention::WindowAttention;
pub use block::SwinBlock;

use super::config::SwinConfig;
use super::layers::{drop_path_rates, layer_norm, linear_with_bias, project};
use super::precision::narrow;
use tch::nn::{self, Conv2D, LayerNorm, Linear, Module, Path};
use tch::{Kind, Tensor};

/// The whole backbone: image to tokens.
#[derive(Debug)]
pub struct SwinTransformer {
    /// Image to patches.
    pub patch_embed: PatchEmbed,
    /// The stages.
    pub layers: Vec<Stage>,
    norm: LayerNorm,
}

impl SwinTransformer {
    /// A Swin Transformer for square images of `image_size` pixels.
    pub fn new(path: &Path, config: &SwinConfig, image_size: i64, drop_path: f64) -> Self {
        let blocks = config.depths.iter().sum::<i64>() as usize;
        let mut rates = drop_path_rates(blocks, drop_path).into_iter();
        let mut stage = |index: usize, depth: i64| {
            let rates: Vec<f64> = rates.by_ref().take(depth as usize).collect();
            Stage::new(&(path / "layers" / index), config, index, image_size / config.patch_size, &rates)
        };
        SwinTransformer {
            patch_embed: PatchEmbed::new(&(path / "patch_embed"), config),
            layers: config.depths.iter().enumerate().map(|(index, &depth)| stage(index, depth)).collect(),
            norm: layer_norm(path / "norm", config.stage_dim(config.depths.len() - 1)),
        }
    }

    /// Images `[batch, 3, image_size, image_size]` to features `[batch, tokens, channels]`.
    pub fn forward_t(&self, images: &Tensor, train: bool) -> Tensor {
        let mut x = self.patch_embed.forward(images);
        for stage in &self.layers {
            x = stage.forward_t(&x, train);
        }
        self.norm.forward(&x)
    }

    /// Pieces of the work, one after the other: the patches, then each block (with what follows it).
    pub fn segments(&self) -> usize {
        1 + self.layers.iter().map(|stage| stage.blocks.len()).sum::<usize>()
    }

    /// What the segment at `index` makes of what the one before it made: all in turn are [`Self::forward_t`].
    pub fn forward_segment(&self, index: usize, x: &Tensor, train: bool) -> Tensor {
        let Some(mut block) = index.checked_sub(1) else { return self.patch_embed.forward(x) };
        for stage in &self.layers {
            if block < stage.blocks.len() {
                let x = stage.forward_block(block, x, train);
                return if index + 1 == self.segments() { self.norm.forward(&x) } else { x };
            }
            block -= stage.blocks.len();
        }
        x.shallow_clone()
    }

    /// Computes once what does not depend on the image. Call after loading, never before training.
    pub fn prepare_inference(&mut self) {
        for block in self.layers.iter_mut().flat_map(|stage| &mut stage.blocks) {
            block.prepare_inference();
        }
    }

    /// The kind of the weights, which the input must have.
    pub fn kind(&self) -> Kind {
        self.patch_embed.proj.ws.kind()
    }
}

/// Non-overlapping patches, projected and normalised.
#[derive(Debug)]
pub struct PatchEmbed {
    proj: Conv2D,
    norm: LayerNorm,
}

impl PatchEmbed {
    fn new(path: &Path, config: &SwinConfig) -> Self {
        let stride = nn::ConvConfig { stride: config.patch_size, ..Default::default() };
        PatchEmbed {
            proj: nn::conv2d(path / "proj", 3, config.embed_dim, config.patch_size, stride),
            norm: layer_norm(path / "norm", config.embed_dim),
        }
    }

    /// `[batch, 3, side, side]` to `[batch, patches, embed_dim]`.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        self.norm.forward(&self.project(images).flatten(2, 3).transpose(1, 2))
    }
}

impl PatchEmbed {
    /// The convolution, in the narrow format where matrices are.
    fn project(&self, images: &Tensor) -> Tensor {
        let Some(kind) = narrow() else { return self.proj.forward(images) };
        let (weight, bias) = (self.proj.ws.to_kind(kind), self.proj.bs.as_ref().map(|bias| bias.to_kind(kind)));
        let side = weight.size()[2]; // patches do not overlap
        images.to_kind(kind).conv2d(&weight, bias.as_ref(), [side, side], [0, 0], [1, 1], 1).to_kind(Kind::Float)
    }
}

/// Blocks at one resolution, then (but for the last stage) a halving of it.
#[derive(Debug)]
pub struct Stage {
    blocks: Vec<SwinBlock>,
    downsample: Option<PatchMerging>,
}

impl Stage {
    fn new(path: &Path, config: &SwinConfig, index: usize, patches: i64, drop_path: &[f64]) -> Self {
        let resolution = patches >> index;
        let dim = config.stage_dim(index);
        let blocks = path / "blocks";
        Stage {
            blocks: drop_path
                .iter()
                .enumerate()
                .map(|(i, &rate)| SwinBlock::new(&(&blocks / i), config, index, resolution, i % 2 == 1, rate))
                .collect(),
            downsample: (index + 1 < config.depths.len())
                .then(|| PatchMerging::new(&(path / "downsample"), dim, resolution)),
        }
    }

    /// `[batch, resolution^2, dim]` to `[batch, (resolution / 2)^2, 2 dim]` (unchanged in the last stage).
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Tensor {
        let mut x = x.shallow_clone();
        for block in 0..self.blocks.len() {
            x = self.forward_block(block, &x, train);
        }
        x
    }

    /// One block, and after the last the halving.
    fn forward_block(&self, index: usize, x: &Tensor, train: bool) -> Tensor {
        let x = self.blocks[index].forward_t(x, train);
        match &self.downsample {
            Some(downsample) if index + 1 == self.blocks.len() => downsample.forward(&x),
            _ => x,
        }
    }
}

/// Joins each 2 x 2 tokens into one of twice the channels.
#[derive(Debug)]
struct PatchMerging {
    reduction: Linear,
    norm: LayerNorm,
    resolution: i64,
}

impl PatchMerging {
    fn new(path: &Path, dim: i64, resolution: i64) -> Self {
        PatchMerging {
            reduction: linear_with_bias(path / "reduction", 4 * dim, 2 * dim, false),
            norm: layer_norm(path / "norm", 4 * dim),
            resolution,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let half = self.resolution / 2;
        let (batch, _, dim) = x.size3().unwrap_or_default();
        // Channel order (row, column) 00, 10, 01, 11: the column offset is the slower one.
        let merged = x
            .view([batch, half, 2, half, 2, dim])
            .permute([0, 1, 3, 4, 2, 5]) // [batch, half, half, column, row, dim]
            .reshape([batch, half * half, 4 * dim]);
        project(&self.reduction, &self.norm.forward(&merged))
    }
}
