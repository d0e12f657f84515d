//! Batches: the order of an epoch, which follows from the seed alone, and what a batch holds.

use super::Image;
use super::augmentation::{Variety, View, Views};
use super::captions::{CaptionSet, Tokens};
use super::inputs::{InputSource, Inputs};
use crate::device::sent;
use std::sync::{Arc, Mutex, PoisonError};
use tch::{Device, Kind, TchError};

/// One batch.
#[derive(Debug)]
pub struct Batch {
    /// Places of the images in their list.
    pub images: Vec<usize>,
    /// What is seen.
    pub inputs: Inputs,
    /// Which images are shown mirrored; rows of captions are, too.
    pub mirrored: Vec<bool>,
    /// Captions, as many rows of each image, side by side, where captions are what is learned.
    pub tokens: Option<Tokens>,
    /// Images left out, and why.
    pub skipped: Vec<String>,
}

/// Why a batch can't be made.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Not one of its images can be read.
    #[error("no image of the batch can be read: {0}")]
    NoImages(String),
    /// libtorch refused.
    #[error("the batch can't be put together: {0}")]
    Tensor(#[from] TchError),
}

impl Batch {
    /// Captions learned, or else images.
    pub fn len(&self) -> usize {
        self.tokens.as_ref().map_or(self.images.len(), |tokens| tokens.captions)
    }

    /// Whether there is nothing in it, which no batch is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In page-locked memory if it is to go to a GPU, so that copying need not wait.
    ///
    /// # Errors
    /// What libtorch says, e.g. of memory.
    pub fn ready_for(mut self, device: Device) -> Result<Self, BatchError> {
        if device.is_cuda() {
            // Not `pin_memory`, which warns at each call that it is told of a device.
            self.inputs.tensor = self.inputs.tensor.f_internal_pin_memory(device)?;
            if let Some(tokens) = &mut self.tokens {
                tokens.tensor = tokens.tensor.f_internal_pin_memory(device)?;
            }
        }
        Ok(self)
    }
}

/// What a batch is made of: an image, and where captions are learned, which group of its captions.
pub type Item = (usize, Option<usize>);

/// Makes the batch of any iteration; used by several threads at a time.
pub struct BatchMaker {
    /// The images.
    pub images: Vec<Image>,
    /// Their captions.
    pub captions: CaptionSet,
    /// Where they are read.
    pub source: InputSource,
    /// What an epoch goes through, once.
    pub items: Vec<Item>,
    /// Items of a batch.
    pub batch_size: usize,
    /// Whether an epoch ends with a smaller batch of what is left over, or leaves it out.
    pub keep_rest: bool,
    /// How the images are seen.
    pub views: Views,
    /// Shuffles the epochs.
    pub seed: u64,
    /// The order of the epoch made last.
    pub order: Mutex<Option<(u64, Arc<Vec<usize>>)>>,
}

impl BatchMaker {
    /// Batches of an epoch. What is left out of one, if it is, is another each time.
    pub fn batches_per_epoch(&self) -> u64 {
        batches_in(self.items.len(), self.batch_size, self.keep_rest)
    }

    /// Leaves out the items of images that there is nothing of, and names these.
    pub fn leave_out_missing(&mut self) -> Vec<String> {
        let there: Vec<bool> = (0..self.images.len()).map(|image| self.source.has(&self.images, image)).collect();
        self.items.retain(|&(image, _)| there[image]);
        self.images.iter().zip(there).filter(|(_, there)| !there).map(|(image, _)| image.name()).collect()
    }

    /// The batch of an iteration, counted over all epochs.
    ///
    /// # Errors
    /// When none of its images can be read; single ones are left out.
    pub fn make(&self, iteration: u64) -> Result<Batch, BatchError> {
        let per_epoch = self.batches_per_epoch().max(1);
        let epoch = iteration / per_epoch;
        let order = self.order(epoch);
        let start = (iteration % per_epoch) as usize * self.batch_size;
        let end = (start + self.batch_size).min(order.len());
        let items: Vec<Item> = order[start..end].iter().map(|&place| self.items[place]).collect();
        self.collect_of(epoch, &items)
    }

    /// A batch of these items.
    ///
    /// # Errors
    /// As [`BatchMaker::make`].
    pub fn collect(&self, items: &[Item]) -> Result<Batch, BatchError> {
        self.collect_of(0, items)
    }

    fn collect_of(&self, epoch: u64, items: &[Item]) -> Result<Batch, BatchError> {
        let mut read = Vec::with_capacity(items.len());
        let mut kept = Vec::with_capacity(items.len());
        let mut skipped = Vec::new();
        let mut mirrored = Vec::with_capacity(items.len());
        for &(image, group) in items {
            let view = self.view(epoch, image);
            match self.source.read(&self.images, image, view) {
                Ok(tensor) => {
                    read.push(tensor);
                    kept.push((image, group));
                    mirrored.push(view.1.mirrored);
                }
                Err(error) => skipped.push(error.to_string()),
            }
        }
        if read.is_empty() {
            return Err(BatchError::NoImages(skipped.into_iter().next().unwrap_or_default()));
        }
        let images = kept.iter().map(|&(image, _)| image).collect();
        let tokens = self.captions.batch(&kept, &mirrored, mixed(self.seed, epoch))?;
        Ok(Batch { images, inputs: Inputs::of(&read)?, mirrored, tokens, skipped })
    }

    /// How an image is seen in an epoch, and the number of that view among those stored.
    fn view(&self, epoch: u64, image: usize) -> (u64, View) {
        let random = mixed(mixed(!self.seed, epoch), image as u64);
        let numbered = |number, variety| (number, View::numbered(self.images[image].id, number, variety));
        match &self.views {
            Views::Plain => (0, View::PLAIN),
            Views::Drawn(variety) => (0, View::drawn(random, *variety)),
            Views::Words => (random.max(1), View::PLAIN),
            // Of the view that is stored nothing but its number and whether it is mirrored matters here.
            Views::Stored(views) => numbered(random % views.max(&1), Variety::default()),
            Views::Listed(numbers, variety) => numbered(numbers[image], *variety),
        }
    }

    fn order(&self, epoch: u64) -> Arc<Vec<usize>> {
        let mut kept = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, order)) if *of == epoch => Arc::clone(order),
            _ => {
                let order = Arc::new(epoch_order(self.items.len(), self.seed, epoch));
                *kept = Some((epoch, Arc::clone(&order)));
                order
            }
        }
    }
}

/// Batches that this many items make, with what is left over or without.
pub fn batches_in(items: usize, size: usize, keep_rest: bool) -> u64 {
    (if keep_rest { items.div_ceil(size) } else { items / size }) as u64
}

/// The places `0..items` in the order of an epoch.
pub fn epoch_order(items: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items).collect();
    fastrand::Rng::with_seed(mixed(seed, epoch)).shuffle(&mut order);
    order
}

/// A seed for the `index`-th of several uses of one seed (the mixing of splitmix64).
pub fn mixed(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Pixels, words and float32 features as they are, float16 widened, on `device`.
///
/// # Errors
/// What libtorch says, e.g. of memory.
pub fn to_device(inputs: &Inputs, device: Device) -> Result<Inputs, TchError> {
    let kind = if inputs.are_words() { Kind::Int64 } else { Kind::Float };
    let tensor = sent(&inputs.tensor, device)?.f_to_kind(kind)?;
    Ok(Inputs { tensor, pads: inputs.pads.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FeatureKind, FeatureReader, FeatureWriter};
    use crate::vocabulary::Vocabulary;
    use std::collections::BTreeMap;
    use tch::Tensor;

    fn image(id: i64, captions: &[&str]) -> Image {
        let captions = captions.iter().map(|&caption| caption.to_owned()).collect();
        Image { id, folder: String::new(), file: format!("{id}.png"), captions }
    }

    /// Four images with features of `id` tokens, two captions each; image 3 has no features.
    fn maker(folder: &tempfile::TempDir) -> BatchMaker {
        grouped(folder, 1)
    }

    fn grouped(folder: &tempfile::TempDir, captions_per_image: usize) -> BatchMaker {
        let path = folder.path().join("features.hdf5");
        let mut writer = FeatureWriter::open(&path, FeatureKind::Float32).expect("made");
        for id in [1, 2, 4] {
            writer.add(id, 0, &Tensor::full([id, 2], id as f64, (Kind::Float, Device::Cpu))).expect("added");
        }
        writer.finish().expect("closed");
        let images: Vec<Image> = (1..=4).map(|id| image(id, &["a dog", "a dog runs far"])).collect();
        let words = ["PAD", "SOS", "EOS", "UNK", "a", "dog", "runs"].map(String::from).to_vec();
        let vocabulary = Vocabulary::from_words(words).expect("is one");
        let captions = CaptionSet::new(&images, &vocabulary, 5, captions_per_image);
        let captions = captions.expect("has PAD and UNK");
        let items = captions.items();
        let source = InputSource::Features(FeatureReader::open(&path).expect("opens"));
        let keep_rest = captions_per_image > 1;
        BatchMaker {
            images,
            captions,
            source,
            items,
            batch_size: 3,
            keep_rest,
            views: Views::Plain,
            seed: 1,
            order: Mutex::default(),
        }
    }

    #[test]
    fn captions_and_features_are_filled_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let batch = maker(&folder).collect(&[(0, Some(0)), (3, Some(1))]).expect("both are there");
        assert_eq!(batch.inputs.tensor.size(), [2, 4, 2]);
        assert_eq!(batch.inputs.pads, [3, 0]);
        let tokens = batch.tokens.expect("captions were asked for");
        // SOS a dog EOS PAD; SOS a dog runs EOS, cut to five tokens.
        assert_eq!(tokens.tensor, Tensor::from_slice2(&[[1i64, 4, 5, 2, 0], [1, 4, 5, 6, 2]]));
        assert_eq!(tokens.pads, [1, 0]);
        assert_eq!(f64::try_from(batch.inputs.tensor.sum(Kind::Double)).expect("a number"), 2. * (1. + 16.));
    }

    #[test]
    fn an_image_that_cannot_be_read_is_left_out_and_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let maker = maker(&folder);
        let batch = maker.collect(&[(1, None), (2, None)]).expect("one is there");
        assert_eq!(batch.images, [1]);
        assert!(batch.tokens.is_none() && batch.skipped[0].ends_with("no features of image 3"), "{:?}", batch.skipped);
        assert!(maker.collect(&[(2, None)]).is_err());
    }

    #[test]
    fn images_without_features_are_left_out_of_the_epochs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut maker = maker(&folder);
        assert_eq!(maker.leave_out_missing(), ["3.png"]);
        assert_eq!(maker.items.len(), 6);
        assert!(maker.items.iter().all(|&(image, _)| image != 2));
    }

    #[test]
    fn an_epoch_goes_through_everything_once_in_an_order_of_its_own() {
        let sorted = |mut order: Vec<usize>| {
            order.sort_unstable();
            order
        };
        let (first, second) = (epoch_order(100, 7, 0), epoch_order(100, 7, 1));
        assert_eq!(sorted(first.clone()), (0..100).collect::<Vec<_>>());
        assert!(first != second && first == epoch_order(100, 7, 0));

        let folder = tempfile::tempdir().expect("a temporary folder");
        let maker = maker(&folder);
        assert_eq!(maker.batches_per_epoch(), 2); // of eight captions, two left over
        let again = maker.make(5).expect("made").images;
        let _ = maker.make(0);
        assert_eq!(maker.make(5).expect("made").images, again);
    }
    #[test]
    fn an_epoch_of_grouped_captions_reads_each_image_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let maker = grouped(&folder, 2);
        assert_eq!(maker.batches_per_epoch(), 2); // of four images: three, then one
        let batches: Vec<Batch> = (2..4).filter_map(|iteration| maker.make(iteration).ok()).collect();
        let mut images: BTreeMap<usize, usize> = BTreeMap::new();
        for batch in &batches {
            let tokens = batch.tokens.as_ref().expect("captions were asked for");
            assert_eq!(tokens.tensor.size()[0], 2 * batch.images.len() as i64);
            assert_eq!(batch.len(), tokens.captions);
            batch.images.iter().for_each(|&image| *images.entry(image).or_default() += 1);
        }
        // Image 3 has no features: left out, wherever it was.
        assert_eq!(images, BTreeMap::from([(0, 1), (1, 1), (3, 1)]));
    }

    #[test]
    fn stored_views_take_turns_and_say_which_are_mirrored() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("views.hdf5");
        let mut writer = FeatureWriter::open(&path, FeatureKind::Float32).expect("made");
        for view in 0..3 {
            writer.add(1, view, &Tensor::full([2, 2], view as f64, (Kind::Float, Device::Cpu))).expect("added");
        }
        writer.finish().expect("closed");
        let source = InputSource::Features(FeatureReader::open(&path).expect("opens"));
        let maker = BatchMaker { source, views: Views::Stored(3), ..maker(&folder) };
        let mut seen = [0; 3];
        for epoch in 0..60 {
            let batch = maker.collect_of(epoch, &[(0, None)]).expect("is there");
            let view = batch.inputs.tensor.double_value(&[0, 0, 0]) as u64;
            assert_eq!(batch.mirrored, [View::numbered(1, view, Variety::default()).mirrored]);
            seen[view as usize] += 1;
        }
        assert!(seen.iter().all(|&times| times > 8), "{seen:?}");
    }
}
