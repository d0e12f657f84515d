//! How good the model is by now: captions of validation images by beam search, judged.

use super::events::{Event, Events};
use super::network::Network;
use super::run::TrainError;
use crate::data::BatchMaker;
use crate::data::batches::to_device;
use crate::decoding::{BeamSearchOptions, IncrementalDecoder, JoinedProjections, beam_search};
use crate::metrics::{Candidate, EvaluationSettings, evaluate};
use crate::vocabulary::Vocabulary;
use std::collections::BTreeMap;
use tch::Device;

/// Images captioned together.
const BATCH: usize = 16;
/// Images whose captions are shown.
const SHOWN: usize = 4;

/// Validation images and how they are captioned.
pub(super) struct Evaluation {
    pub images: BatchMaker,
    pub count: usize,
    pub search: BeamSearchOptions,
}

impl Evaluation {
    /// Captions the images, tells the figures and a few captions, and gives CIDEr-D; none without images.
    pub fn run(
        &self,
        network: &Network,
        vocabulary: &Vocabulary,
        device: Device,
        iteration: u64,
        events: &mut Events,
    ) -> Result<Option<f64>, TrainError> {
        let places: Vec<usize> = (0..self.images.images.len().min(self.count)).collect();
        let mut captions = Vec::with_capacity(places.len());
        for places in places.chunks(BATCH) {
            captions.extend(self.captions(network, vocabulary, device, places)?);
        }
        for (place, caption) in captions.iter().take(SHOWN) {
            let image = self.images.images[*place].id;
            events.tell(Event::Sample { iteration, image, caption: caption.clone() });
        }
        let candidates: Vec<Candidate> = captions
            .iter()
            .map(|(place, caption)| Candidate { caption, references: &self.images.images[*place].captions })
            .collect();
        if candidates.is_empty() {
            return Ok(None);
        }
        let report = evaluate(&candidates, &EvaluationSettings::default())?;
        let scores = report.lines.iter().filter_map(|(name, scores)| Some((*name, scores.as_ref().ok()?.corpus)));
        let metrics: BTreeMap<String, f64> = scores.map(|(name, score)| (name.to_owned(), score)).collect();
        let cider = metrics.get("CIDEr-D").copied();
        events.tell(Event::Evaluation { iteration, images: report.images, metrics });
        Ok(cider)
    }

    /// The best caption of each image that can be read.
    fn captions(
        &self,
        network: &Network,
        vocabulary: &Vocabulary,
        device: Device,
        places: &[usize],
    ) -> Result<Vec<(usize, String)>, TrainError> {
        let items: Vec<_> = places.iter().map(|&place| (place, None)).collect();
        let batch = self.images.collect(&items)?;
        tch::no_grad(|| {
            let encoded = network.encode(&to_device(&batch.inputs, device)?, false);
            let joined = JoinedProjections::of(network.decoder());
            let decoder = IncrementalDecoder::new(network.decoder(), &joined);
            let (sos, eos) = (vocabulary.sos(), vocabulary.eos());
            let found = beam_search(&decoder, &encoded, batch.images.len(), sos, eos, &self.search)?;
            let best = found.iter().map(|beams| vocabulary.sentence(&beams[0].tokens));
            Ok(batch.images.iter().copied().zip(best).collect())
        })
    }
}
