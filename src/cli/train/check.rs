//! `expansionnet train --check`: what a run needs and what would stop it, for people or as JSON.

use super::text::duration;
use super::{EventFormat, RunArguments};
use anyhow::Context;
use std::process::ExitCode;
use std::time::Duration;
use trainer::training::check::Level;
use trainer::training::{CheckReport, Recipe, check};

pub(super) fn run(
    arguments: &RunArguments,
    recipe: &Recipe,
    phases: &[String],
    measure: Option<u32>,
) -> anyhow::Result<ExitCode> {
    let device = arguments.device.resolve()?;
    let phases = phases.iter().map(String::as_str);
    let measure = measure.map(|seconds| Duration::from_secs(seconds.into()));
    let report = check(recipe, &arguments.run, device, phases, measure)?;
    let text = match arguments.events {
        EventFormat::Json => serde_json::to_string(&report).context("the report can't be written")? + "\n",
        EventFormat::Text | EventFormat::None => for_people(&report),
    };
    crate::cli::write_out(text.as_bytes())?;
    Ok(if report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn for_people(report: &CheckReport) -> String {
    let images = &report.images;
    let mut text = format!(
        "images      {} train, {} val, {} test; {} missing\ncaptions    {}, {} words in the vocabulary\n",
        images.train, images.val, images.test, images.missing, report.captions, report.vocabulary
    );
    let (needed, free) = (gigabytes(report.disk_needed_bytes), gigabytes(report.disk_free_bytes));
    text += &format!("disk        {needed} needed at most, {free} free\n");
    if let Some(memory) = report.memory_needed_bytes {
        text += &format!("memory      about {} on {}\n", gigabytes(memory), report.device);
    }
    for phase in &report.phases {
        let time = phase.seconds.map_or(String::new(), |seconds| format!(", about {}", duration(seconds)));
        text += &format!("{:<16} {} iterations left{time}\n", phase.name, phase.iterations);
    }
    for finding in &report.findings {
        let level = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "note",
        };
        text += &format!("{level}: {}\n", finding.message);
    }
    text
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
