//! How many photos the model took at once: counted by its thread, read by whoever watches.

use prometheus::{Histogram, HistogramOpts};

/// A histogram of batch sizes. Clones count together, also over a change of models.
#[derive(Clone, Debug)]
pub struct BatchSizes(Histogram);

impl BatchSizes {
    /// With an edge at every power of two up to `max_batch_size`, and there.
    ///
    /// # Panics
    /// Never: the name is fixed and the edges rise.
    pub fn new(max_batch_size: usize) -> BatchSizes {
        let doubled = std::iter::successors(Some(1_usize), |edge| edge.checked_mul(2));
        let mut edges: Vec<f64> = doubled.take_while(|&edge| edge < max_batch_size).map(|edge| edge as f64).collect();
        edges.push(max_batch_size as f64);
        let options = HistogramOpts::new("expansionnet_batch_photos", "Photos that the model took at once");
        BatchSizes(Histogram::with_opts(options.buckets(edges)).expect("a fixed name and rising edges"))
    }

    /// The model took this many photos.
    pub(super) fn record(&self, photos: usize) {
        self.0.observe(photos as f64);
    }

    /// For a registry of metrics.
    pub fn collector(&self) -> Histogram {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::core::Collector;

    fn edges(max_batch_size: usize) -> Vec<f64> {
        let families = BatchSizes::new(max_batch_size).collector().collect();
        families[0].get_metric()[0].get_histogram().get_bucket().iter().map(|bucket| bucket.upper_bound()).collect()
    }

    #[test]
    fn the_largest_batch_has_its_own_edge() {
        assert_eq!(edges(1), [1.0]);
        assert_eq!(edges(8), [1.0, 2.0, 4.0, 8.0]);
        assert_eq!(edges(12), [1.0, 2.0, 4.0, 8.0, 12.0]);
    }
}
