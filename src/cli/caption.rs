//! `expansionnet caption`: captions on the command line, by the same intake and worker as the server's.

mod photos;

use super::{beams, names_of, remark, said};
use crate::captioning::{CaptionService, Folders, Intake, Loaded, Photo, QueueSettings};
use crate::config::{CaptioningConfig, Config, LogFormat};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use trainer::captioner::{Caption, Captioner, SearchOptions};
use trainer::device::{DeviceChoice, PrecisionChoice};

/// Caption photos without a server
///
/// Prints one line a photo, in the order given. When a photo cannot be captioned, the others still are,
/// and the exit code is 1. A photo takes as long as it takes: the server's time limit does not hold here.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CaptionPhotos {
    /// Photos (JPEG, PNG, WebP, GIF, BMP or TIFF, whatever their names), folders of them, or - for standard input
    ///
    /// Of a folder, and of the folders in it, what ends in .jpg, .png and the like is taken, in the order of names;
    /// links to folders are not followed.
    #[arg(required_unless_present = "list", value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// File with further photos or folders, one path a line; - for standard input
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,

    /// Settings file [default: config.toml in the working directory, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Model folder; several are an ensemble [default: model.path, with model.ensemble]
    #[arg(long, value_name = "DIR")]
    model: Vec<PathBuf>,

    /// Beams of the search: 1 is greedy, more is slower and a little better [default: captioning.beam_size]
    #[arg(long, value_name = "N")]
    beam_size: Option<usize>,

    /// Longest caption in tokens, start and end included [default: the model's longest]
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,

    /// Captions per photo in the JSON output, the best one included [default: captioning.candidates]
    #[arg(long, value_name = "N")]
    candidates: Option<usize>,

    /// auto, float32 or bfloat16 [default: model.precision]
    #[arg(long, value_parser = super::choice::<PrecisionChoice>)]
    precision: Option<PrecisionChoice>,

    /// auto, cpu or cuda [default: model.device]
    #[arg(long, value_parser = super::choice::<DeviceChoice>)]
    device: Option<DeviceChoice>,

    /// Print one JSON object a line: image, caption, score, candidates, timings_ms; or image, error
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  expansionnet caption photo.jpg
  expansionnet caption --json photos > captions.jsonl           a folder, and the folders in it
  find /coco -name '*.jpg' | expansionnet caption --list -      as many as there are
  expansionnet caption --model models/a --model models/b photo.jpg
  curl https://example.org/photo.jpg | expansionnet caption -";

/// Longer than anybody waits. Where nobody else waits for the model, there is no reason to give a photo up.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One line of JSON output.
#[derive(Serialize)]
struct Line<'a> {
    /// The photo's path; what is not UTF-8 in it is replaced.
    image: &'a str,
    caption: &'a str,
    /// Mean log-probability per token.
    score: f64,
    candidates: &'a [Caption],
    timings_ms: LineTimings,
}

/// Milliseconds.
#[derive(Clone, Copy, Serialize)]
struct LineTimings {
    decode: f64,
    queue: f64,
    encode: f64,
    search: f64,
}

/// A captioned photo.
struct Outcome {
    captions: Vec<Caption>,
    timings: LineTimings,
}

impl CaptionPhotos {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        super::start_logging("warn", LogFormat::Pretty);
        let mut config = Config::load(self.config.as_deref())?;
        if let Some((first, others)) = self.model.split_first() {
            config.model.path.clone_from(first);
            config.model.ensemble = others.to_vec();
        }
        config.model.device = self.device.unwrap_or(config.model.device);
        config.model.precision = self.precision.unwrap_or(config.model.precision);
        let photos = photos::find(&self.images, self.list.as_deref())?;
        tokio::runtime::Runtime::new()?.block_on(self.caption_all(config, &photos))
    }

    async fn caption_all(&self, config: Config, photos: &[PathBuf]) -> anyhow::Result<ExitCode> {
        let options = config.load_options();
        let queue = queue_settings(&config.captioning, self.beam_size);
        let folders = Folders::new(&config.model).configured;
        let model = names_of(&folders);
        let service = CaptionService::start(queue, move || Captioner::load_ensemble(&folders, &options))?;
        let loaded = service.ready().await;
        let loaded = loaded.map_err(|reason| anyhow!("the model {model} cannot be used: {reason}"))?;
        let (search, candidates) = self.search_options(&config, &loaded)?;
        let intake = Intake::new(config.image_limits(), config.image.max_concurrent_decodes);

        let work = photos.iter().map(|path| {
            let (service, intake, loaded) = (&service, &intake, &loaded);
            async move { (path, caption_one(path, service, intake, loaded, search).await) }
        });
        // Enough at a time to fill the model's batches, and no more than may wait for it.
        let at_once = queue.max_batch_size.min(queue.capacity);
        let mut outcomes = futures_util::stream::iter(work).buffered(at_once);
        let progress = progress_bar(photos.len());
        let mut failures = 0;
        while let Some((path, outcome)) = outcomes.next().await {
            progress.inc(1);
            failures += usize::from(outcome.is_err());
            match progress.suspend(|| self.print(path, &outcome, candidates)) {
                // Whoever read them, `head` for one, has what they wanted.
                Err(error) if is_closed_pipe(&error) => break,
                printed => printed?,
            }
        }
        progress.finish_and_clear();
        drop(outcomes);
        // libtorch must not lose the process under a thread that computes.
        let model_ended = service.ended();
        drop(service);
        model_ended.await;
        Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn search_options(&self, config: &Config, loaded: &Loaded) -> anyhow::Result<(SearchOptions, usize)> {
        let longest = loaded.info.max_length;
        // A search has no more beams than there are words to begin with.
        let most_beams = beams::MOST.min(loaded.info.vocab_size);
        let search = SearchOptions {
            beam_size: self.beam_size.unwrap_or(config.captioning.beam_size.min(most_beams)),
            max_length: self.max_length.unwrap_or(longest),
            unrepeated_first: config.captioning.unrepeated_first,
        };
        beams::check(search.beam_size, most_beams)?;
        if !(2..=longest).contains(&search.max_length) {
            bail!("--max-length must be from 2 to {longest} with this model, not {}", search.max_length);
        }
        let candidates = self.candidates.unwrap_or(config.captioning.candidates.min(search.beam_size));
        if !(1..=search.beam_size).contains(&candidates) {
            bail!("--candidates must be from 1 to the beam size ({}), not {candidates}", search.beam_size);
        }
        Ok((search, candidates))
    }

    /// Prints a line; the error is that of standard output, e.g. a closed pipe.
    fn print(&self, path: &Path, outcome: &anyhow::Result<Outcome>, candidates: usize) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match outcome {
            Ok(outcome) => {
                let best = outcome.captions.first().context("the search gave no caption")?;
                if self.json {
                    let line = Line {
                        image: &path.to_string_lossy(),
                        caption: &best.caption,
                        score: best.score,
                        candidates: &outcome.captions[..candidates.min(outcome.captions.len())],
                        timings_ms: outcome.timings,
                    };
                    writeln!(out, "{}", serde_json::to_string(&line)?)?;
                } else {
                    writeln!(out, "{}: {}", path.display(), best.caption)?;
                }
            }
            Err(error) => {
                if self.json {
                    let line = serde_json::json!({ "image": path.to_string_lossy(), "error": said(error) });
                    writeln!(out, "{line}")?;
                }
                remark(format_args!("{}: {}", path.display(), said(error)));
            }
        }
        Ok(())
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// As the server's, but that photos wait as long as it takes; few are searched at once with many beams.
fn queue_settings(captioning: &CaptioningConfig, beam_size: Option<usize>) -> QueueSettings {
    let settings = super::queue_settings(captioning);
    let at_once = beams::photos_at_once(beam_size.unwrap_or(captioning.beam_size));
    QueueSettings { timeout: PATIENCE, max_batch_size: settings.max_batch_size.min(at_once), ..settings }
}

async fn caption_one(
    path: &Path,
    service: &CaptionService,
    intake: &Intake,
    loaded: &Loaded,
    search: SearchOptions,
) -> anyhow::Result<Outcome> {
    let bytes = photos::read(path).await?;
    // The pixels are dropped at once: only the model's input waits in the queue.
    let Photo { prepared, decode_ms, .. } = intake.read(bytes, Arc::clone(&loaded.prepare)).await?;
    let captioned = service.caption(prepared, search).await?;
    let timings = LineTimings {
        decode: decode_ms,
        queue: captioned.queue_ms,
        encode: captioned.encode_ms,
        search: captioned.search_ms,
    };
    Ok(Outcome { captions: captioned.captions, timings })
}

/// Progress on standard error, where it takes long and a person watches.
fn progress_bar(photos: usize) -> ProgressBar {
    const FEW: usize = 3;
    if photos <= FEW || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} photos, {per_sec}, {eta} left");
    match style {
        Ok(style) => ProgressBar::new(photos as u64).with_style(style),
        Err(_) => ProgressBar::new(photos as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_wait_as_long_as_it_takes() {
        let mut captioning = Config::defaults().expect("valid defaults").captioning;
        captioning.request_timeout_seconds = 1;
        let settings = queue_settings(&captioning, None);
        assert!(settings.timeout > Duration::from_secs(30 * 24 * 60 * 60));
        assert_eq!(settings.max_batch_size, captioning.max_batch_size);
        assert_eq!(queue_settings(&captioning, Some(400)).max_batch_size, 1, "memory grows with the beams' square");
    }

    #[test]
    fn a_closed_pipe_is_told_apart_from_other_failures() {
        assert!(is_closed_pipe(&io::Error::from(ErrorKind::BrokenPipe).into()));
        assert!(!is_closed_pipe(&io::Error::from(ErrorKind::StorageFull).into()));
        assert!(!is_closed_pipe(&anyhow!("the search gave no caption")));
    }
}
