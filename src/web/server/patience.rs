//! How slowly a client may take its answers: a bound on the waiting for every portion, however the client
//! spreads it over answers.

use std::time::{Duration, Instant};

/// What is left of the time that a client may keep the server waiting for its next portion.
#[derive(Debug)]
pub(super) struct Patience {
    whole: Duration,
    left: Duration,
    /// Bytes taken of the portion.
    taken: usize,
    waiting_since: Option<Instant>,
}

impl Patience {
    /// Bytes for which a client has the whole time.
    const PORTION: usize = 64 * 1024;

    pub(super) fn new(whole: Duration) -> Patience {
        Patience { whole, left: whole, taken: 0, waiting_since: None }
    }

    /// The client does not take what there is, now or still; gives when the patience is over.
    pub(super) fn waits(&mut self, now: Instant) -> Instant {
        *self.waiting_since.get_or_insert(now) + self.left
    }

    /// The client has taken so many bytes.
    pub(super) fn takes(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.left = self.left.saturating_sub(now.duration_since(since));
        }
        self.taken = self.taken.saturating_add(bytes);
        if self.taken >= Self::PORTION {
            (self.taken, self.left) = (0, self.whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_the_time_in_which_the_server_waits_counts() {
        let start = Instant::now();
        let mut patience = Patience::new(10 * SECOND);
        assert_eq!(patience.waits(start), start + 10 * SECOND);
        assert_eq!(patience.waits(start + SECOND), start + 10 * SECOND, "it waits still");
        patience.takes(1, start + 4 * SECOND);
        // An hour without anything to send.
        let later = start + 3600 * SECOND;
        assert_eq!(patience.waits(later), later + 6 * SECOND);
    }

    #[test]
    fn a_portion_brings_the_whole_time_back_and_less_does_not() {
        let start = Instant::now();
        let mut patience = Patience::new(10 * SECOND);
        patience.waits(start);
        patience.takes(Patience::PORTION - 1, start + 9 * SECOND);
        assert_eq!(patience.waits(start + 9 * SECOND), start + 10 * SECOND);
        patience.takes(1, start + 9 * SECOND);
        assert_eq!(patience.waits(start + 9 * SECOND), start + 19 * SECOND);
    }
}
