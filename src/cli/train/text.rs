//! What `train` tells people: a progress bar where somebody watches, a line now and then where a log is kept.

use crate::cli::remark;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use trainer::training::Event;
use trainer::training::events::{Line, Listener};

/// Seconds between two lines of a log.
const EVERY: f64 = 30.;

/// Lines on standard output for whatever stays of interest, and a bar on standard error. Where either goes to a file,
/// progress gets lines too.
pub(super) fn for_people() -> Listener {
    let watched = io::stdout().is_terminal() && io::stderr().is_terminal();
    let mut teller = Teller::new(io::stdout(), watched);
    Box::new(move |line| teller.hear(line))
}

struct Teller<W> {
    to: W,
    bar: ProgressBar,
    watched: bool,
    /// Told since the last progress.
    figures: Vec<String>,
    /// When the phase last had a line of progress, in seconds since 1970.
    written: Option<f64>,
}

impl<W: Write> Teller<W> {
    fn new(to: W, watched: bool) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}") {
            bar.set_style(style);
        }
        Teller { to, bar, watched, figures: Vec::new(), written: None }
    }

    fn hear(&mut self, line: &Line) {
        let phase = line.phase.as_deref().unwrap_or_default();
        match &line.event {
            Event::Started { iteration, iterations, device, .. } => {
                self.bar.set_prefix(phase.to_owned());
                self.bar.set_length(*iterations);
                self.bar.set_position(*iteration);
                (self.figures, self.written) = (Vec::new(), None);
                self.say(&format!("{phase}: from {iteration} of {iterations} on {device}"));
            }
            Event::Metric { name, value, .. } => self.figures.extend(figure(name, *value)),
            Event::Progress { iteration, iterations, per_second, seconds_left, .. } => {
                let pace = format!("{per_second:.1}/s, {} left", duration(*seconds_left));
                let figures = std::mem::take(&mut self.figures).join(", ");
                let message = if figures.is_empty() { pace } else { format!("{figures}  {pace}") };
                self.bar.set_position(*iteration);
                if self.is_time(line.time, iteration == iterations) {
                    self.say(&format!("{phase}: {iteration}/{iterations}  {message}"));
                }
                self.bar.set_message(message);
            }
            Event::Evaluation { iteration, images, metrics } => {
                let metrics: Vec<String> =
                    metrics.iter().map(|(name, value)| format!("{name} {:.1}", 100. * value)).collect();
                self.say(&format!("{iteration}: {} ({images} images)", metrics.join("  ")));
            }
            Event::Sample { image, caption, .. } => self.say(&format!("  image {image}: {caption}")),
            Event::Checkpoint { path, best: true, .. } => self.say(&format!("best so far: {path}")),
            Event::Checkpoint { .. } => {}
            Event::Warning { message } => self.bar.suspend(|| remark(format_args!("warning: {message}"))),
            Event::Log { message } => self.say(message),
            Event::Finished { reason, .. } => self.say(&format!("{phase}: {reason}")),
        }
    }

    /// Where nobody reads the lines any more, as after `| head`, the training goes on: the file has them all.
    fn say(&mut self, text: &str) {
        let to = &mut self.to;
        let _ = self.bar.suspend(|| writeln!(to, "{text}"));
    }

    /// Whether a log gets a line of progress: at the first and the last of a phase, and now and then between.
    fn is_time(&mut self, now: f64, last: bool) -> bool {
        let due = last || self.written.is_none_or(|written| now - written >= EVERY);
        if due {
            self.written = Some(now);
        }
        due && !self.watched
    }
}

/// A figure that progress is told with.
fn figure(name: &str, value: f64) -> Option<String> {
    match name {
        "loss" | "reward" => Some(format!("{name} {value:.3}")),
        "learning_rate" => Some(format!("learning rate {value:.1e}")),
        _ => None,
    }
}

/// `2 h 05 min`, `12 min` or `40 s`.
pub(super) fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.) as u64;
    match minutes {
        0 => format!("{seconds:.0} s"),
        1..60 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::io::{Error, ErrorKind};
    use std::rc::Rc;
    use trainer::training::Events;

    /// Takes a line, and is closed then.
    #[derive(Clone, Default)]
    struct Head(Rc<RefCell<Vec<u8>>>);

    impl Write for Head {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut taken = self.0.borrow_mut();
            if taken.ends_with(b"\n") {
                return Err(Error::from(ErrorKind::BrokenPipe));
            }
            taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_training_goes_on_when_nobody_reads_its_lines_any_more() {
        let (head, mut events) = (Head::default(), Events::default());
        let mut teller = Teller::new(head.clone(), true);
        events.listen(Box::new(move |line| teller.hear(line)));
        events.log("one");
        events.log("two");
        events.warn("three");
        assert_eq!(head.0.take(), b"one\n");
    }

    /// What a teller says of a phase of 100 iterations, one every 10 seconds.
    fn told(watched: bool) -> String {
        let mut teller = Teller::new(Vec::new(), watched);
        let mut hear = |time: u64, event: Event| {
            teller.hear(&Line { sequence: 0, time: time as f64, phase: Some("scst".to_owned()), event });
        };
        for iteration in 1..=100 {
            let time = 1_700_000_000 + 10 * iteration;
            for (name, value) in [("loss", -0.25), ("learning_rate", 2e-5), ("reward", 1.5), ("baseline", 1.25)] {
                hear(time, Event::Metric { iteration, name: name.to_owned(), value });
            }
            let (iterations, seconds_left) = (100, (1000 - 10 * iteration) as f64);
            hear(time, Event::Progress { epoch: 0, iteration, iterations, per_second: 1.6, seconds_left });
        }
        String::from_utf8(teller.to).expect("UTF-8")
    }

    #[test]
    fn a_log_gets_a_line_every_half_minute_with_all_that_a_bar_shows() {
        let log = told(false);
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines[0], "scst: 1/100  loss -0.250, learning rate 2.0e-5, reward 1.500  1.6/s, 16 min left");
        assert!(lines[1].starts_with("scst: 4/100  loss ") && lines[2].starts_with("scst: 7/100 "), "{log}");
        assert!(lines.len() == 34 && lines[33].starts_with("scst: 100/100 "), "{log}");
        assert_eq!(told(true), "", "the bar shows it");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!([40.4, 725., 7500.].map(duration), ["40 s", "12 min", "2 h 05 min"]);
    }
}
