//! A photo as it might also have been taken: mirrored, from nearer, in other light.

use super::batches::mixed;
use fastrand::Rng;
use image::RgbImage;
use image::imageops::{crop_imm, flip_horizontal};
use serde::{Deserialize, Serialize};

/// How far views may be from their photos.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variety {
    /// Shortest side of a crop, as a part of the photo's.
    pub smallest_crop: f64,
    /// How much brightness, contrast and saturation become more or less at most, as a part of themselves.
    pub colour: f64,
}

/// Mirrored, and cropped a little: most of what captions speak of stays within.
impl Default for Variety {
    fn default() -> Self {
        Variety { smallest_crop: 0.85, colour: 0. }
    }
}

/// How images are seen in training.
#[derive(Clone, Debug, PartialEq)]
pub enum Views {
    /// As they are.
    Plain,
    /// Otherwise in each epoch.
    Drawn(Variety),
    /// In each epoch in one of so many numbered views, whose features are stored.
    Stored(u64),
    /// Captions are, in their place: other words in each epoch.
    Words,
    /// Each in the view of this number, by its place in the list.
    Listed(Vec<u64>, Variety),
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
    light: Light,
}

/// What becomes of colours: factors.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Light {
    brightness: f64,
    contrast: f64,
    saturation: f64,
}

impl View {
    /// The photo as it is.
    pub const PLAIN: View = View { mirrored: false, sides: [1.; 2], place: [0.; 2], light: Light::PLAIN };

    /// A view that follows from the seed: one of two is mirrored, whatever the variety.
    pub fn drawn(seed: u64, Variety { smallest_crop, colour }: Variety) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut side = || smallest_crop + (1. - smallest_crop) * random.f64();
        let sides = [side(), side()];
        let (mirrored, place) = (random.bool(), [random.f64(), random.f64()]);
        let mut factor = || 1. + colour * (2. * random.f64() - 1.);
        let light = Light { brightness: factor(), contrast: factor(), saturation: factor() };
        View { mirrored, sides, place, light }
    }

    /// The view of this number of an image, the plain one with number 0.
    pub fn numbered(image: i64, number: u64, variety: Variety) -> Self {
        if number == 0 { View::PLAIN } else { View::drawn(mixed(image as u64, number), variety) }
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
        let seen = self.light.on(crop_imm(&photo, x, y, width, height).to_image());
        if self.mirrored { flip_horizontal(&seen) } else { seen }
    }
}

impl Light {
    const PLAIN: Light = Light { brightness: 1., contrast: 1., saturation: 1. };

    /// The photo in this light: each colour goes away from its pixel's grey or towards it, then from or towards the
    /// photo's mean grey, then all get brighter or darker.
    fn on(&self, mut photo: RgbImage) -> RgbImage {
        if *self == Light::PLAIN {
            return photo;
        }
        let [brightness, contrast, saturation] = [self.brightness, self.contrast, self.saturation].map(|x| x as f32);
        let grey =
            |[red, green, blue]: [u8; 3]| 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
        let pixels = (photo.width() * photo.height()).max(1) as f32;
        let mean = photo.pixels().map(|pixel| grey(pixel.0)).sum::<f32>() / pixels;
        for pixel in photo.pixels_mut() {
            let grey = grey(pixel.0);
            for value in &mut pixel.0 {
                let saturated = grey + saturation * (f32::from(*value) - grey);
                *value = (brightness * (mean + contrast * (saturated - mean))).round() as u8;
            }
        }
        photo
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
            let view = View::drawn(seed, Variety::default());
            assert_eq!(view, View::drawn(seed, Variety::default()));
            assert_eq!(view.mirrored, View::drawn(seed, Variety { smallest_crop: 0.5, colour: 0.3 }).mirrored);
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
        let numbered = |image, number| View::numbered(image, number, Variety::default());
        assert_eq!(numbered(7, 0), View::PLAIN);
        assert_eq!(numbered(7, 1), numbered(7, 1));
        assert_ne!(numbered(7, 1), numbered(7, 2));
        assert_ne!(numbered(7, 1), numbered(8, 1));
    }

    #[test]
    fn the_plain_view_and_the_smallest_photo_stay_as_they_are() {
        assert_eq!(View::PLAIN.of(photo()), photo());
        let dot = RgbImage::from_pixel(1, 1, Rgb([1, 2, 3]));
        assert_eq!(View::drawn(1, Variety::default()).of(dot.clone()), dot);
    }

    #[test]
    fn light_by_hand() {
        let photo = || RgbImage::from_fn(2, 1, |x, _| if x == 0 { Rgb([100, 100, 100]) } else { Rgb([200, 0, 0]) });
        let lit = |light: Light| light.on(photo()).into_raw();
        let plain = Light::PLAIN;
        assert_eq!(lit(plain), [100, 100, 100, 200, 0, 0]);
        assert_eq!(lit(Light { brightness: 1.5, ..plain }), [150, 150, 150, 255, 0, 0]);
        // The second pixel's grey is 59.8, the mean of both 79.9.
        assert_eq!(lit(Light { saturation: 0., ..plain }), [100, 100, 100, 60, 60, 60]);
        assert_eq!(lit(Light { saturation: 0.5, ..plain }), [100, 100, 100, 130, 30, 30]);
        assert_eq!(lit(Light { contrast: 0., ..plain }), [80; 6]);
        assert_eq!(lit(Light { contrast: 2., ..plain }), [120, 120, 120, 255, 0, 0]);
    }
}
