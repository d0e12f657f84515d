//! Resizing by antialiased convolution, as Pillow does it.

use ::image::RgbImage;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, IntoImageView, PixelType, ResizeAlg, ResizeError, ResizeOptions, Resizer};

use super::ImageError;

/// Resizes a picture straight to `size` x `size` pixels, whatever its aspect, by the antialiased
/// bilinear convolution that the models are trained with; at most one grey level from Pillow's, in
/// one pixel of some hundreds.
///
/// # Errors
/// A side of zero pixels, in the picture or asked for.
pub fn resize_square(image: &RgbImage, size: u32) -> Result<RgbImage, ImageError> {
    resize(image, size, size)
}

/// Resizes as [`resize_square`], to any size.
pub(super) fn resize(image: &RgbImage, width: u32, height: u32) -> Result<RgbImage, ImageError> {
    let error = |reason: String| ImageError::Resize { width, height, reason };
    let (from_width, from_height) = image.dimensions();
    if [width, height, from_width, from_height].contains(&0) {
        return Err(error("a picture needs at least one pixel".to_owned()));
    }
    let source = ImageRef::new(from_width, from_height, image.as_raw(), PixelType::U8x3)
        .map_err(|reason| error(reason.to_string()))?;
    // In one go the crate would shrink the columns first, always. The levels between the two passes
    // are rounded, so that their order shows in every fifth pixel: we take Pillow's.
    let (between_width, between_height) =
        if columns_first(image.dimensions(), (width, height)) { (from_width, height) } else { (width, from_height) };
    let between = pass(&source, between_width, between_height).map_err(|reason| error(reason.to_string()))?;
    let both = pass(&between, width, height).map_err(|reason| error(reason.to_string()))?;
    RgbImage::from_raw(width, height, both.into_vec())
        .ok_or_else(|| error("the resized picture lacks pixels".to_owned()))
}

/// Whether Pillow (13 and later) shrinks the columns before the rows: if the height goes down by
/// more than twice what the width goes down by.
fn columns_first((from_width, from_height): (u32, u32), (width, height): (u32, u32)) -> bool {
    let fewer_rows = i64::from(from_height) - i64::from(height);
    let fewer_columns = i64::from(from_width) - i64::from(width);
    fewer_rows > 0 && fewer_rows > 2 * fewer_columns
}

/// One pass of the convolution, along the side whose length changes.
fn pass(source: &impl IntoImageView, width: u32, height: u32) -> Result<Image<'static>, ResizeError> {
    let mut resized = Image::new(width, height, PixelType::U8x3);
    let bilinear = ResizeAlg::Convolution(FilterType::Bilinear);
    let options = ResizeOptions::new().resize_alg(bilinear);
    Resizer::new().resize(source, &mut resized, &options)?;
    Ok(resized)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_averages_with_the_triangle_filter() {
        // A support of two pixels each side: weights 3/4 and 1/4 of distance, cut at the border.
        // Columns 0 0 80 80 to two: (0*3 + 0*3 + 80*1) / 7 = 11.43 and its mirror 68.57.
        let row = [0, 0, 80, 80].map(|value| [value; 3]).concat();
        let image = RgbImage::from_raw(4, 4, row.repeat(4)).unwrap();
        let half = resize_square(&image, 2).unwrap();
        assert_eq!(half.into_raw(), [[11; 3], [69; 3]].concat().repeat(2));
    }

    #[test]
    fn doubling_interpolates() {
        let image = RgbImage::from_raw(2, 1, vec![0, 0, 0, 100, 100, 100]).unwrap();
        let doubled = resize(&image, 4, 1).unwrap();
        let levels: Vec<u8> = doubled.pixels().map(|pixel| pixel[0]).collect();
        assert_eq!(levels, [0, 25, 75, 100]);
    }

    #[test]
    fn columns_come_first_where_mostly_the_height_goes_down() {
        assert!(columns_first((333, 500), (384, 384)));
        assert!(columns_first((100, 301), (0, 100)));
        assert!(!columns_first((100, 300), (0, 100)));
        assert!(!columns_first((640, 427), (384, 384)));
        assert!(!columns_first((100, 50), (200, 50)));
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let none = RgbImage::new(0, 3);
        let one = RgbImage::new(1, 1);
        for result in [resize_square(&none, 2), resize_square(&one, 0)] {
            assert!(matches!(result, Err(ImageError::Resize { .. })));
        }
    }
}
