//! Times alternatives in turn, so that a noisy machine is noisy for all of them, and quotes medians.
#![allow(missing_docs)]

use std::time::Instant;

/// One way of doing the same thing.
pub struct Alternative<'a> {
    pub name: &'a str,
    pub run: Box<dyn FnMut() + 'a>,
}

/// Runs every alternative once to warm up, then `rounds` times in turn; prints the median of each
/// and how many times faster it is than the first.
pub fn compare(title: &str, rounds: usize, mut alternatives: Vec<Alternative>) {
    for alternative in &mut alternatives {
        (alternative.run)();
    }
    let mut times = vec![Vec::with_capacity(rounds); alternatives.len()];
    for _ in 0..rounds {
        for (alternative, times) in alternatives.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (alternative.run)();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    println!("{title} (median of {rounds})");
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    for (alternative, time) in alternatives.iter().zip(&medians) {
        println!("  {:<28} {time:>9.1} ms {:>6.1} x", alternative.name, medians[0] / time);
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
