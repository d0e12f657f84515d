//! `expansionnet caption`: captions on the command line, by the same intake and worker as the server's.

use super::said;
use crate::captioning::{CaptionService, Folders, Intake, Loaded, Photo};
use crate::config::{Config, LogFormat};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use trainer::captioner::{Caption, Captioner, SearchOptions};
use trainer::device::{DeviceChoice, PrecisionChoice};

/// Caption photos without a server
///
/// Prints one line a photo, in the order given. When a photo cannot be captioned, the others still are,
/// and the exit code is 1.
#[derive(Debug, Args)]
pub(super) struct CaptionPhotos {
    /// Photos: JPEG, PNG, WebP, GIF, BMP or TIFF, whatever their names
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Settings file [default: config.toml in the working directory, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Model folder [default: model.path, with model.ensemble]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

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
        if let Some(model) = &self.model {
            config.model.path.clone_from(model);
            config.model.ensemble.clear();
        }
        config.model.device = self.device.unwrap_or(config.model.device);
        config.model.precision = self.precision.unwrap_or(config.model.precision);
        tokio::runtime::Runtime::new()?.block_on(self.caption_all(config))
    }

    async fn caption_all(&self, config: Config) -> anyhow::Result<ExitCode> {
        let (folder, options) = (config.model.path.clone(), config.load_options());
        let queue = super::queue_settings(&config.captioning);
        let folders = Folders::new(&config.model).configured;
        let service = CaptionService::start(queue, move || Captioner::load_ensemble(&folders, &options))?;
        let loaded = service.ready().await;
        let loaded = loaded.map_err(|reason| anyhow!("the model {} cannot be used: {reason}", folder.display()))?;
        let (search, candidates) = self.search_options(&config, &loaded)?;
        let intake = Intake::new(config.image_limits(), config.image.max_concurrent_decodes);

        let work = self.images.iter().map(|path| {
            let (service, intake, loaded) = (&service, &intake, &loaded);
            async move { (path, caption_one(path, service, intake, loaded, search).await) }
        });
        // Enough at a time to fill the model's batches, and no more than may wait for it.
        let at_once = queue.max_batch_size.min(queue.capacity);
        let mut outcomes = futures_util::stream::iter(work).buffered(at_once);
        let progress = progress_bar(self.images.len());
        let mut failures = 0;
        while let Some((path, outcome)) = outcomes.next().await {
            progress.inc(1);
            failures += usize::from(outcome.is_err());
            progress.suspend(|| self.print(path, &outcome, candidates))?;
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
        let search = SearchOptions {
            beam_size: self.beam_size.unwrap_or(config.captioning.beam_size),
            max_length: self.max_length.unwrap_or(longest),
            unrepeated_first: config.captioning.unrepeated_first,
        };
        if search.beam_size == 0 {
            bail!("--beam-size must be 1 or more");
        }
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
                eprintln!("{}: {}", path.display(), said(error));
            }
        }
        Ok(())
    }
}

async fn caption_one(
    path: &Path,
    service: &CaptionService,
    intake: &Intake,
    loaded: &Loaded,
    search: SearchOptions,
) -> anyhow::Result<Outcome> {
    if path.is_dir() {
        bail!("this is a folder: name the photos in it, e.g. {}/*.jpg", path.display());
    }
    let bytes = tokio::fs::read(path).await?;
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
