//! How fast the model works, measured; tells refused clients when to come back.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Measured seconds per photo, smoothed, and how many photos the model is at.
pub(super) struct Pace {
    seconds: AtomicU64,
    in_work: AtomicUsize,
}

impl Default for Pace {
    fn default() -> Pace {
        // A guess until the first batch is measured.
        Pace { seconds: AtomicU64::new(0.1_f64.to_bits()), in_work: AtomicUsize::new(0) }
    }
}

impl Pace {
    /// Share of the newest batch in the average.
    const NEWEST: f64 = 0.2;

    /// The model begins a batch.
    pub(super) fn begin(&self, photos: usize) {
        self.in_work.store(photos, Ordering::Relaxed);
    }

    /// The batch is done.
    pub(super) fn record(&self, photos: usize, took: Duration) {
        self.in_work.store(0, Ordering::Relaxed);
        let newest = took.as_secs_f64() / photos as f64;
        let before = f64::from_bits(self.seconds.load(Ordering::Relaxed));
        let after = before + Self::NEWEST * (newest - before);
        self.seconds.store(after.to_bits(), Ordering::Relaxed);
    }

    /// When the photos that wait, and those in work before them, should be done: whole seconds, 1 to 60.
    pub(super) fn time_for(&self, waiting: usize) -> Duration {
        let photos = waiting + self.in_work.load(Ordering::Relaxed);
        let seconds = f64::from_bits(self.seconds.load(Ordering::Relaxed)) * photos as f64;
        Duration::from_secs(seconds.ceil().clamp(1.0, 60.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_what_is_measured() {
        let pace = Pace::default();
        assert_eq!(pace.time_for(64), Duration::from_secs(7), "a guess of 0.1 s a photo");
        for _ in 0..50 {
            pace.record(4, Duration::from_secs(2));
        }
        assert_eq!(pace.time_for(20), Duration::from_secs(10), "0.5 s a photo");
        pace.begin(4);
        assert_eq!(pace.time_for(20), Duration::from_secs(12), "and 4 before them");
    }

    #[test]
    fn clients_are_asked_to_come_back_in_one_to_sixty_seconds() {
        let pace = Pace::default();
        assert_eq!(pace.time_for(1), Duration::from_secs(1));
        assert_eq!(pace.time_for(100_000), Duration::from_secs(60));
    }
}
