//! A moving average of the weights along a phase: calmer than any one step's, and mostly better.

use tch::Tensor;

/// An exponential moving average of weights (Polyak and Juditsky, 1992; as in Tarvainen and Valpola, 2017).
#[derive(Debug)]
pub struct Average {
    decay: f64,
    /// The average; or, while that is in the weights' place, the weights.
    kept: Tensor,
    swapped: bool,
}

impl Average {
    /// Begins with the weights as they are.
    pub fn new(weights: &Tensor, decay: f64) -> Self {
        Average { decay, kept: weights.copy(), swapped: false }
    }

    /// Takes the weights in after the `step`th update (1-based).
    pub fn add(&mut self, weights: &Tensor, step: i64) {
        debug_assert!(!self.swapped, "the average would be added to itself");
        let _ = tch::no_grad(|| self.kept.lerp_(weights, 1. - decay_at(self.decay, step)));
    }

    /// Exchanges what is kept with the weights.
    pub fn swap(&mut self, weights: &mut Tensor) {
        tch::no_grad(|| {
            let before = weights.copy();
            weights.copy_(&self.kept);
            self.kept.copy_(&before);
        });
        self.swapped = !self.swapped;
    }

    /// The weights that are trained on, wherever they are now.
    pub fn trained<'a>(&'a self, weights: &'a Tensor) -> &'a Tensor {
        if self.swapped { &self.kept } else { weights }
    }
}

/// The first updates count for more, so that the average does not hang on to where it began.
fn decay_at(decay: f64, step: i64) -> f64 {
    decay.min((1. + step as f64) / (10. + step as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(tensor: &Tensor) -> f64 {
        tensor.double_value(&[0])
    }

    #[test]
    fn the_average_follows_and_can_be_looked_at() {
        let mut weights = Tensor::from_slice(&[1f32]);
        let mut average = Average::new(&weights, 0.75);
        let _ = weights.fill_(2.);
        average.add(&weights, 1); // (1 + 1) / (10 + 1) of it stay
        average.swap(&mut weights);
        assert!((value(&weights) - (2. / 11. + 2. * 9. / 11.)).abs() < 1e-6);
        assert_eq!(value(average.trained(&weights)), 2.);
        average.swap(&mut weights);
        assert_eq!((value(&weights), value(average.trained(&weights))), (2., 2.));
    }

    #[test]
    fn the_first_updates_count_for_more() {
        assert_eq!(decay_at(0.75, 2), 0.25);
        assert_eq!(decay_at(0.75, 26), 0.75);
        assert_eq!(decay_at(0.75, 1000), 0.75);
    }
}
