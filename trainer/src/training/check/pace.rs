//! How long an iteration takes here: a few are made with fresh weights, and forgotten.

use super::super::LabelSmoothing;
use super::super::distillation::Teachers;
use super::super::failure::TrainError;
use super::super::features::{features_path, is_complete};
use super::super::network::Network;
use super::super::precision::Precision;
use super::super::radam::RAdam;
use super::super::readable::Readable;
use super::super::recipe::{FeaturesPhase, Phase, TrainingPhase};
use super::super::run::Run;
use super::super::step::Step;
use super::needs::Sizes;
use crate::data::{Batch, BatchError, BatchMaker, FeatureReader, Image, InputSource, Prefetch, readers};
use crate::model::Backbone;
use crate::model::precision::multiplying_in;
use std::time::{Duration, Instant};
use tch::nn::VarStore;
use tch::{Device, Kind};

/// Seconds of an iteration (an image, in a features phase), measured in about `time`.
pub(super) fn of_phase(run: &Run, phase: &Phase, sizes: &Sizes, time: Duration) -> Result<f64, TrainError> {
    match phase {
        Phase::Features(phase) => of_features(run, phase, time),
        Phase::CrossEntropy(training) => {
            let pad = run.vocabulary.pad()?;
            let labels = LabelSmoothing { smoothing: training.label_smoothing, pad };
            let step = Step::CrossEntropy(labels, Teachers::untrained(run, training));
            of_training(run, training, (&step, true), sizes, time)
        }
        Phase::SelfCritical(training) => {
            let step = run.self_critical(training)?;
            of_training(run, training, (&step, false), sizes, time)
        }
    }
}

fn of_features(run: &Run, phase: &FeaturesPhase, time: Duration) -> Result<f64, TrainError> {
    let store = VarStore::new(run.device);
    let mut backbone = Backbone::new(&store.root(), &run.config, 0.);
    backbone.prepare_inference();
    let _ = Precision::Float32.prepare(run.device); // as the phase does, which tells what can't be had
    let mut batches = run.image_batches(run.views(phase), phase.variety(), phase.batch_size)?;
    batches.items = (0..batches.images.len()).map(|image| (image, None)).collect();
    let seconds = measured(batches, run.device, time, |batch| {
        tch::no_grad(|| {
            let features = backbone.forward_t(&batch.inputs.tensor.f_to_device(run.device)?, false);
            features.f_sum(Kind::Float)?.f_double_value(&[])?; // waits for the device
            Ok(())
        })
    })?;
    Ok(seconds / phase.batch_size as f64)
}

fn of_training(
    run: &Run,
    phase: &TrainingPhase,
    (step, by_caption): (&Step, bool),
    sizes: &Sizes,
    time: Duration,
) -> Result<f64, TrainError> {
    let store = VarStore::new(run.device);
    let network = Network::of_phase(&store.root(), &run.config, phase);
    let _ = phase.precision.prepare(run.device); // what can't be had is told when the phase starts
    let mut optimiser = RAdam::new(&store);
    let images = run.training_images(phase, |_| ())?;
    let batches = run.batches_of(source(run, phase, &images, sizes)?, &images, phase, by_caption)?;
    let mut iteration = 0;
    measured(batches, run.device, time, |batch| {
        let loss = multiplying_in(phase.precision.matrices(), || {
            let loss = step.run(&network, &batch, run.device)?.loss;
            network.backward(&loss);
            Ok::<_, TrainError>(loss)
        })?;
        iteration += 1;
        if iteration % phase.accumulate == 0 {
            optimiser.step(0.);
            optimiser.zero_gradients();
        }
        loss.f_double_value(&[])?; // waits for the device
        Ok(())
    })
}

/// What the phase will read, or something of that shape where it is not there yet.
fn source(run: &Run, phase: &TrainingPhase, images: &[Image], sizes: &Sizes) -> Result<InputSource, TrainError> {
    let folder = run.folder.path();
    match phase.features.as_deref().and_then(|features| run.recipe.phase(features)) {
        Some(Phase::Features(features)) if is_complete(folder, features) => {
            Ok(InputSource::Features(FeatureReader::open(&features_path(folder, &features.name))?))
        }
        Some(_) => Ok(InputSource::Blank(vec![sizes.tokens, sizes.channels])),
        None if phase.sees_captions => Ok(run.caption_source(images)),
        None => run.image_source(images, phase.image_size.unwrap_or(run.config.image_size)),
    }
}

/// The next batch of which something can be read, as in training.
fn next_of(
    batches: &mut impl Iterator<Item = Result<Batch, BatchError>>,
    readable: &mut Readable,
) -> Result<Batch, TrainError> {
    loop {
        let batch = batches.next().ok_or(TrainError::BatchThread)?;
        if let Some(batch) = readable.pass(batch, drop)? {
            return Ok(batch);
        }
    }
}

/// Mean seconds of a step and of what of reading its batch is not done meanwhile.
fn measured(
    mut batches: BatchMaker,
    device: Device,
    time: Duration,
    mut step: impl FnMut(Batch) -> Result<(), TrainError>,
) -> Result<f64, TrainError> {
    let size = batches.batch_size;
    batches.leave_out_missing();
    if batches.batches_per_epoch() == 0 {
        return Err(TrainError::TooFewItems { items: batches.items.len(), batch_size: size });
    }
    // Single ones first: they warm everything up, and tell whether a whole batch can be afforded.
    batches.batch_size = 1;
    let mut readable = Readable::default();
    let mut singles = (0..).map(|iteration| batches.make(iteration));
    step(next_of(&mut singles, &mut readable)?)?;
    let second = next_of(&mut singles, &mut readable)?;
    let began = Instant::now();
    step(second)?;
    let alone = began.elapsed().as_secs_f64() * size as f64;
    if alone > 2. * time.as_secs_f64() {
        return Ok(alone);
    }
    batches.batch_size = size;
    let mut ahead =
        Prefetch::start(0..u64::MAX, readers(), move |iteration| batches.make(iteration)?.ready_for(device));
    let mut next = || step(next_of(&mut ahead, &mut readable)?);
    next()?;
    let (began, mut steps) = (Instant::now(), 0);
    while steps == 0 || began.elapsed() < time {
        next()?;
        steps += 1;
    }
    Ok(began.elapsed().as_secs_f64() / f64::from(steps))
}
