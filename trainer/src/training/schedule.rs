//! The learning rate of every iteration: a warm-up, then a step down every few epochs.

use serde::{Deserialize, Serialize};

/// The original's `custom_warmup_anneal`, by the names of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Rate at the end of the warm-up.
    pub learning_rate: f64,
    /// The rate never falls below this once the warm-up is over.
    pub min_learning_rate: f64,
    /// Iterations of the warm-up; during it the rate is `learning_rate / iterations left`.
    pub warmup_iterations: u64,
    /// What the rate is multiplied by, again and again.
    pub anneal: f64,
    /// Epochs between two such multiplications.
    pub anneal_every_epochs: u64,
}

impl Schedule {
    /// The rate of an iteration (0-based, counted in batches over the whole phase).
    pub fn at(&self, iteration: u64, batches_per_epoch: u64) -> f64 {
        let annealings = iteration / batches_per_epoch.saturating_mul(self.anneal_every_epochs).max(1);
        let left = self.warmup_iterations.saturating_sub(iteration).max(1);
        let rate = self.learning_rate / left as f64 * self.anneal.powf(annealings as f64);
        if iteration >= self.warmup_iterations { rate.max(self.min_learning_rate) } else { rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_steps_down_and_stops_falling() {
        let schedule = Schedule {
            learning_rate: 0.8,
            min_learning_rate: 0.15,
            warmup_iterations: 4,
            anneal: 0.5,
            anneal_every_epochs: 2,
        };
        let rates: Vec<f64> = (0..5).map(|i| schedule.at(i, 3)).collect();
        assert_eq!(rates, [0.2, 0.8 / 3., 0.4, 0.8, 0.8]);
        // Epochs of 3 batches: halved from iteration 6 on, and again from 12 on.
        assert_eq!([5, 6, 11, 12, 17].map(|i| schedule.at(i, 3)), [0.8, 0.4, 0.4, 0.2, 0.2]);
        assert_eq!(schedule.at(18, 3), 0.15);
        let never = Schedule { anneal_every_epochs: u64::MAX, ..schedule };
        assert_eq!(never.at(18, 3), 0.8);
    }
}
