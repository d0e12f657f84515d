//! What the original's Swin keeps beside its weights: computed from sizes alone, and part of its state dictionary.

use super::super::config::SwinConfig;
use super::attention::{relative_position_index, seam_scores};
use tch::Tensor;

/// The buffers by their names below the backbone: `relative_position_index` `[window^2, window^2]` of every block,
/// `attn_mask` `[windows, window^2, window^2]` of the shifted ones.
pub fn of(config: &SwinConfig, image_size: i64) -> Vec<(String, Tensor)> {
    let mut buffers = Vec::new();
    for (stage, &depth) in config.depths.iter().enumerate() {
        let resolution = (image_size / config.patch_size) >> stage;
        let window = config.window_size.min(resolution);
        let tokens = window * window;
        for block in 0..depth {
            let path = format!("layers.{stage}.blocks.{block}");
            let index = relative_position_index(window).view([tokens, tokens]);
            buffers.push((format!("{path}.attn.relative_position_index"), index));
            if block % 2 == 1 && resolution > config.window_size {
                buffers.push((format!("{path}.attn_mask"), seam_scores(resolution, window, window / 2).squeeze_dim(1)));
            }
        }
    }
    buffers
}
