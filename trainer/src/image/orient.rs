//! Turning a picture upright.

use ::image::metadata::Orientation;
use ::image::{DynamicImage, RgbImage};

/// Applies the orientation that the camera noted. Pictures that lie on their side are copied, all
/// others are turned in place.
pub(super) fn upright(image: RgbImage, orientation: Orientation) -> RgbImage {
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}

/// Whether [`upright`] holds a second copy of the picture while it works.
pub(super) fn copies(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exif_code_is_turned_as_the_standard_says() {
        // 1 2      The standard names, for each code, the corner that the first row and the first
        // 3 4      column of the file belong to.
        let expected = [
            (1, [1, 2, 3, 4]),
            (2, [2, 1, 4, 3]),
            (3, [4, 3, 2, 1]),
            (4, [3, 4, 1, 2]),
            (5, [1, 3, 2, 4]),
            (6, [3, 1, 4, 2]),
            (7, [4, 2, 3, 1]),
            (8, [2, 4, 1, 3]),
        ];
        for (code, corners) in expected {
            let image = RgbImage::from_raw(2, 2, [[1; 3], [2; 3], [3; 3], [4; 3]].concat());
            let orientation = Orientation::from_exif(code).unwrap();
            let turned = upright(image.unwrap(), orientation);
            let found: Vec<u8> = turned.pixels().map(|pixel| pixel[0]).collect();
            assert_eq!(found, corners, "code {code}");
        }
    }
}
