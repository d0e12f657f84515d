//! `expansionnet train` and `expansionnet features`: the phases of a recipe, from the command line.

mod check;
mod text;

use super::choice;
use crate::training::STOPPED;
use anyhow::Context;
use clap::{Args, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use trainer::device::DeviceChoice;
use trainer::training::events::json_lines;
use trainer::training::recipe::{self, PAPER};
use trainer::training::{Events, Outcome, Phase, Recipe, Run, RunFolder, TrainError};

/// Train a model by a recipe
///
/// Runs every phase of the recipe that is not complete, in order, or one of them. It may be killed at any
/// moment: the same command goes on from the last checkpoint. SIGTERM or Ctrl-C saves and stops (exit code 3).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Train {
    #[command(flatten)]
    run: RunArguments,

    /// Run this phase alone; may be given several times
    #[arg(long = "phase", value_name = "NAME")]
    phases: Vec<String>,

    /// Only say what is amiss, and what disk and memory it will take; trains nothing (exit code 1 if it would fail)
    #[arg(long)]
    check: bool,

    /// With --check: run a few iterations of each phase, for about so many seconds together, and say how long all
    /// will take
    #[arg(long, value_name = "SECONDS", requires = "check", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    measure: Option<u32>,
}

/// Store the features of every image, alone: the recipe's first phase of that kind
#[derive(Debug, Args)]
pub(super) struct Features {
    #[command(flatten)]
    run: RunArguments,

    /// The features phase to run [default: the recipe's first]
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// The recipe [default: recipe.toml of the run's folder, else the paper's]
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,

    /// Folder of the run: features, checkpoints, models and events.jsonl
    #[arg(long, value_name = "DIR")]
    run: PathBuf,

    /// Set a value of the recipe, e.g. data.images=/photos or xe.batch_size=32
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,

    /// Where to train: auto, cpu or cuda
    #[arg(long, default_value = "auto", value_parser = choice::<DeviceChoice>)]
    device: DeviceChoice,

    /// How to tell of it on standard output
    #[arg(long, value_enum, default_value_t = EventFormat::Text)]
    events: EventFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EventFormat {
    /// One JSON object a line.
    Json,
    /// For people: a progress bar, or a line every half minute where the output goes to a file.
    Text,
    /// Not at all: whoever wants to know reads events.jsonl.
    None,
}

const EXAMPLES: &str = "\
Examples:
  expansionnet train --recipe recipes/photos14k.toml --run runs/photos
  expansionnet train --run runs/photos                                  goes on with it
  expansionnet train --run runs/photos --check --measure 60             what it needs, and how long it takes
  expansionnet train --run runs/photos --phase scst --events json
  expansionnet train --run runs/photos --phase xe --set xe.epochs=12    more epochs, with the same optimiser
  expansionnet train --run runs/coco --set data.dataset=dataset_coco.json --set data.images=/coco";

impl Train {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = self.run.recipe()?;
        match self.check {
            true => check::run(&self.run, &recipe, &self.phases, self.measure),
            false => self.run.start(&recipe, &self.phases),
        }
    }
}

impl Features {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let recipe = self.run.recipe()?;
        let first = recipe.phases.iter().find(|phase| matches!(phase, Phase::Features(_))).map(Phase::name);
        let phase = self.phase.as_deref().or(first).context("the recipe has no phase whose step is `features`")?;
        self.run.start(&recipe, &[phase.to_owned()])
    }
}

impl RunArguments {
    fn recipe(&self) -> anyhow::Result<Recipe> {
        let kept = self.kept_recipe();
        let recipe = match &self.recipe {
            Some(path) => Recipe::read(path, &self.settings)?,
            None if kept.exists() => Recipe::read(&kept, &self.settings)?,
            None => Recipe::parse(PAPER, &self.settings)?,
        };
        Ok(recipe)
    }

    fn kept_recipe(&self) -> PathBuf {
        self.run.join(recipe::FILE)
    }

    fn start(&self, recipe: &Recipe, phases: &[String]) -> anyhow::Result<ExitCode> {
        let phases: Vec<&str> = phases.iter().map(String::as_str).collect();
        let first = recipe.selected(phases.iter().copied())?.first().map(|phase| phase.name());
        let folder = RunFolder::lock(&self.run)?;
        let mut events = self.listeners()?;
        let outcome = self.train(recipe, folder, &phases, &mut events);
        if let Err(error) = &outcome
            && !events.has_ended()
        {
            // Whatever failed before a phase has failed the first.
            events.enter(first.unwrap_or_default());
            events.fail(error);
        }
        Ok(match outcome? {
            Outcome::Completed => ExitCode::SUCCESS,
            Outcome::Stopped => ExitCode::from(STOPPED),
        })
    }

    fn listeners(&self) -> anyhow::Result<Events> {
        let path = self.run.join("events.jsonl");
        let mut events = Events::kept_in(&path).with_context(|| format!("{} can't be opened", path.display()))?;
        match self.events {
            EventFormat::Json => events.listen(json_lines(std::io::stdout())),
            EventFormat::Text => events.listen(text::for_people()),
            EventFormat::None => {}
        }
        Ok(events)
    }

    fn train(
        &self,
        recipe: &Recipe,
        folder: RunFolder,
        phases: &[&str],
        events: &mut Events,
    ) -> Result<Outcome, TrainError> {
        let device = self.device.resolve()?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            let registered = signal_hook::flag::register(signal, Arc::clone(&stop));
            registered.map_err(|source| TrainError::Io { path: "signals".into(), source })?;
        }
        let run = Run::begin(recipe, folder, device, &stop)?;
        run.keep_recipe(phases.iter().copied())?;
        run.run(phases.iter().copied(), events)
    }
}
