//! Masks for padded features and padded captions.

use crate::device::numbers_on;
use tch::{Device, Kind, Tensor};

/// What a fully masked score becomes in the original; far below any real one.
const MASKED_SCORE: f64 = -1e4;

/// 1 at features, 0 at padding: `[batch, 1, tokens]`; `num_pads` counts the padding of each row.
pub fn token_mask(num_pads: &[i64], tokens: i64, device: Device) -> Tensor {
    filled(num_pads, tokens, device).unsqueeze(1)
}

/// 1 at the first `length - num_pads` of each row: `[batch, length]`.
fn filled(num_pads: &[i64], length: i64, device: Device) -> Tensor {
    let kept: Vec<i64> = num_pads.iter().map(|pads| length - pads).collect();
    let kept = numbers_on(device, &kept).unsqueeze(1);
    Tensor::arange(length, (Kind::Int64, device)).lt_tensor(&kept).to_kind(Kind::Float)
}

/// What the decoder may see.
#[derive(Debug)]
pub struct DecoderMasks {
    /// 1 where a position (row) may see another (column): `[batch or 1, positions, positions]`.
    pub causal: Tensor,
    /// 1 at words, 0 at padding: `[batch, positions, 1]`; none where nothing is padded.
    pub positions: Option<Tensor>,
    /// Added to the cross-attention scores: `[batch, 1, positions, tokens]`; none without padded features.
    pub cross_bias: Option<Tensor>,
}

impl DecoderMasks {
    /// Nothing padded: causal order alone.
    pub fn causal(positions: i64, device: Device) -> Self {
        DecoderMasks { causal: lower_triangle(positions, device), positions: None, cross_bias: None }
    }

    /// Captions padded at the end by `caption_pads`, features by `feature_pads` (one count a row).
    ///
    /// Padded positions attend evenly to everything, as in the original; no other row sees them.
    pub fn padded(caption_pads: &[i64], positions: i64, feature_pads: &[i64], tokens: i64, device: Device) -> Self {
        let words = filled(caption_pads, positions, device); // [batch, positions]
        let rows = words.unsqueeze(2);
        let cross_bias = feature_pads.iter().any(|&pads| pads > 0).then(|| {
            let features = filled(feature_pads, tokens, device); // [batch, tokens]
            let hidden = &rows * features.rsub_scalar(1.).unsqueeze(1); // [batch, positions, tokens]
            (hidden * MASKED_SCORE).unsqueeze(1)
        });
        if caption_pads.iter().all(|&pads| pads == 0) {
            return DecoderMasks { cross_bias, ..DecoderMasks::causal(positions, device) };
        }
        DecoderMasks {
            causal: lower_triangle(positions, device) * words.unsqueeze(1) * &rows,
            cross_bias,
            positions: Some(rows),
        }
    }
}

/// `[1, positions, positions]`
fn lower_triangle(positions: i64, device: Device) -> Tensor {
    Tensor::ones([1, positions, positions], (Kind::Float, device)).tril(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.flatten(0, -1)).expect("a float tensor")
    }

    #[test]
    fn padding_is_cut_off_at_the_end() {
        let mask = token_mask(&[0, 2], 3, Device::Cpu);
        assert_eq!(mask.size(), [2, 1, 3]);
        assert_eq!(values(&mask), [1., 1., 1., 1., 0., 0.]);
    }

    #[test]
    fn no_position_sees_a_later_or_padded_one() {
        let masks = DecoderMasks::padded(&[1], 3, &[1], 2, Device::Cpu);
        assert_eq!(values(&masks.causal), [1., 0., 0., 1., 1., 0., 0., 0., 0.]);
        let bias = masks.cross_bias.expect("features are padded");
        assert_eq!(values(&bias), [0., -1e4, 0., -1e4, 0., 0.]);
        let unpadded = DecoderMasks::padded(&[0], 3, &[0], 2, Device::Cpu);
        assert!(unpadded.cross_bias.is_none() && unpadded.positions.is_none());
        assert_eq!(values(&unpadded.causal), [1., 0., 0., 1., 1., 0., 1., 1., 1.]);
    }
}
