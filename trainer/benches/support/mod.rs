//! Times alternatives in turn, so that a noisy machine is noisy for all of them, and quotes medians.
#![allow(missing_docs)]

use std::sync::OnceLock;
use std::time::Instant;
use tch::{Cuda, Device};
use trainer::device::{DeviceChoice, device_name};

/// One way of doing the same thing.
pub struct Alternative<'a> {
    pub name: &'a str,
    pub run: Box<dyn FnMut() + 'a>,
}

/// CUDA where there is a GPU, else the CPU.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    *DEVICE.get_or_init(|| DeviceChoice::Auto.resolve().expect("there is always a CPU"))
}

/// Waits for what the device was given to do.
fn finished() -> Instant {
    if device().is_cuda() {
        Cuda::synchronize(0);
    }
    Instant::now()
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
            let start = finished();
            (alternative.run)();
            times.push((finished() - start).as_secs_f64() * 1e3);
        }
    }
    println!("{title} (median of {rounds}, {})", device_name(device()));
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    for (alternative, time) in alternatives.iter().zip(&medians) {
        println!("  {:<28} {time:>9.1} ms {:>6.1} x", alternative.name, medians[0] / time);
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
