//! Figures between two reports, summed on the device so that no iteration waits for a number.

use super::events::{Event, Events};
use super::failure::TrainError;
use super::step::{MeanRewards, StepOutcome};
use std::time::{Duration, Instant};
use tch::Tensor;

/// Time between two reports.
const EVERY: Duration = Duration::from_secs(2);

/// Sums since the last report.
pub(super) struct Meter {
    pub learning_rate: f64,
    started: Instant,
    first: u64,
    total: u64,
    per_epoch: u64,
    since: Instant,
    told: bool,
    loss: Option<Tensor>,
    gradient_norm: Option<Tensor>,
    rewards: Option<MeanRewards>,
    iterations: u64,
    items: usize,
}

impl Meter {
    pub fn new(first: u64, total: u64, per_epoch: u64) -> Self {
        let now = Instant::now();
        Meter {
            learning_rate: 0.,
            started: now,
            first,
            total,
            per_epoch,
            since: now,
            told: false,
            loss: None,
            gradient_norm: None,
            rewards: None,
            iterations: 0,
            items: 0,
        }
    }

    pub fn add(&mut self, items: usize, outcome: &StepOutcome) {
        let loss = outcome.loss_value();
        self.loss = Some(match self.loss.take() {
            Some(sum) => sum + loss,
            None => loss,
        });
        if let Some(means) = outcome.rewards {
            let sums = self.rewards.get_or_insert_default();
            (sums.reward, sums.baseline) = (sums.reward + means.reward, sums.baseline + means.baseline);
        }
        self.iterations += 1;
        self.items += items;
    }

    pub fn gradient_norm(&mut self, norm: &Tensor) {
        self.gradient_norm = Some(norm.shallow_clone());
    }

    /// Refuses to go on with a loss that is no number.
    pub fn check(&self, iteration: u64) -> Result<(), TrainError> {
        match &self.loss {
            Some(sum) if !sum.f_double_value(&[])?.is_finite() => Err(TrainError::Diverged { iteration }),
            _ => Ok(()),
        }
    }

    /// Tells the means, every few seconds and at the end.
    pub fn tell(&mut self, iteration: u64, last: bool, events: &mut Events) -> Result<(), TrainError> {
        if self.told && self.since.elapsed() < EVERY && !last {
            return Ok(());
        }
        self.check(iteration)?;
        let count = self.iterations.max(1) as f64;
        let mut metric = |name: &str, value: f64| {
            events.tell(Event::Metric { iteration, name: name.to_owned(), value });
        };
        if let Some(sum) = &self.loss {
            metric("loss", sum.f_double_value(&[])? / count);
        }
        metric("learning_rate", self.learning_rate);
        if let Some(sums) = self.rewards {
            metric("reward", sums.reward / count);
            metric("baseline", sums.baseline / count);
        }
        if let Some(norm) = &self.gradient_norm {
            metric("gradient_norm", norm.f_double_value(&[])?);
        }
        let done = (iteration - self.first).max(1) as f64;
        events.tell(Event::Progress {
            epoch: (iteration - 1) / self.per_epoch,
            iteration,
            iterations: self.total,
            per_second: self.items as f64 / self.since.elapsed().as_secs_f64().max(1e-9),
            seconds_left: self.started.elapsed().as_secs_f64() / done * (self.total - iteration) as f64,
        });
        (self.since, self.told) = (Instant::now(), true);
        (self.loss, self.gradient_norm, self.rewards) = (None, None, None);
        (self.iterations, self.items) = (0, 0);
        Ok(())
    }
}
