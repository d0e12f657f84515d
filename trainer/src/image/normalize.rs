//! From grey levels to the numbers a network was trained on.

use ::image::RgbImage;

/// Mean and standard deviation of each channel (red, green, blue), in units of grey level / 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Subtracted from each channel.
    pub mean: [f32; 3],
    /// What each channel is divided by afterwards.
    pub std: [f32; 3],
}

impl Normalization {
    /// The statistics of ImageNet, which Swin is trained with.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// (level - 127) / 128, which EfficientNet-lite is trained with.
    pub const CENTERED: Self = Self { mean: [127.0 / 255.0; 3], std: [128.0 / 255.0; 3] };

    /// The value of each of the 256 grey levels in one channel, in the order of operations that
    /// torchvision uses.
    fn levels(&self, channel: usize) -> [f32; 256] {
        let (mean, std) = (self.mean[channel], self.std[channel]);
        std::array::from_fn(|level| (level as f32 / 255.0 - mean) / std)
    }
}

/// Normalises a picture into planes, `[3, height, width]`, rows first.
///
/// There are only 256 levels a channel, so each pixel is three look-ups.
#[must_use]
pub fn normalize(image: &RgbImage, normalization: &Normalization) -> Vec<f32> {
    let (pixels, _) = image.as_chunks::<3>();
    let levels: [[f32; 256]; 3] = std::array::from_fn(|channel| normalization.levels(channel));
    let mut planes = Vec::with_capacity(3 * pixels.len());
    for (channel, levels) in levels.iter().enumerate() {
        planes.extend(pixels.iter().map(|pixel| levels[usize::from(pixel[channel])]));
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes() {
        let image = RgbImage::from_raw(2, 1, vec![127, 255, 0, 191, 63, 127]).unwrap();
        let planes = normalize(&image, &Normalization::CENTERED);
        let expected = [0.0, 0.5, 1.0, -0.5, -127.0 / 128.0, 0.0];
        for (value, expected) in planes.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{planes:?}");
        }
        assert_eq!(planes.len(), expected.len());
    }

    #[test]
    fn imagenet_statistics_are_subtracted_and_divided_by_channel() {
        let image = RgbImage::from_raw(1, 1, vec![0, 0, 255]).unwrap();
        let planes = normalize(&image, &Normalization::IMAGENET);
        let expected = [-0.485 / 0.229, -0.456 / 0.224, (1.0 - 0.406) / 0.225];
        for (value, expected) in planes.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{planes:?}");
        }
    }
}
