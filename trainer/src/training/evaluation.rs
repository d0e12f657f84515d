//! How good the model is by now: captions of validation images by beam search, judged, and the loss of what
//! people wrote of them.

use super::cross_entropy::{LabelSmoothing, loss_of_captions};
use super::events::{Event, Events};
use super::failure::TrainError;
use super::network::Network;
use crate::data::batches::Item;
use crate::data::batches::to_device;
use crate::data::{Batch, BatchError, BatchMaker, InputSource, Inputs, Prefetch};
use crate::decoding::{BeamSearchOptions, IncrementalDecoder, JoinedProjections, beam_search};
use crate::metrics::{Candidate, EvaluationSettings, evaluate};
use crate::vocabulary::Vocabulary;
use std::path::PathBuf;
use std::sync::Arc;
use tch::{Device, Tensor};

/// The part of the images that must be readable for an evaluation to count.
const LEAST: f64 = 0.9;
/// Threads that read images ahead: each holds whole batches of them, besides those of the training.
const READERS: usize = 2;
/// Images whose captions are shown.
const SHOWN: usize = 4;

/// Validation images, each with a caption at least, and how they are captioned.
pub(super) struct Evaluation {
    pub images: Arc<BatchMaker>,
    /// Where their files are.
    pub folder: PathBuf,
    /// Images that the model takes at once.
    pub batch_size: usize,
    pub search: BeamSearchOptions,
    /// How the captions that people wrote are scored.
    pub labels: LabelSmoothing,
}

/// The model as it is.
pub(super) struct Judged<'a> {
    pub network: &'a Network,
    pub vocabulary: &'a Vocabulary,
    pub device: Device,
    /// Iterations done.
    pub iteration: u64,
}

/// Of some words of people's captions.
#[derive(Clone, Copy, Default)]
struct Loss {
    sum: f64,
    words: f64,
}

impl Evaluation {
    /// Captions the images, tells the figures and a few captions, and gives CIDEr-D; none without images, or where many
    /// can't be read.
    pub fn run(&self, model: &Judged, events: &mut Events) -> Result<Option<f64>, TrainError> {
        let items: Vec<Item> = self.images.items.iter().map(|&(place, _)| (place, Some(0))).collect();
        let mut captions = Vec::with_capacity(items.len());
        let mut loss = Loss::default();
        let mut ahead = self.batches(&items, model.device);
        for _ in 0..items.len().div_ceil(self.batch_size) {
            let batch = match ahead.next().ok_or(TrainError::BatchThread)? {
                Err(error @ BatchError::NoImages(_)) => {
                    events.warn(format!("left out of the evaluation: {error}"));
                    continue;
                }
                batch => batch?,
            };
            for skipped in &batch.skipped {
                events.warn(format!("left out of the evaluation: {skipped}"));
            }
            captions.extend(self.judge(model, &batch, &mut loss)?);
        }
        if captions.is_empty() {
            return Ok(None);
        }
        let iteration = model.iteration;
        // Beside a photo that was not seen, a caption would say nothing.
        let shown = if matches!(self.images.source, InputSource::Captions(_)) { 0 } else { SHOWN };
        for (place, caption) in captions.iter().take(shown) {
            events.tell(self.sample(iteration, *place, caption));
        }
        let name = "validation_loss".to_owned();
        events.tell(Event::Metric { iteration, name, value: loss.sum / loss.words.max(1.) });
        let candidates: Vec<Candidate> = captions
            .iter()
            .map(|(place, caption)| Candidate { caption, references: &self.images.images[*place].captions })
            .collect();
        let report = evaluate(&candidates, &EvaluationSettings::default())?;
        let metrics = report.figures();
        let cider = metrics.get("CIDEr-D").copied();
        events.tell(Event::Evaluation { iteration, images: report.images, metrics });
        // Of much fewer images than other evaluations, it is no figure to choose a checkpoint by.
        Ok(cider.filter(|_| LEAST * items.len() as f64 <= report.images as f64))
    }

    /// Batches of the items, made ahead while those before are captioned.
    fn batches(&self, items: &[Item], device: Device) -> Prefetch<Result<Batch, BatchError>> {
        let images = Arc::clone(&self.images);
        let batches: Vec<Vec<Item>> = items.chunks(self.batch_size).map(<[Item]>::to_vec).collect();
        let make = move |index| images.collect(&batches[index as usize])?.ready_for(device);
        Prefetch::start(0..items.len().div_ceil(self.batch_size) as u64, READERS, make)
    }

    fn sample(&self, iteration: u64, place: usize, caption: &str) -> Event {
        let image = &self.images.images[place];
        Event::Sample {
            iteration,
            image: image.id,
            file: image.relative_path(&self.folder).display().to_string(),
            caption: caption.to_owned(),
            references: image.captions.clone(),
        }
    }

    /// The best caption of each image of a batch; and adds to the loss, both of images that are encoded once.
    fn judge(&self, model: &Judged, batch: &Batch, loss: &mut Loss) -> Result<Vec<(usize, String)>, TrainError> {
        tch::no_grad(|| {
            let inputs = to_device(&batch.inputs, model.device)?;
            let encoded = model.network.encode(&inputs, false);
            self.score(model, &encoded, &inputs, batch, loss)?;
            let joined = JoinedProjections::of(model.network.decoder());
            let decoder = IncrementalDecoder::new(model.network.decoder(), &joined);
            let (sos, eos) = (model.vocabulary.sos(), model.vocabulary.eos());
            let found = beam_search(&decoder, &encoded, batch.images.len(), sos, eos, &self.search)?;
            let best = found.iter().map(|beams| model.vocabulary.sentence(&beams[0].tokens));
            Ok(batch.images.iter().copied().zip(best).collect())
        })
    }

    fn score(
        &self,
        model: &Judged,
        encoded: &Tensor,
        inputs: &Inputs,
        batch: &Batch,
        loss: &mut Loss,
    ) -> Result<(), TrainError> {
        let Some(tokens) = &batch.tokens else { return Ok(()) };
        let on_device = tokens.tensor.f_to_device(model.device)?;
        let mean = loss_of_captions(model.network, encoded, inputs, &on_device, &tokens.pads, &self.labels, false);
        let next_words = tokens.tensor.narrow(1, 1, tokens.tensor.size()[1] - 1);
        let words = next_words.ne(self.labels.pad).sum(tch::Kind::Int64).f_int64_value(&[])? as f64;
        loss.sum += mean.f_double_value(&[])? * words;
        loss.words += words;
        Ok(())
    }
}
