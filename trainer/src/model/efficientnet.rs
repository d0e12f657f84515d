//! EfficientNet-lite 0 to 2 (Tan and Le, 2019; lite variants 2020): a backbone for small machines.
//!
//! Lite means ReLU6 instead of swish and no squeeze-excite. The weights come from TensorFlow,
//! hence its padding, which is uneven at stride 2, and batch norm's epsilon of 1e-3.

use super::config::EfficientNetLite;
use super::layers::{drop_path, drop_path_rates};
use super::precision::narrow;
use std::iter::zip;
use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

const BATCH_NORM_EPSILON: f64 = 1e-3;
const BATCH_NORM_MOMENTUM: f64 = 0.01;

/// Columns of a depthwise kernel whose gradient oneDNN takes fast.
const WIDEST_FAST_KERNEL: i64 = 3;

/// Channels of the features (never scaled in the lite variants).
const HEAD_CHANNELS: i64 = 1280;

/// Kernel, repeats, expansion ratio, output channels and stride of each group of blocks in B0.
const GROUPS: [(i64, i64, i64, i64, i64); 7] = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 3, 6, 80, 2),
    (5, 3, 6, 112, 1),
    (5, 4, 6, 192, 2),
    (3, 1, 6, 320, 1),
];

/// The feature extractor: everything but the classifier; fields mirror the checkpoint.
#[derive(Debug)]
pub struct EfficientNet {
    conv_stem: ConvBatchNorm,
    blocks: Vec<MobileBlock>,
    conv_head: ConvBatchNorm,
}

impl EfficientNet {
    /// The variant's feature extractor; in training the branches of blocks with a shortcut are dropped, of the last one
    /// at the rate `largest_drop_path`.
    pub fn new(path: &Path, variant: EfficientNetLite, largest_drop_path: f64) -> Self {
        let (width, depth) = variant.coefficients();
        let stem = 32;
        let mut blocks = Vec::new();
        let mut channels = stem;
        for (group, &(kernel, repeats, expand, out, stride)) in GROUPS.iter().enumerate() {
            let fixed_depth = group == 0 || group == GROUPS.len() - 1;
            let repeats = if fixed_depth { repeats } else { (repeats as f64 * depth).ceil() as i64 };
            let out = round_channels(out, width);
            for repeat in 0..repeats {
                let block = path / "_blocks" / blocks.len();
                let stride = if repeat == 0 { stride } else { 1 };
                blocks.push(MobileBlock::new(
                    &block,
                    Conv { in_channels: channels, out_channels: out, kernel, stride, groups: 1 },
                    expand,
                ));
                channels = out;
            }
        }
        let rates = drop_path_rates(blocks.len(), largest_drop_path);
        for (block, rate) in zip(&mut blocks, rates) {
            block.drop_path = rate;
        }
        EfficientNet {
            conv_stem: ConvBatchNorm::new(
                path,
                "_conv_stem",
                "_bn0",
                Conv { in_channels: 3, out_channels: stem, kernel: 3, stride: 2, groups: 1 },
            ),
            blocks,
            conv_head: ConvBatchNorm::new(path, "_conv_head", "_bn1", Conv::pointwise(channels, HEAD_CHANNELS)),
        }
    }

    /// Images `[batch, 3, side, side]` to features `[batch, tokens, 1280]`.
    pub fn forward_t(&self, images: &Tensor, train: bool) -> Tensor {
        (0..self.segments()).fold(images.shallow_clone(), |x, index| self.forward_segment(index, &x, train))
    }

    /// Pieces of the work, one after the other: the stem, each block, the head.
    pub fn segments(&self) -> usize {
        self.blocks.len() + 2
    }

    /// What the segment at `index` makes of what the one before it made: all in turn are [`Self::forward_t`].
    pub fn forward_segment(&self, index: usize, x: &Tensor, train: bool) -> Tensor {
        match index.checked_sub(1) {
            None => self.conv_stem.forward_t(&channels_last(x), train).relu6_(),
            Some(block) if block < self.blocks.len() => self.blocks[block].forward_t(x, train),
            Some(_) => self.conv_head.forward_t(x, train).relu6_().flatten(2, 3).transpose(1, 2),
        }
    }

    /// The running means and variances, which a pass in training moves unless they are frozen.
    pub fn running(&self) -> Vec<Tensor> {
        let blocks = self.blocks.iter().flat_map(MobileBlock::layers);
        let layers = std::iter::once(&self.conv_stem).chain(blocks).chain([&self.conv_head]);
        layers.flat_map(ConvBatchNorm::running).collect()
    }

    /// Has training normalise by the running means and variances as they are: batches are too small to tell them.
    pub fn freeze_statistics(&mut self) {
        self.layers_mut().for_each(|layer| layer.frozen = true);
    }

    fn layers_mut(&mut self) -> impl Iterator<Item = &mut ConvBatchNorm> {
        let blocks = self.blocks.iter_mut().flat_map(MobileBlock::layers_mut);
        std::iter::once(&mut self.conv_stem).chain(blocks).chain([&mut self.conv_head])
    }

    /// Folds every batch norm into its convolution. Call after loading, never before training.
    pub fn prepare_inference(&mut self) {
        self.layers_mut().for_each(|layer| layer.folded = Some(layer.fold()));
    }

    /// The kind of the weights, which the input must have.
    pub fn kind(&self) -> Kind {
        self.conv_stem.weight.kind()
    }
}

impl EfficientNetLite {
    /// Width and depth coefficients.
    fn coefficients(self) -> (f64, f64) {
        match self {
            EfficientNetLite::Lite0 => (1.0, 1.0),
            EfficientNetLite::Lite1 => (1.0, 1.1),
            EfficientNetLite::Lite2 => (1.1, 1.2),
        }
    }
}

/// Channels scaled by `width`, to a multiple of 8 that is no more than 10 % smaller.
fn round_channels(channels: i64, width: f64) -> i64 {
    let scaled = channels as f64 * width;
    let rounded = ((scaled + 4.) as i64 / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * scaled { rounded + 8 } else { rounded }
}

/// Inverted residual: expand, depthwise convolution, project, and a shortcut where shapes allow.
#[derive(Debug)]
struct MobileBlock {
    expand: Option<ConvBatchNorm>,
    depthwise: ConvBatchNorm,
    project: ConvBatchNorm,
    shortcut: bool,
    /// How often the branch beside the shortcut is dropped in training.
    drop_path: f64,
}

impl MobileBlock {
    fn new(path: &Path, sizes: Conv, expand_ratio: i64) -> Self {
        let hidden = sizes.in_channels * expand_ratio;
        let expand = Conv::pointwise(sizes.in_channels, hidden);
        MobileBlock {
            expand: (expand_ratio > 1).then(|| ConvBatchNorm::new(path, "_expand_conv", "_bn0", expand)),
            depthwise: ConvBatchNorm::new(
                path,
                "_depthwise_conv",
                "_bn1",
                Conv { in_channels: hidden, out_channels: hidden, groups: hidden, ..sizes },
            ),
            project: ConvBatchNorm::new(path, "_project_conv", "_bn2", Conv::pointwise(hidden, sizes.out_channels)),
            shortcut: sizes.stride == 1 && sizes.in_channels == sizes.out_channels,
            drop_path: 0.,
        }
    }

    fn layers(&self) -> impl Iterator<Item = &ConvBatchNorm> {
        self.expand.iter().chain([&self.depthwise, &self.project])
    }

    fn layers_mut(&mut self) -> impl Iterator<Item = &mut ConvBatchNorm> {
        self.expand.iter_mut().chain([&mut self.depthwise, &mut self.project])
    }

    fn forward_t(&self, input: &Tensor, train: bool) -> Tensor {
        let expanded = match &self.expand {
            Some(expand) => expand.forward_t(input, train).relu6_(),
            None => input.shallow_clone(),
        };
        let filtered = self.depthwise.forward_t(&expanded, train).relu6_();
        let projected = self.project.forward_t(&filtered, train);
        if self.shortcut { drop_path(projected, self.drop_path, train) + input } else { projected }
    }
}

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
struct Conv {
    in_channels: i64,
    out_channels: i64,
    kernel: i64,
    stride: i64,
    groups: i64,
}

impl Conv {
    fn pointwise(in_channels: i64, out_channels: i64) -> Self {
        Conv { in_channels, out_channels, kernel: 1, stride: 1, groups: 1 }
    }
}

/// A convolution without bias and the batch norm after it.
#[derive(Debug)]
struct ConvBatchNorm {
    weight: Tensor,
    bn_weight: Tensor,
    bn_bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    sizes: Conv,
    /// Weight and bias with the batch norm folded in, for inference.
    folded: Option<(Tensor, Tensor)>,
    /// Whether training normalises by the running mean and variance, too, and leaves them alone.
    frozen: bool,
}

impl ConvBatchNorm {
    fn new(path: &Path, conv: &str, bn: &str, sizes: Conv) -> Self {
        let fan_out = sizes.kernel * sizes.kernel * sizes.out_channels / sizes.groups;
        let init = Init::Randn { mean: 0., stdev: (2. / fan_out as f64).sqrt() };
        let bn = path / bn;
        let channels = [sizes.out_channels];
        ConvBatchNorm {
            weight: (path / conv).var(
                "weight",
                &[sizes.out_channels, sizes.in_channels / sizes.groups, sizes.kernel, sizes.kernel],
                init,
            ),
            bn_weight: bn.ones("weight", &channels),
            bn_bias: bn.zeros("bias", &channels),
            running_mean: bn.zeros_no_train("running_mean", &channels),
            running_var: bn.ones_no_train("running_var", &channels),
            sizes,
            folded: None,
            frozen: false,
        }
    }

    fn forward_t(&self, x: &Tensor, train: bool) -> Tensor {
        match &self.folded {
            Some((weight, bias)) if !train => self.convolve(x, weight, Some(bias)),
            // Folded anew each time, gradients reach what is folded, and a pass over the activations is spared.
            _ if self.frozen => {
                let (weight, bias) = self.fold();
                self.convolve(x, &weight, Some(&bias))
            }
            _ => self.convolve(x, &self.weight, None).batch_norm(
                Some(&self.bn_weight),
                Some(&self.bn_bias),
                Some(&self.running_mean),
                Some(&self.running_var),
                train,
                BATCH_NORM_MOMENTUM,
                BATCH_NORM_EPSILON,
                true,
            ),
        }
    }

    fn running(&self) -> [Tensor; 2] {
        [self.running_mean.shallow_clone(), self.running_var.shallow_clone()]
    }

    fn convolve(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        if let Some(kind) = narrow() {
            let bias = bias.map(|bias| bias.to_kind(kind));
            return self.convolve_as_it_is(&x.to_kind(kind), &weight.to_kind(kind), bias.as_ref()).to_kind(Kind::Float);
        }
        self.convolve_as_it_is(x, weight, bias)
    }

    fn convolve_as_it_is(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let Conv { kernel, stride, groups, .. } = self.sizes;
        let (before, after) = same_padding(x.size()[2], kernel, stride);
        let trained = weight.requires_grad() && x.device() == Device::Cpu;
        if trained && groups > 1 && kernel > WIDEST_FAST_KERNEL {
            return self.convolve_in_columns(&x.constant_pad_nd([before, after, before, after]), weight, bias);
        }
        if before == after {
            return x.conv2d(weight, bias, [stride, stride], [before, before], [1, 1], groups);
        }
        let padded = x.constant_pad_nd([before, after, before, after]);
        padded.conv2d(weight, bias, [stride, stride], [0, 0], [1, 1], groups)
    }

    /// The same of padded `x`, as the sum of two convolutions with the first and the last columns of the kernel.
    ///
    /// oneDNN has a fast gradient of depthwise kernels for three columns at most, and one a dozen times slower for more.
    fn convolve_in_columns(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let Conv { kernel, stride, groups, .. } = self.sizes;
        let (width, rest) = (x.size()[3], kernel - WIDEST_FAST_KERNEL);
        let part = |first: i64, columns: i64, bias: Option<&Tensor>| {
            let seen = x.narrow(3, first, width - kernel + columns);
            let weight = weight.narrow(3, first, columns);
            channels_last(&seen).conv2d(&weight, bias, [stride, stride], [0, 0], [1, 1], groups)
        };
        part(0, WIDEST_FAST_KERNEL, bias) + part(WIDEST_FAST_KERNEL, rest, None)
    }

    /// Weight and bias of the one convolution that does the work of both.
    fn fold(&self) -> (Tensor, Tensor) {
        let kind = self.weight.kind();
        let wide = |tensor: &Tensor| tensor.to_kind(Kind::Float);
        let gain = wide(&self.bn_weight) / (wide(&self.running_var) + BATCH_NORM_EPSILON).sqrt();
        let weight = wide(&self.weight) * gain.view([-1, 1, 1, 1]);
        let bias = wide(&self.bn_bias) - wide(&self.running_mean) * gain;
        (weight.to_kind(kind), bias.to_kind(kind))
    }
}

/// The same images `[batch, channels, height, width]`, on a CPU with the channels of a pixel side by side in memory, as
/// its convolutions like it best; they keep that order.
fn channels_last(images: &Tensor) -> Tensor {
    match images.device() {
        Device::Cpu => images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
        _ => images.shallow_clone(),
    }
}

/// TensorFlow's "SAME": pixels to add before and after, the odd one after.
fn same_padding(size: i64, kernel: i64, stride: i64) -> (i64, i64) {
    let out = (size + stride - 1) / stride;
    let total = ((out - 1) * stride + kernel - size).max(0);
    (total / 2, total - total / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_uneven_at_stride_two() {
        assert_eq!(same_padding(224, 3, 2), (0, 1));
        assert_eq!(same_padding(56, 5, 2), (1, 2));
        assert_eq!(same_padding(28, 5, 1), (2, 2));
        assert_eq!(same_padding(15, 3, 2), (1, 1));
        assert_eq!(same_padding(7, 1, 1), (0, 0));
    }

    #[test]
    fn frozen_statistics_stay_and_are_what_training_sees() {
        tch::manual_seed(3);
        let store = tch::nn::VarStore::new(tch::Device::Cpu);
        let mut net = EfficientNet::new(&store.root(), EfficientNetLite::Lite0, 0.);
        let images = Tensor::randn([2, 3, 64, 64], (Kind::Float, tch::Device::Cpu));
        let copies = |net: &EfficientNet| net.running().iter().map(Tensor::copy).collect::<Vec<_>>();
        let (before, plain) = (copies(&net), net.forward_t(&images, false));
        net.freeze_statistics();
        let trained = net.forward_t(&images, true);
        // Folded into the convolutions they round otherwise.
        assert!(trained.allclose(&plain, 1e-3, 1e-4, false));
        assert_eq!(copies(&net), before);
        trained.sum(Kind::Float).backward();
        assert!(store.variables()["_bn0.weight"].grad().defined(), "what follows the statistics is trained");
    }

    #[test]
    fn a_wide_kernel_in_two_parts_has_the_gradients_of_the_whole() {
        tch::manual_seed(4);
        let store = tch::nn::VarStore::new(Device::Cpu);
        for (stride, side) in [(1, 9), (2, 10), (2, 9)] {
            let sizes = Conv { in_channels: 16, out_channels: 16, kernel: 5, stride, groups: 16 };
            let layer = ConvBatchNorm::new(&store.root(), "conv", "bn", sizes);
            let leaf = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let (x, weight, bias) = (leaf(&[2, 16, side, side]), leaf(&[16, 1, 5, 5]), leaf(&[16]));
            let gradients = |made: Tensor| {
                (made.sin() * 3.).sum(Kind::Float).backward();
                [&x, &weight, &bias].map(|leaf| {
                    let gradient = leaf.grad().copy();
                    let _ = leaf.grad().zero_();
                    gradient
                })
            };
            let parts = gradients(layer.convolve_as_it_is(&x, &weight, Some(&bias)));
            let (before, after) = same_padding(side, 5, stride);
            let padded = x.constant_pad_nd([before, after, before, after]);
            let whole = gradients(padded.conv2d(&weight, Some(&bias), [stride, stride], [0, 0], [1, 1], 16));
            for (ours, theirs) in parts.iter().zip(&whole) {
                assert!(ours.allclose(theirs, 1e-4, 1e-4, false), "stride {stride}, side {side}");
            }
        }
    }

    #[test]
    fn channels_scale_to_multiples_of_eight() {
        assert_eq!(round_channels(16, 1.1), 16);
        assert_eq!(round_channels(24, 1.1), 24);
        assert_eq!(round_channels(40, 1.1), 48);
        assert_eq!(round_channels(112, 1.1), 120);
        assert_eq!(round_channels(320, 1.1), 352);
    }
}
