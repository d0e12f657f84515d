//! The features phase: every image once through the backbone, onto the disk.

use super::events::{Event, Events};
use super::failure::TrainError;
use super::made_of::MadeOf;
use super::precision::Precision;
use super::readable::Readable;
use super::recipe::{FeaturesPhase, Phase};
use super::run::{Outcome, Run};
use super::start::{Part, backbone_alone, load_part, weights_of};
use crate::data::features::{check_disk, disk_need};
use crate::data::{Batch, BatchMaker, FeatureWriter, Image, Prefetch, readers};
use crate::device::{device_name, sent};
use crate::model::{Backbone, ModelConfig};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// Time between two saves.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// Time between two reports.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Written when every image has been tried: the number of views.
const COMPLETE: &str = "complete";

/// Whether a features phase has tried every image in every view.
pub(super) fn is_complete(run: &Path, phase: &FeaturesPhase) -> bool {
    let written = std::fs::read_to_string(run.join(&phase.name).join(COMPLETE));
    // Before there were views, nothing was written into it.
    written.is_ok_and(|views| views.trim().parse().unwrap_or(1) >= phase.views)
}

/// Whether of features that a phase here began to store some are still to come.
pub(super) fn is_part(run: &Run, phase: &str) -> Result<bool, TrainError> {
    let folder = run.folder.path();
    let complete = match run.recipe.phase(phase) {
        Some(Phase::Features(phase)) => is_complete(folder, phase),
        _ => true,
    };
    Ok(!complete && MadeOf::read(folder, phase)?.is_some())
}

/// Refuses features that lie there already where they are of another backbone, as far as that can be read, of photos of
/// another size, or varied otherwise.
pub(super) fn check_kept(run: &Run, phase: &FeaturesPhase) -> Result<(), TrainError> {
    let Some(made_of) = MadeOf::read(run.folder.path(), &phase.name)? else { return Ok(()) };
    let varied = (phase.views > 1).then(|| phase.variety());
    let by_this = match weights_of(run.recipe, run.folder.path(), &phase.backbone, Part::Backbone) {
        Ok(weights) => made_of.is_by(&backbone_alone(weights, &run.config.backbone))?,
        Err(_) => true,
    };
    match by_this && made_of.is_of(run.config.image_size, varied) {
        true => Ok(()),
        false => Err(TrainError::OtherFeatures(phase.name.clone())),
    }
}

impl Run<'_> {
    /// What a features phase stores: all images as they are, those for training also in the other views.
    pub(super) fn views(&self, phase: &FeaturesPhase) -> Vec<(Image, u64)> {
        let plain = self.all_images().into_iter().map(|image| (image, 0));
        let others =
            (1..phase.views).flat_map(|view| self.dataset.train.iter().map(move |image| (image.clone(), view)));
        plain.chain(others).collect()
    }
}

/// The file of a features phase.
pub fn features_path(run: &Path, phase: &str) -> PathBuf {
    run.join(phase).join("features.hdf5")
}

/// Stores the features of every image that has none yet.
pub(super) fn store_features(run: &Run, phase: &FeaturesPhase, events: &mut Events) -> Result<Outcome, TrainError> {
    let folder = run.folder.path().join(&phase.name);
    let io = |source| TrainError::Io { path: folder.clone(), source };
    std::fs::create_dir_all(&folder).map_err(io)?;
    check_kept(run, phase)?;
    if is_complete(run.folder.path(), phase) {
        return Ok(Outcome::Completed);
    }
    let store = VarStore::new(run.device);
    let mut backbone = Backbone::new(&store.root(), &run.config, 0.);
    let weights = weights_of(run.recipe, run.folder.path(), &phase.backbone, Part::Backbone)?;
    let weights = backbone_alone(weights, &run.config.backbone);
    load_part(&store, &weights, Part::Backbone, &run.config.backbone)?;
    backbone.prepare_inference();
    if let Some(warning) = Precision::Float32.prepare(run.device) {
        events.warn(warning);
    }
    MadeOf::by(phase, &weights, &run.config)?.keep(run.folder.path(), &phase.name)?;

    let mut writer = FeatureWriter::open(&features_path(run.folder.path(), &phase.name), phase.kind)?;
    let (all, missing) = (run.views(phase), missing_images(run, events)?);
    let is_left = |(image, view): &&(Image, u64)| !writer.has(image.id, *view) && !missing.contains(&image.id);
    let left: Vec<_> = all.iter().filter(is_left).cloned().collect();
    let (tokens, channels) = shape(&backbone, &run.config, run.device)?;
    let needed = disk_need(left.len(), tokens, channels, phase.kind);
    check_disk(&folder, needed)?;
    events.log(format!(
        "{} images or views left, for which {:.2} GB of disk are needed",
        left.len(),
        needed as f64 / 1e9
    ));
    events.tell(Event::Started {
        step: "features".to_owned(),
        recipe: run.recipe.hash(),
        device: device_name(run.device),
        parameters: store.variables().values().map(|tensor| tensor.numel() as u64).sum(),
        iteration: (all.len() - left.len()) as u64,
        iterations: all.len() as u64,
        per_epoch: all.len() as u64,
    });
    let names: Vec<(i64, u64)> = left.iter().map(|(image, view)| (image.id, *view)).collect();
    let batches = run.image_batches(left, phase.variety(), phase.batch_size)?;
    let outcome = walk(run, &backbone, (batches, &names), &mut writer, all.len(), events)?;
    writer.finish()?;
    if outcome == Outcome::Completed {
        std::fs::write(folder.join(COMPLETE), phase.views.to_string()).map_err(io)?;
    }
    Ok(outcome)
}

/// The numbers of the images whose files are missing, which are told once.
fn missing_images(run: &Run, events: &mut Events) -> Result<HashSet<i64>, TrainError> {
    let all = run.all_images();
    let missing: Vec<&Image> = run.missing(&all)?;
    if let Some(first) = missing.first() {
        events.warn(format!("{} images are left out for want of their file, e.g. {}", missing.len(), first.name()));
    }
    Ok(missing.into_iter().map(|image| image.id).collect())
}

fn walk(
    run: &Run,
    backbone: &Backbone,
    (batches, names): (BatchMaker, &[(i64, u64)]),
    writer: &mut FeatureWriter,
    total: usize,
    events: &mut Events,
) -> Result<Outcome, TrainError> {
    let size = batches.batch_size;
    let count = names.len().div_ceil(size) as u64;
    let device = run.device;
    let ahead = Prefetch::start(0..count, readers(), move |index| {
        let start = index as usize * size;
        let items: Vec<_> = (start..(start + size).min(batches.images.len())).map(|place| (place, None)).collect();
        batches.collect(&items)?.ready_for(device)
    });
    let (mut saved, mut told, began) = (Instant::now(), None::<Instant>, Instant::now());
    let before = total - names.len();
    let (mut seen, mut readable) = (0, Readable::default());
    for (index, batch) in ahead.enumerate() {
        seen += size.min(names.len() - index * size);
        if let Some(batch) = readable.pass(batch, |message| events.warn(message))? {
            store(run.device, backbone, &batch, names, writer)?;
        }
        if told.is_none_or(|told| told.elapsed() > TELL_EVERY) || seen == names.len() {
            tell(before, seen, total, began, events);
            told = Some(Instant::now());
        }
        let stop = run.stop_asked();
        if stop || saved.elapsed() > SAVE_EVERY {
            writer.save()?;
            saved = Instant::now();
        }
        if stop && seen < names.len() {
            return Ok(Outcome::Stopped);
        }
    }
    match seen == names.len() {
        true => Ok(Outcome::Completed),
        false => Err(TrainError::BatchThread),
    }
}

/// Stores the features of a batch, whose images are places in `names`.
fn store(
    device: Device,
    backbone: &Backbone,
    batch: &Batch,
    names: &[(i64, u64)],
    writer: &mut FeatureWriter,
) -> Result<(), TrainError> {
    let features = tch::no_grad(|| {
        let images = sent(&batch.inputs.tensor, device)?;
        backbone.forward_t(&images, false).f_to_device(Device::Cpu)
    })?;
    for (row, &place) in batch.images.iter().enumerate() {
        let (image, view) = names[place];
        writer.add(image, view, &features.get(row as i64))?;
    }
    Ok(())
}

fn tell(before: usize, seen: usize, total: usize, began: Instant, events: &mut Events) {
    let per_second = seen as f64 / began.elapsed().as_secs_f64().max(1e-9);
    events.tell(Event::Progress {
        epoch: 0,
        iteration: (before + seen) as u64,
        iterations: total as u64,
        per_second,
        seconds_left: (total - before - seen) as f64 / per_second.max(1e-9),
    });
}

/// Tokens and channels of an image's features.
pub(super) fn shape(backbone: &Backbone, config: &ModelConfig, device: tch::Device) -> Result<(i64, i64), TrainError> {
    let side = config.image_size;
    let blank = Tensor::zeros([1, 3, side, side], (Kind::Float, device));
    let (_, tokens, channels) = tch::no_grad(|| backbone.forward_t(&blank, false)).size3()?;
    Ok((tokens, channels))
}
