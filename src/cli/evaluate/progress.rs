//! How far captioning is: a bar where a person watches, a line now and then where a log does.

use crate::cli::remark;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;
use trainer::evaluation::Progress;

/// Between two lines of a log.
const EVERY: Duration = Duration::from_secs(30);

/// Progress on standard error.
pub(super) struct Reporter {
    bar: ProgressBar,
    watched: bool,
    next_line: Duration,
}

impl Reporter {
    pub(super) fn new() -> Reporter {
        let watched = std::io::stderr().is_terminal();
        let bar = if watched { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images{msg}");
        Reporter { bar: style.map(|style| bar.clone().with_style(style)).unwrap_or(bar), watched, next_line: EVERY }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        self.bar.set_length(progress.images as u64);
        self.bar.set_message(pace(&progress));
        self.bar.set_position(progress.done as u64);
        if progress.elapsed.is_zero() && progress.before > 0 {
            let (before, images) = (progress.before, progress.images);
            self.bar.suspend(|| remark(format_args!("going on: {before} of {images} images are captioned")));
        }
        if !self.watched && progress.elapsed >= self.next_line {
            self.next_line = progress.elapsed + EVERY;
            remark(format_args!("{} of {} images{}", progress.done, progress.images, pace(&progress)));
        }
        if progress.done == progress.images {
            self.bar.finish_and_clear();
        }
    }
}

/// `, 8.1 a second, 2 minutes left`, once that can be told.
fn pace(progress: &Progress) -> String {
    let left = progress.left().map(|left| format!(", {:.1} a second, {} left", progress.rate(), HumanDuration(left)));
    left.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_has_rate_and_time_left() {
        let start = Progress { done: 0, images: 300, before: 0, elapsed: Duration::ZERO };
        assert_eq!(pace(&start), "");
        let later = Progress { done: 60, elapsed: Duration::from_secs(30), ..start };
        assert_eq!(pace(&later), ", 2.0 a second, 2 minutes left");
    }
}
