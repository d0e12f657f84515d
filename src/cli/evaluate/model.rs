//! A model on a dataset: images chosen, captioned, judged, and everything written.

use super::cases::{self, Case, Id};
use super::events::EventLog;
use super::output::{Evaluation, Outcome, Photos};
use super::progress::Reporter;
use super::table::Table;
use super::titles::titled;
use super::{ModelRun, output};
use crate::captioning::Folders;
use crate::cli::{beams, names_of, remark};
use crate::config::Config;
use anyhow::{Context, anyhow, bail};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use trainer::captioner::Captioner;
use trainer::data::karpathy::find_images;
use trainer::data::{Dataset, FeatureReader, Image, Split};
use trainer::evaluation::{CaptionLog, FileStamp, Origin, RunOptions, Source, caption_images};
use trainer::metrics::EvaluationSettings;
use trainer::training::check_features;

/// Every caption as it was made, in the output folder.
const LOG: &str = "captions.jsonl";

/// The images of a split that are captioned.
struct Chosen {
    split: Split,
    images: Vec<Image>,
}

impl ModelRun {
    pub(super) fn evaluate(
        &self,
        dataset: &Path,
        config: Config,
        metrics: &EvaluationSettings,
        json: bool,
    ) -> anyhow::Result<()> {
        let Some(folder) = &self.output else { bail!("name a folder for the reports: --output DIR") };
        let beam_sizes = self.beam_sizes()?;
        let chosen = self.choose(&Dataset::read(dataset)?)?;
        let images: Vec<Image> = chosen.iter().flat_map(|chosen| chosen.images.iter().cloned()).collect();
        // All of them before any work starts.
        let photos = self.photos(&images)?;
        let models = self.models(&config);
        self.refuse_foreign_features(&models)?;
        fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;

        let captioner = self.load(&models, config.clone())?;
        let dataset_hash = file_hash(dataset)?;
        let mut log = CaptionLog::open(&folder.join(LOG), &self.origin(&captioner, &dataset_hash)?)?;
        let source = self.source(&captioner, &images, &photos, &config)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let max_length = captioner.info().max_length;
        let most_beams = beam_sizes.last().copied().unwrap_or(1);
        let options = RunOptions {
            beam_sizes: beam_sizes.clone(),
            max_length,
            unrepeated_first: self.unrepeated_first,
            batch_size: self.batch_size.min(beams::photos_at_once(most_beams)),
            threads,
        };
        let ids: Vec<i64> = images.iter().map(|image| image.id).collect();
        let (mut reporter, mut events) = (Reporter::new(), EventLog::open(self.event_log.as_deref())?);
        caption_images(&captioner, &ids, source, &options, &mut log, |progress| {
            reporter.show(progress);
            events.show(progress, captioner.info());
        })?;

        let outcomes = judge(&chosen, &beam_sizes, &log, metrics)?;
        let (model, filepath) = (titled(captioner.info(), &models), self.filepath.as_slice());
        let unrepeated_first = self.unrepeated_first;
        let evaluation =
            Evaluation { model: &model, dataset, dataset_hash, filepath, max_length, unrepeated_first, outcomes };
        output::write(folder, &evaluation, &photos, &config.image_limits())?;
        events.end(&evaluation.outcomes);
        super::print(&match json {
            true => serde_json::to_string_pretty(&evaluation)?,
            false => evaluation.tables().iter().map(Table::to_string).collect::<Vec<_>>().join("\n"),
        })?;
        remark(format_args!("the reports are in {}: start with report.html", folder.display()));
        Ok(())
    }

    /// Each once, in order.
    fn beam_sizes(&self) -> anyhow::Result<Vec<usize>> {
        self.beam_size.iter().try_for_each(|&beams| beams::check(beams, beams::MOST))?;
        if self.batch_size == 0 {
            bail!("--batch-size must be 1 or more");
        }
        Ok(BTreeSet::from_iter(self.beam_size.iter().copied()).into_iter().collect())
    }

    /// The images of the splits, by the filters.
    fn choose(&self, dataset: &Dataset) -> anyhow::Result<Vec<Chosen>> {
        let wanted = |image: &&Image| self.filepath.is_empty() || self.filepath.contains(&image.folder);
        let limit = self.limit.unwrap_or(usize::MAX);
        if limit == 0 {
            bail!("--limit must be 1 or more");
        }
        let choose = |&split: &Split| {
            let all = dataset.split(split);
            if all.is_empty() {
                bail!("the dataset has no images in the split {split}: name another one by --split");
            }
            let images: Vec<Image> = all.iter().filter(wanted).take(limit).cloned().collect();
            if images.is_empty() {
                let there: BTreeSet<&str> = all.iter().map(|image| image.folder.as_str()).collect();
                let there = there.into_iter().collect::<Vec<_>>().join(", ");
                bail!("there are no such images in the split {split}; values of `filepath` there: {there}");
            }
            refuse_uncaptioned(split, &images)?;
            Ok(Chosen { split, images })
        };
        self.split.list().iter().map(choose).collect()
    }

    /// The files of the images. Beside features they only illustrate the page, and any may be missing.
    fn photos(&self, images: &[Image]) -> anyhow::Result<Photos> {
        let Some(folder) = &self.images else { return Ok(Photos::new()) };
        if self.features.is_none() {
            return Ok(images.iter().map(|image| image.id).zip(find_images(images, folder)?).collect());
        }
        let found: Photos = images.iter().filter_map(|image| Some((image.id, image.find(folder)?))).collect();
        let missing = images.len() - found.len();
        if missing > 0 {
            let (images, folder) = (images.len(), folder.display());
            remark(format_args!(
                "{missing} of {images} images are not in {folder}: report.html does without their photos"
            ));
        }
        Ok(found)
    }

    /// The folders of the model, or of the ensemble.
    fn models(&self, config: &Config) -> Vec<PathBuf> {
        match self.model.is_empty() {
            true => Folders::new(&config.model).configured,
            false => self.model.clone(),
        }
    }

    /// Features of another backbone, or of photos of another size, would be captioned as well, and wrongly.
    fn refuse_foreign_features(&self, models: &[PathBuf]) -> anyhow::Result<()> {
        let Some(features) = &self.features else { return Ok(()) };
        Ok(models.iter().try_for_each(|model| check_features(features, model))?)
    }

    fn load(&self, models: &[PathBuf], mut config: Config) -> anyhow::Result<Captioner> {
        config.model.device = self.device.unwrap_or(config.model.device);
        config.model.precision = self.precision.unwrap_or(config.model.precision);
        Captioner::load_ensemble(models, &config.load_options())
            .map_err(|reason| anyhow!("the model {} cannot be used: {reason}", names_of(models)))
    }

    fn origin(&self, captioner: &Captioner, dataset_hash: &str) -> anyhow::Result<Origin> {
        let input = self.features.as_ref().or(self.images.as_ref()).context("name --images or --features")?;
        let stamp = |file: &PathBuf| FileStamp::of(file).with_context(|| file.display().to_string());
        let info = captioner.info();
        Ok(Origin {
            model: info.revision.clone(),
            precision: info.precision.clone(),
            max_length: info.max_length,
            unrepeated_first: self.unrepeated_first,
            dataset: dataset_hash.to_owned(),
            input: input.canonicalize().with_context(|| input.display().to_string())?,
            features: self.features.as_ref().map(stamp).transpose()?,
        })
    }

    fn source(
        &self,
        captioner: &Captioner,
        images: &[Image],
        photos: &Photos,
        config: &Config,
    ) -> anyhow::Result<Source> {
        if let Some(features) = &self.features {
            let reader = FeatureReader::open(features)?;
            let missing = images.iter().filter(|image| !reader.has(image.id, 0)).count();
            if missing > 0 {
                bail!("{} has no features of {missing} of {} images", features.display(), images.len());
            }
            return Ok(Source::Features { reader, ids: images.iter().map(|image| image.id).collect() });
        }
        let files = images.iter().map(|image| photos.get(&image.id).cloned());
        let files = files.collect::<Option<Vec<PathBuf>>>().context("name --images or --features")?;
        Ok(Source::Images { files, preprocessor: captioner.preprocessor(), limits: config.image_limits() })
    }
}

/// No metric has a figure for an image that nobody described.
fn refuse_uncaptioned(split: Split, images: &[Image]) -> anyhow::Result<()> {
    let uncaptioned: Vec<&Image> = images.iter().filter(|image| image.captions.is_empty()).collect();
    let Some(first) = uncaptioned.first() else { return Ok(()) };
    bail!(
        "{} of {} images of the split {split} have no captions to compare with, the first is number {} ({}): give \
         them `sentences` in the dataset, or take them out of the split",
        uncaptioned.len(),
        images.len(),
        first.id,
        first.name()
    );
}

/// One outcome a split and number of beams.
fn judge(
    chosen: &[Chosen],
    beam_sizes: &[usize],
    log: &CaptionLog,
    metrics: &EvaluationSettings,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for Chosen { split, images } in chosen {
        for &beam_size in beam_sizes {
            let case = |image: &Image| {
                let prediction = log.get(image.id, beam_size).context("an image has no caption")?;
                let (candidate, references) = (prediction.caption.clone(), image.captions.clone());
                anyhow::Ok(Case { id: Id::Number(image.id), candidate, references })
            };
            let cases = images.iter().map(case).collect::<Result<Vec<_>, _>>()?;
            let report = cases::judge(&cases, metrics)?;
            outcomes.push(Outcome { split: *split, beam_size, cases, report });
        }
    }
    Ok(outcomes)
}

/// SHA-256 of a file, in hex.
fn file_hash(file: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    let copied = File::open(file).and_then(|mut file| io::copy(&mut file, &mut hash));
    copied.with_context(|| file.display().to_string())?;
    Ok(format!("{:x}", hash.finalize()))
}
