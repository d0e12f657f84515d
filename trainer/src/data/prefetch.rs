//! Work done ahead on threads, and handed out in order.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Threads that read images for a training: more would only fill memory with batches.
pub fn readers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().min(16))
}

/// Results waiting at each thread.
const AHEAD: usize = 2;

/// The results of `make(range.start)`, `make(range.start + 1)`, …, in this order.
///
/// Thread `k` of `n` makes every `n`-th result, so that order costs nothing and little waits.
pub struct Prefetch<T> {
    receivers: Vec<Receiver<T>>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts the threads.
    pub fn start(range: Range<u64>, threads: usize, make: impl Fn(u64) -> T + Send + Sync + 'static) -> Self {
        let make = Arc::new(make);
        let threads = threads.max(1);
        let mut prefetch = Prefetch { receivers: Vec::new(), workers: Vec::new(), next: 0 };
        for thread in 0..threads {
            let (sender, receiver) = sync_channel(AHEAD);
            let (make, range) = (Arc::clone(&make), range.clone());
            prefetch.receivers.push(receiver);
            prefetch.workers.push(std::thread::spawn(move || {
                for index in range.skip(thread).step_by(threads) {
                    if sender.send(make(index)).is_err() {
                        break; // nobody wants any more
                    }
                }
            }));
        }
        prefetch
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    /// None at the end of the range, or where a thread has died.
    fn next(&mut self) -> Option<T> {
        let result = self.receivers[self.next].recv().ok()?;
        self.next = (self.next + 1) % self.receivers.len();
        Some(result)
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.receivers.clear();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let squares: Vec<u64> = Prefetch::start(3..20, threads, |i| i * i).collect();
            assert_eq!(squares, (3..20).map(|i| i * i).collect::<Vec<_>>());
        }
    }

    #[test]
    fn threads_end_with_their_reader() {
        let mut endless = Prefetch::start(0..u64::MAX, 3, |i| i);
        assert_eq!(endless.next(), Some(0));
        drop(endless); // joins
    }
}
