//! Confidence intervals: the same figure of many corpora drawn from the one at hand.

use rayon::prelude::*;
use serde::Serialize;

/// The range that a figure lies in with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// 2.5 % of the resamples lie below.
    pub low: f64,
    /// 2.5 % of the resamples lie above.
    pub high: f64,
}

/// How often and from which seed images are drawn with replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Corpora that are drawn.
    pub resamples: usize,
    /// The same seed draws the same corpora.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Bootstrap { resamples: 1000, seed: 775_533 }
    }
}

impl Bootstrap {
    /// Intervals of figures that are computed from the places of the images drawn; none without resamples.
    pub fn intervals<const N: usize>(
        &self,
        images: usize,
        figures: impl Fn(&[usize]) -> [f64; N] + Sync,
    ) -> Option<[Interval; N]> {
        if images == 0 || self.resamples == 0 {
            return None;
        }
        let resample = |number: usize| {
            let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(number as u64));
            let drawn: Vec<usize> = (0..images).map(|_| random.usize(..images)).collect();
            figures(&drawn)
        };
        let resamples: Vec<[f64; N]> = (0..self.resamples).into_par_iter().map(resample).collect();
        Some(std::array::from_fn(|figure| interval(resamples.iter().map(|figures| figures[figure]).collect())))
    }

    /// Interval of a mean over images.
    pub fn of_mean(&self, per_image: &[f64]) -> Option<Interval> {
        let mean = |drawn: &[usize]| [drawn.iter().map(|&image| per_image[image]).sum::<f64>() / drawn.len() as f64];
        self.intervals(per_image.len(), mean).map(|[interval]| interval)
    }
}

/// The middle 95 % of at least one value.
fn interval(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    let last = (values.len() - 1) as f64;
    Interval { low: values[(0.025 * last).round() as usize], high: values[(0.975 * last).round() as usize] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_95_percent_are_taken() {
        let values = (0..=200).rev().map(f64::from).collect();
        assert_eq!(interval(values), Interval { low: 5.0, high: 195.0 });
    }

    #[test]
    fn intervals_are_those_of_the_normal_distribution_and_repeat() {
        // 1,000 zeros and ones: the mean 0.5 has deviation 0.5 / sqrt(1000), 1.96 of which is 0.031.
        let per_image: Vec<f64> = (0..1000).map(|image| f64::from(image % 2)).collect();
        let bootstrap = Bootstrap::default();
        let interval = bootstrap.of_mean(&per_image).expect("there are resamples");
        assert!((interval.low - 0.469).abs() < 0.004 && (interval.high - 0.531).abs() < 0.004, "{interval:?}");
        assert_eq!(bootstrap.of_mean(&per_image), Some(interval));
        assert_ne!(Bootstrap { seed: 1, ..bootstrap }.of_mean(&per_image), Some(interval));
        assert_eq!(Bootstrap { resamples: 0, ..bootstrap }.of_mean(&per_image), None);
    }
}
