//! Captions every image that has none yet: input is read ahead on threads, a batch is encoded once and
//! searched with each number of beams.

use super::source::{Input, Source};
use super::{CaptionLog, EvaluationError, Prediction};
use crate::captioner::{Caption, Captioner, InferenceError, SearchOptions};
use crate::data::Prefetch;
use std::time::{Duration, Instant};

/// How a dataset is captioned.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Searches to make, by their number of beams.
    pub beam_sizes: Vec<usize>,
    /// Longest caption in tokens.
    pub max_length: usize,
    /// Whether captions that say a thing twice give way to others, as in the server.
    pub unrepeated_first: bool,
    /// Images that the model takes at once.
    pub batch_size: usize,
    /// Threads that read images ahead.
    pub threads: usize,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Images captioned, those of earlier runs included.
    pub done: usize,
    /// All images.
    pub images: usize,
    /// Images that were captioned before this run.
    pub before: usize,
    /// Time since the first image of this run.
    pub elapsed: Duration,
}

impl Progress {
    /// Images a second; 0 before the first.
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { (self.done - self.before) as f64 / seconds } else { 0.0 }
    }

    /// How long the rest takes at this rate; none before the first image.
    pub fn left(&self) -> Option<Duration> {
        let seconds = (self.images - self.done) as f64 / self.rate();
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// Captions the images of these numbers that the log lacks, `source` having their input in the same order.
///
/// # Errors
/// When an image can't be read, the model fails, or the log can't be written: what was captioned until
/// then is in the log.
pub fn caption_images(
    captioner: &Captioner,
    ids: &[i64],
    source: Source,
    options: &RunOptions,
    log: &mut CaptionLog,
    mut progress: impl FnMut(Progress),
) -> Result<(), EvaluationError> {
    let lacks = |place: &usize| options.beam_sizes.iter().any(|&beams| log.get(ids[*place], beams).is_none());
    let pending: Vec<usize> = (0..ids.len()).filter(lacks).collect();
    let batches: Vec<Vec<usize>> = pending.chunks(options.batch_size.max(1)).map(<[usize]>::to_vec).collect();
    let (before, started) = (ids.len() - pending.len(), Instant::now());
    let mut now = Progress { done: before, images: ids.len(), before, elapsed: Duration::ZERO };
    progress(now);

    let places = batches.clone();
    let read = move |batch: u64| source.read(&places[batch as usize]);
    let mut inputs = Prefetch::start(0..batches.len() as u64, options.threads, read);
    for places in &batches {
        let input = inputs.next().ok_or(EvaluationError::ReaderDied)??;
        let ids: Vec<i64> = places.iter().map(|&place| ids[place]).collect();
        let predictions = caption_batch(captioner, &ids, &input, options, log)?;
        log.append(predictions)?;
        now = Progress { done: now.done + ids.len(), elapsed: started.elapsed(), ..now };
        progress(now);
    }
    Ok(())
}

/// The captions that the log lacks of these images.
fn caption_batch(
    captioner: &Captioner,
    ids: &[i64],
    input: &Input,
    options: &RunOptions,
    log: &CaptionLog,
) -> Result<Vec<Prediction>, EvaluationError> {
    let encoded = input.encode(captioner)?;
    let mut predictions = Vec::with_capacity(ids.len() * options.beam_sizes.len());
    for &beam_size in &options.beam_sizes {
        let lacking: Vec<usize> = (0..ids.len()).filter(|&place| log.get(ids[place], beam_size).is_none()).collect();
        if lacking.is_empty() {
            continue;
        }
        let RunOptions { max_length, unrepeated_first, .. } = *options;
        let search = SearchOptions { beam_size, max_length, unrepeated_first };
        let found = captioner.search(&encoded.select(&lacking), &search)?;
        for (place, beams) in lacking.into_iter().zip(found) {
            let nothing = || InferenceError("the search gave no caption".into());
            let Caption { caption, score, .. } = beams.into_iter().next().ok_or_else(nothing)?;
            predictions.push(Prediction { image: ids[place], beam_size, caption, score });
        }
    }
    Ok(predictions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_of_this_run_alone() {
        let start = Progress { done: 60, images: 100, before: 60, elapsed: Duration::ZERO };
        assert_eq!((start.rate(), start.left()), (0.0, None));
        let later = Progress { done: 80, elapsed: Duration::from_secs(10), ..start };
        assert_eq!((later.rate(), later.left()), (2.0, Some(Duration::from_secs(10))));
    }
}
