//! A photo as it might also have been taken: mirrored, or from a little nearer.

use super::batches::mixed;
use fastrand::Rng;
use image::RgbImage;
use image::imageops::{crop_imm, flip_horizontal};

/// Shortest side of a crop, as a part of the photo's: most of what captions speak of stays within.
const SMALLEST_CROP: f64 = 0.85;

/// How images are seen in training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Views {
    /// As they are.
    Plain,
    /// Otherwise in each epoch.
    Drawn,
    /// In each epoch in one of so many numbered views, whose features are stored.
    Stored(u64),
    /// Each in the view of this number, by its place in the list.
    Listed(Vec<u64>),
}

/// One view of a photo, the same for any size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Left and right are exchanged, in the captions as well.
    pub mirrored: bool,
    /// Width and height of the crop, as parts of the photo's.
    sides: [f64; 2],
    /// Where the crop lies in the room that it leaves, along width and height.
    place: [f64; 2],
}

impl View {
    /// The photo as it is.
    pub const PLAIN: View = View { mirrored: false, sides: [1.; 2], place: [0.; 2] };

    /// A view that follows from the seed: one of two is mirrored, each side cropped to 85 to 100 %.
    pub fn drawn(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut side = || SMALLEST_CROP + (1. - SMALLEST_CROP) * random.f64();
        let sides = [side(), side()];
        View { mirrored: random.bool(), sides, place: [random.f64(), random.f64()] }
    }

    /// The view of this number of an image, the plain one with number 0.
    pub fn numbered(image: i64, number: u64) -> Self {
        if number == 0 { View::PLAIN } else { View::drawn(mixed(image as u64, number)) }
    }

    /// The photo so seen.
    pub fn of(&self, photo: RgbImage) -> RgbImage {
        if *self == View::PLAIN {
            return photo;
        }
        let cropped = |whole: u32, axis: usize| {
            let kept = ((f64::from(whole) * self.sides[axis]).round() as u32).clamp(1.min(whole), whole);
            ((f64::from(whole - kept) * self.place[axis]).round() as u32, kept)
        };
        let ((x, width), (y, height)) = (cropped(photo.width(), 0), cropped(photo.height(), 1));
        let seen = crop_imm(&photo, x, y, width, height).to_image();
        if self.mirrored { flip_horizontal(&seen) } else { seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// Each pixel tells its place.
    fn photo() -> RgbImage {
        RgbImage::from_fn(100, 40, |x, y| Rgb([x as u8, y as u8, 0]))
    }

    #[test]
    fn a_view_is_a_part_of_the_photo_the_right_way_up() {
        let (mut mirrored, mut widths) = (0, Vec::new());
        for seed in 0..200 {
            let view = View::drawn(seed);
            assert_eq!(view, View::drawn(seed));
            let seen = view.of(photo());
            assert!((85..=100).contains(&seen.width()) && (34..=40).contains(&seen.height()));
            let (first, last) = (seen.get_pixel(0, 0).0, seen.get_pixel(seen.width() - 1, seen.height() - 1).0);
            assert_eq!(first[0] > last[0], view.mirrored);
            assert_eq!(u32::from(first[0].abs_diff(last[0])), seen.width() - 1, "columns in turn");
            assert_eq!(u32::from(last[1] - first[1]), seen.height() - 1, "rows in turn");
            mirrored += usize::from(view.mirrored);
            widths.push(seen.width());
        }
        assert!((70..130).contains(&mirrored), "{mirrored} of 200");
        assert!(widths.iter().min() < Some(&88) && widths.iter().max() > Some(&97));
    }

    #[test]
    fn numbered_views_differ_by_image_and_number_and_the_first_is_plain() {
        assert_eq!(View::numbered(7, 0), View::PLAIN);
        assert_eq!(View::numbered(7, 1), View::numbered(7, 1));
        assert_ne!(View::numbered(7, 1), View::numbered(7, 2));
        assert_ne!(View::numbered(7, 1), View::numbered(8, 1));
    }

    #[test]
    fn the_plain_view_and_the_smallest_photo_stay_as_they_are() {
        assert_eq!(View::PLAIN.of(photo()), photo());
        let dot = RgbImage::from_pixel(1, 1, Rgb([1, 2, 3]));
        assert_eq!(View::drawn(1).of(dot.clone()), dot);
    }
}
