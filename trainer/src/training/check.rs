//! Looking before leaping: what a run will need, how long it will take, and what would stop it. Trains nothing.

mod needs;
mod pace;
mod weights;

use super::failure::TrainError;
use super::features::{check_kept, is_complete, shape};
use super::folder::RunFolder;
use super::recipe::{Phase, Recipe, TrainingPhase};
use super::run::Run;
use crate::checkpoint::{Checkpoints, Progress};
use crate::data::Image;
use crate::data::features::free_bytes;
use crate::device::device_name;
use crate::model::{Backbone, Dropouts, ExpansionNet};
use needs::Sizes;
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tch::Device;
use tch::nn::VarStore;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckReport {
    /// What is amiss or worth knowing.
    pub findings: Vec<Finding>,
    /// Images by split.
    pub images: ImageCounts,
    /// Captions of all of them.
    pub captions: usize,
    /// Words that the model will know.
    pub vocabulary: usize,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Bytes that features, checkpoints and models will take at most, besides what is there.
    pub disk_needed_bytes: u64,
    /// Bytes free where they go.
    pub disk_free_bytes: u64,
    /// Bytes of the device's memory that the greediest phase takes, roughly; none where nothing is left to do.
    pub memory_needed_bytes: Option<u64>,
    /// What is left of each phase.
    pub phases: Vec<PhaseCheck>,
}

/// Images of a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImageCounts {
    /// For training.
    pub train: usize,
    /// For choosing among checkpoints.
    pub val: usize,
    /// For the figures that are quoted.
    pub test: usize,
    /// Of all of them, those whose file is not there.
    pub missing: usize,
}

/// Something amiss or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// For programs: `dataset`, `images`, `captions`, `weights`, `disk`, `memory`, `measure`, …
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The run would fail.
    Error,
    /// It would go on, maybe not as wanted.
    Warning,
    /// Good to know.
    Info,
}

/// What is left of a phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseCheck {
    /// Its name.
    pub name: String,
    /// `features`, `cross-entropy` or `self-critical`.
    pub step: &'static str,
    /// Iterations (or images) left.
    pub iterations: u64,
    /// Measured with fresh weights, evaluations left out; none if it was not measured.
    pub seconds_per_iteration: Option<f64>,
    /// For all that is left.
    pub seconds: Option<f64>,
}

impl CheckReport {
    /// Whether the run would fail.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Error)
    }

    fn find(&mut self, level: Level, code: &'static str, message: impl Into<String>) {
        self.findings.push(Finding { level, code, message: message.into() });
    }

    /// The value, or what went wrong among the findings.
    fn value<T>(&mut self, code: &'static str, outcome: Result<T, TrainError>) -> Option<T> {
        outcome.map_err(|error| self.find(Level::Error, code, error.to_string())).ok()
    }
}

/// Checks the phases of these names, or all where none is named, of a run in `folder`, which need not exist; with
/// `measure`, their paces too, in about that time.
///
/// # Errors
/// Only where there is no phase of a name: whatever else is amiss is a finding.
pub fn check<'n>(
    recipe: &Recipe,
    folder: &Path,
    device: Device,
    only: impl IntoIterator<Item = &'n str>,
    measure: Option<Duration>,
) -> Result<CheckReport, TrainError> {
    let phases = recipe.selected(only)?;
    let disk_free_bytes = free_bytes(folder).unwrap_or(0);
    let mut report = CheckReport { device: device_name(device), disk_free_bytes, ..CheckReport::default() };
    let never = AtomicBool::new(false);
    let run = Run::begin(recipe, RunFolder::unlocked(folder), device, &never);
    if let Some(run) = report.value("dataset", run) {
        let checked = catch_unwind(AssertUnwindSafe(|| Check { run: &run, phases, report: &mut report }.all(measure)));
        let checked = checked.unwrap_or_else(|panic| Err(TrainError::of_panic(&*panic)));
        report.value("model", checked.map_err(TrainError::advised));
    }
    Ok(report)
}

struct Check<'a> {
    run: &'a Run<'a>,
    phases: Vec<&'a Phase>,
    report: &'a mut CheckReport,
}

impl Check<'_> {
    fn all(&mut self, measure: Option<Duration>) -> Result<(), TrainError> {
        self.images();
        self.captions();
        self.images_without_captions();
        self.begun();
        self.inputs();
        let sizes = self.model()?;
        self.work();
        self.disk(&sizes);
        self.memory(&sizes);
        if let Some(time) = measure {
            self.paces(time, &sizes);
        }
        Ok(())
    }

    /// Makes the model once, for its sizes and to try weights on.
    fn model(&mut self) -> Result<Sizes, TrainError> {
        let (config, device) = (&self.run.config, self.run.device);
        let (backbone_store, body_store) = (VarStore::new(device), VarStore::new(device));
        let backbone = Backbone::new(&backbone_store.root(), config, 0.);
        let _body = ExpansionNet::new(&body_store.root(), config, Dropouts::default());
        let (tokens, channels) = shape(&backbone, config, device)?;
        self.weights(&backbone_store, &body_store);
        let count = |store: &VarStore| store.variables().values().map(|tensor| tensor.numel() as u64).sum();
        Ok(Sizes { tokens, channels, backbone: count(&backbone_store), body: count(&body_store) })
    }

    fn images(&mut self) {
        let dataset = &self.run.dataset;
        let folder = &self.run.recipe.data.images;
        let all = self.run.all_images();
        let missing: Vec<&Image> = all.iter().filter(|image| image.find(folder).is_none()).collect();
        self.report.images = ImageCounts {
            train: dataset.train.len(),
            val: dataset.validation.len(),
            test: dataset.test.len(),
            missing: missing.len(),
        };
        let Some(first) = missing.first() else { return };
        let message =
            format!("{} of {} images are not in {}, e.g. {}", missing.len(), all.len(), folder.display(), first.name());
        let wanted = self.phases.iter().any(|phase| reads_images(phase) && !self.is_complete(phase));
        let level =
            if wanted && Run::too_many_missing(missing.len(), all.len()) { Level::Error } else { Level::Warning };
        self.report.find(level, "images", message);
    }

    fn captions(&mut self) {
        let (dataset, report) = (&self.run.dataset, &mut *self.report);
        let all = self.run.all_images();
        report.captions = all.iter().map(|image| image.captions.len()).sum();
        report.vocabulary = self.run.vocabulary.len();
        if dataset.validation.is_empty() {
            report.find(Level::Warning, "validation", "there are no validation images: no checkpoint can be the best");
        }
    }

    /// Captions are learned where there are some; rewards need some of each image.
    fn images_without_captions(&mut self) {
        let count = |images: &[Image]| images.iter().filter(|image| image.captions.is_empty()).count();
        let without = count(&self.run.dataset.train);
        if without == 0 {
            return;
        }
        let stopped = self.phases.iter().find(|phase| match phase {
            Phase::SelfCritical(training) if !self.is_complete(phase) => {
                self.run.photos(training).is_ok_and(|images| count(&images) > 0)
            }
            _ => false,
        });
        let message = format!("{without} training images have no captions");
        match stopped {
            Some(phase) => {
                let message = format!("{message}, and phase `{}` cannot reward what is said of them", phase.name());
                self.report.find(Level::Error, "captions", message);
            }
            None => self.report.find(Level::Warning, "captions", message),
        }
    }

    /// What was begun goes on only with the numbers, features and words that it began with.
    fn begun(&mut self) {
        let run = self.run;
        for phase in self.phases.clone() {
            let found = match phase {
                Phase::Features(features) => check_kept(run, features),
                _ => match self.checkpoints(phase).progress() {
                    Ok(Some(begun)) => run.check_begun(phase.name(), &begun),
                    Ok(None) => Ok(()),
                    Err(error) => Err(error.into()),
                },
            };
            self.report.value("recipe", found);
        }
    }

    fn checkpoints(&self, phase: &Phase) -> Checkpoints {
        Checkpoints::at(&self.run.folder.path().join(phase.name()), 1)
    }

    /// What is left to do.
    fn work(&mut self) {
        for phase in self.phases.clone() {
            let all = match phase {
                Phase::Features(phase) => self.run.views(phase).len() as u64,
                Phase::CrossEntropy(phase) => self.iterations(phase, true),
                Phase::SelfCritical(phase) => self.iterations(phase, false),
            };
            let iterations = all.saturating_sub(self.done(phase, all));
            let (name, step) = (phase.name().to_owned(), phase.step());
            self.report.phases.push(PhaseCheck { name, step, iterations, seconds_per_iteration: None, seconds: None });
        }
    }

    fn iterations(&mut self, phase: &TrainingPhase, by_caption: bool) -> u64 {
        let blank = crate::data::InputSource::Blank(Vec::new());
        let mut left_out = None;
        let images = self.run.training_images(phase, |message| left_out = Some(message));
        let batches = images.and_then(|images| self.run.batches_of(blank, &images, phase, by_caption));
        if let Some(message) = left_out {
            self.report.find(Level::Info, "captions", message);
        }
        let Some(batches) = self.report.value("captions", batches) else { return 0 };
        let per_epoch = batches.batches_per_epoch();
        if per_epoch == 0 {
            let error = TrainError::TooFewItems { items: batches.items.len(), batch_size: batches.batch_size };
            self.report.find(Level::Error, "captions", format!("phase `{}`: {error}", phase.name));
        }
        per_epoch.saturating_mul(phase.epochs)
    }

    fn done(&self, phase: &Phase, all: u64) -> u64 {
        match phase {
            Phase::Features(_) if self.is_complete(phase) => all,
            Phase::Features(_) => 0,
            _ => self.progress(phase).map_or(0, |saved| saved.iteration),
        }
    }

    fn is_complete(&self, phase: &Phase) -> bool {
        match phase {
            Phase::Features(phase) => is_complete(self.run.folder.path(), phase),
            Phase::CrossEntropy(training) | Phase::SelfCritical(training) => {
                self.progress(phase).is_some_and(|saved| self.run.is_complete(training, &saved))
            }
        }
    }

    fn has_begun(&self, phase: &Phase) -> bool {
        self.is_complete(phase) || self.progress(phase).is_some()
    }

    /// How far its newest state is, if it has any.
    fn progress(&self, phase: &Phase) -> Option<Progress> {
        self.checkpoints(phase).progress().ok()?
    }

    fn disk(&mut self, sizes: &Sizes) {
        let images = self.report.images;
        let left = self.phases.iter().filter(|phase| !self.is_complete(phase));
        let needed = left.map(|phase| sizes.disk(phase, images)).fold(0, u64::saturating_add);
        let free = self.report.disk_free_bytes;
        self.report.disk_needed_bytes = needed;
        if needed > free {
            let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
            let message = format!("{} of disk are needed, {} are free", gigabytes(needed), gigabytes(free));
            self.report.find(Level::Error, "disk", message);
        }
    }

    fn memory(&mut self, sizes: &Sizes) {
        let left = self.phases.iter().filter(|phase| !self.is_complete(phase));
        self.report.memory_needed_bytes = left.map(|phase| sizes.memory(&self.run.config, phase)).max();
        let available = if self.run.device == Device::Cpu { needs::memory_available() } else { None };
        if let (Some(needed), Some(available)) = (self.report.memory_needed_bytes, available)
            && needed > available
        {
            let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
            let message = format!(
                "about {} of memory are needed, {} are available: lower batch_size",
                gigabytes(needed),
                gigabytes(available)
            );
            self.report.find(Level::Warning, "memory", message);
        }
    }

    fn paces(&mut self, time: Duration, sizes: &Sizes) {
        let left = |place: &usize| self.report.phases[*place].iterations > 0;
        let places: Vec<usize> = (0..self.phases.len()).filter(left).collect();
        let share = time / places.len().max(1) as u32;
        for place in places {
            let pace = pace::of_phase(self.run, self.phases[place], sizes, share);
            let Some(pace) = self.report.value("measure", pace) else { continue };
            let phase = &mut self.report.phases[place];
            phase.seconds_per_iteration = Some(pace);
            phase.seconds = Some(pace * phase.iterations as f64);
        }
    }
}

fn reads_images(phase: &Phase) -> bool {
    phase.training().is_none_or(TrainingPhase::end_to_end)
}
