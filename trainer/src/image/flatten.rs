//! Any colour type to opaque 8-bit RGB.

use ::image::{DynamicImage, ImageBuffer, Pixel, RgbImage};

/// Lays a picture over white and reduces it to 8 bits a channel. Opaque 8-bit RGB is moved, not
/// copied.
pub(super) fn over_white(image: DynamicImage) -> RgbImage {
    match image {
        DynamicImage::ImageRgba8(rgba) => {
            convert(&rgba, |[red, green, blue, alpha]| [red, green, blue].map(|value| blend(value, alpha)))
        }
        DynamicImage::ImageLumaA8(grey) => convert(&grey, |[value, alpha]| [blend(value, alpha); 3]),
        DynamicImage::ImageRgba16(rgba) => {
            convert(&rgba, |[red, green, blue, alpha]| [red, green, blue].map(|value| blend_16(value, alpha)))
        }
        DynamicImage::ImageLumaA16(grey) => convert(&grey, |[value, alpha]| [blend_16(value, alpha); 3]),
        with_alpha if with_alpha.color().has_alpha() => over_white(DynamicImage::ImageRgba8(with_alpha.into_rgba8())),
        opaque => opaque.into_rgb8(),
    }
}

/// Makes a picture of what `rgb` makes of each pixel of `image`, whose pixels have `N` channels.
fn convert<P, const N: usize>(
    image: &ImageBuffer<P, Vec<P::Subpixel>>,
    rgb: impl Fn([P::Subpixel; N]) -> [u8; 3],
) -> RgbImage
where
    P: Pixel,
{
    let mut converted = RgbImage::new(image.width(), image.height());
    let (targets, _) = converted.as_chunks_mut::<3>();
    let (sources, _) = image.as_raw().as_chunks::<N>();
    for (target, source) in targets.iter_mut().zip(sources) {
        *target = rgb(*source);
    }
    converted
}

/// `value` over white, rounded to the nearest.
fn blend(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    let sum = value * alpha + 255 * (255 - alpha);
    ((sum + 127) / 255) as u8
}

/// `value` over white at 16 bits, brought to 8, rounded to the nearest.
fn blend_16(value: u16, alpha: u16) -> u8 {
    let (value, alpha) = (u64::from(value), u64::from(alpha));
    let sum = value * alpha + 65_535 * (65_535 - alpha);
    // 65,535 levels of alpha times 257 grey levels a step.
    let step = 65_535 * 257;
    ((sum + step / 2) / step) as u8
}

#[cfg(test)]
mod tests {
    use ::image::{Luma, LumaA, Rgba};

    use super::*;

    #[test]
    fn transparent_is_white_and_half_is_halfway() {
        let rgba: ImageBuffer<Rgba<u8>, _> =
            ImageBuffer::from_raw(3, 1, vec![9, 8, 7, 0, 9, 8, 7, 255, 55, 155, 255, 51]).unwrap();
        // 0.2 * 55 + 0.8 * 255 = 215, 0.2 * 155 + 0.8 * 255 = 235.
        assert_eq!(over_white(rgba.into()).into_raw(), [255, 255, 255, 9, 8, 7, 215, 235, 255]);
    }

    #[test]
    fn grey_becomes_three_equal_channels() {
        let grey: ImageBuffer<Luma<u8>, _> = ImageBuffer::from_raw(2, 1, vec![0, 200]).unwrap();
        assert_eq!(over_white(grey.into()).into_raw(), [0, 0, 0, 200, 200, 200]);
        let alpha: ImageBuffer<LumaA<u8>, _> = ImageBuffer::from_raw(2, 1, vec![0, 0, 55, 51]).unwrap();
        assert_eq!(over_white(alpha.into()).into_raw(), [255, 255, 255, 215, 215, 215]);
    }

    #[test]
    fn sixteen_bits_are_rounded_to_eight() {
        let grey: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(3, 1, vec![128, 129, 65_535]).unwrap();
        assert_eq!(over_white(DynamicImage::ImageLuma16(grey)).into_raw(), [0, 0, 0, 1, 1, 1, 255, 255, 255]);
        let alpha: ImageBuffer<LumaA<u16>, _> =
            ImageBuffer::from_raw(3, 1, vec![128, 65_535, 129, 65_535, 55 * 257, 51 * 257]).unwrap();
        assert_eq!(over_white(DynamicImage::ImageLumaA16(alpha)).into_raw(), [0, 0, 0, 1, 1, 1, 215, 215, 215]);
        let rgba: ImageBuffer<Rgba<u16>, _> = ImageBuffer::from_raw(1, 1, vec![0, 257, 65_535, 65_535]).unwrap();
        assert_eq!(over_white(DynamicImage::ImageRgba16(rgba)).into_raw(), [0, 1, 255]);
    }

    #[test]
    fn floating_point_alpha_is_blended_too() {
        let rgba: ImageBuffer<Rgba<f32>, _> = ImageBuffer::from_raw(1, 1, vec![0.0, 0.5, 1.0, 0.0]).unwrap();
        assert_eq!(over_white(DynamicImage::ImageRgba32F(rgba)).into_raw(), [255, 255, 255]);
    }
}
