//! What phases are made of: the images of a run, where they are read, and the batches of them.

use super::events::Events;
use super::failure::TrainError;
use super::features::features_path;
use super::language::without_first_captions;
use super::recipe::TrainingPhase;
use super::run::Run;
use crate::data::augmentation::{Variety, Views};
use crate::data::batches::mixed;
use crate::data::karpathy::find_images;
use crate::data::{BatchMaker, CaptionSet, Dataset, FeatureReader, Image, InputSource};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

impl Run<'_> {
    /// What a phase learns of: captions, or images alone.
    pub(super) fn training_batches(
        &self,
        phase: &TrainingPhase,
        by_caption: bool,
        events: &mut Events,
    ) -> Result<BatchMaker, TrainError> {
        let images = self.training_images(phase, |message| events.log(message))?;
        let source = self.source(phase, &images, phase.image_size.unwrap_or(self.config.image_size))?;
        self.batches_of(source, &images, phase, by_caption)
    }

    /// Validation images that there is something to compare with.
    pub(super) fn evaluation_batches(&self, phase: &TrainingPhase) -> Result<BatchMaker, TrainError> {
        let wanted = |image: &&Image| {
            let enough = match image.captions.as_slice() {
                [first, _, ..] if phase.sees_captions => !self.known_words(first).is_empty(),
                captions => !captions.is_empty() && !phase.sees_captions,
            };
            enough && phase.is_of(image)
        };
        let described = self.dataset.validation.iter().filter(wanted);
        let images: Vec<Image> = described.take(phase.evaluation_images).cloned().collect();
        let source = self.source(phase, &images, self.config.image_size)?;
        let images = if phase.sees_captions { without_first_captions(images) } else { images };
        Ok(BatchMaker { views: Views::Plain, ..self.batches_of(source, &images, phase, false)? })
    }

    /// The dataset's images for training, of the phase's folder alone if it names one.
    pub(super) fn photos(&self, phase: &TrainingPhase) -> Result<Cow<'_, [Image]>, TrainError> {
        let all = &self.dataset.train;
        let Some(filepath) = &phase.filepath else { return Ok(Cow::Borrowed(all)) };
        let images: Vec<Image> = all.iter().filter(|image| phase.is_of(image)).cloned().collect();
        if images.is_empty() {
            let known: BTreeSet<&str> = all.iter().map(|image| image.folder.as_str()).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(TrainError::NoFilepath { phase: phase.name.clone(), filepath: filepath.clone(), known });
        }
        Ok(Cow::Owned(images))
    }

    /// Where a phase reads these images, as squares of this side where it reads their files.
    fn source(&self, phase: &TrainingPhase, images: &[Image], side: i64) -> Result<InputSource, TrainError> {
        match &phase.features {
            _ if phase.sees_captions => Ok(self.caption_source(images)),
            Some(features) => {
                let path = features_path(self.folder.path(), features);
                Ok(InputSource::Features(FeatureReader::open(&path)?))
            }
            None => self.image_source(images, side),
        }
    }

    /// Batches of a phase over `images`, read from `source`: of their captions, or of themselves.
    pub(super) fn batches_of(
        &self,
        source: InputSource,
        images: &[Image],
        phase: &TrainingPhase,
        by_caption: bool,
    ) -> Result<BatchMaker, TrainError> {
        let (longest, per_image) = (self.config.max_sequence_length as usize, phase.captions_per_image);
        let captions = CaptionSet::new(images, &self.vocabulary, longest, per_image)?;
        let keep_rest = by_caption && per_image > 1;
        let items = match by_caption {
            true => captions.items(),
            false => (0..images.len()).map(|image| (image, None)).collect(),
        };
        let seed = mixed(self.recipe.seed, phase.number() ^ 1);
        let (images, batch_size) = (images.to_vec(), phase.batch_size);
        let (views, order) = (self.recipe.views_of(phase), Mutex::default());
        Ok(BatchMaker { images, captions, source, items, batch_size, keep_rest, views, seed, order })
    }

    /// Batches of image files, each in the view of its number, for the features phase.
    pub(super) fn image_batches(
        &self,
        seen: Vec<(Image, u64)>,
        variety: Variety,
        batch_size: usize,
    ) -> Result<BatchMaker, TrainError> {
        let (images, numbers): (Vec<Image>, Vec<u64>) = seen.into_iter().unzip();
        let source = self.image_source(&images, self.config.image_size)?;
        let captions = CaptionSet::new(&[], &self.vocabulary, 2, 1)?;
        let items = Vec::new();
        Ok(BatchMaker {
            images,
            captions,
            source,
            items,
            batch_size,
            keep_rest: true,
            views: Views::Listed(numbers, variety),
            seed: 0,
            order: Mutex::default(),
        })
    }

    /// Image files, to be seen as squares of this side; single ones that are missing are left out when they are read.
    pub(super) fn image_source(&self, images: &[Image], side: i64) -> Result<InputSource, TrainError> {
        let folder = &self.recipe.data.images;
        self.missing(images)?;
        let paths = images.iter().map(|image| image.find(folder));
        let expected = |(path, image): (Option<PathBuf>, &Image)| path.unwrap_or_else(|| folder.join(image.name()));
        Ok(InputSource::Images {
            paths: paths.zip(images).map(expected).collect(),
            size: side as u32,
            normalization: self.config.backbone.normalization(),
        })
    }

    /// Those of the images whose files are missing; an error where the folder must be another one.
    pub(super) fn missing<'i>(&self, images: &'i [Image]) -> Result<Vec<&'i Image>, TrainError> {
        let folder = &self.recipe.data.images;
        let missing: Vec<&Image> = images.iter().filter(|image| image.find(folder).is_none()).collect();
        if Self::too_many_missing(missing.len(), images.len()) {
            find_images(images, folder)?;
        }
        Ok(missing)
    }

    /// Whether so few images are there that the folder must be another one.
    pub(super) fn too_many_missing(missing: usize, images: usize) -> bool {
        2 * missing > images
    }

    /// The images of all splits.
    pub(super) fn all_images(&self) -> Vec<Image> {
        let Dataset { train, validation, test } = &self.dataset;
        train.iter().chain(validation).chain(test).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::step::Step;
    use crate::training::{Phase, Recipe};
    use serde_json::json;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;
    use tch::{Device, Tensor};

    /// A recipe of one phase on a picture for training and one for validation, both said to be "a dog" and "a cat".
    fn recipe(folder: &Path, phase: &str) -> Recipe {
        let image = |id: i64, split: &str| {
            let file = format!("{split}.png");
            image::RgbImage::new(9, 7).save(folder.join(&file)).expect("writable");
            json!({"imgid": id, "filename": file, "split": split, "sentences": [{"raw": "a dog"}, {"raw": "a cat"}]})
        };
        let dataset = json!({"images": [image(1, "train"), image(2, "val")]});
        std::fs::write(folder.join("dataset.json"), dataset.to_string()).expect("writable");
        let folder = folder.display();
        let text = format!(
            r#"
            seed = 1
            [data]
            dataset = "{folder}/dataset.json"
            images = "{folder}"
            min_occurrences = 1
            [model]
            backbone = "efficientnet_lite0"
            image_size = 64
            d_model = 8
            num_encoder_layers = 1
            num_decoder_layers = 1
            num_heads = 1
            d_ff = 8
            encoder_expansion_lengths = [2]
            decoder_expansion_length = 2
            [[phase]]
            name = "xe"
            step = "cross-entropy"
            epochs = 1
            batch_size = 1
            learning_rate = 1e-3
            {phase}
            "#
        );
        Recipe::parse(&text, &[]).expect("is one")
    }

    /// The files that a phase with this `filepath` is trained on and evaluated on, and how many images rewards know; the
    /// dataset has one image of each of the folders `a` and `b` in both splits.
    fn files_of(filepath: &str) -> Result<(Vec<String>, Vec<String>, usize), TrainError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let recipe = recipe(folder.path(), &format!("filepath = \"{filepath}\""));
        let image = |id: i64, of: &str, split: &str| json!({"imgid": id, "filepath": of, "filename": format!("{split}.png"), "split": split, "sentences": [{"raw": "a dog"}]});
        let images = [image(1, "a", "train"), image(2, "b", "train"), image(3, "a", "val"), image(4, "b", "val")];
        for of in ["a", "b"] {
            std::fs::create_dir(folder.path().join(of)).expect("writable");
            for split in ["train", "val"] {
                let (from, to) = (format!("{split}.png"), format!("{of}/{split}.png"));
                std::fs::copy(folder.path().join(from), folder.path().join(to)).expect("writable");
            }
        }
        std::fs::write(folder.path().join("dataset.json"), json!({"images": images}).to_string()).expect("writable");
        let stop = AtomicBool::new(false);
        let run = Run::open(&recipe, &folder.path().join("run"), Device::Cpu, &stop)?;
        let Some(Phase::CrossEntropy(phase)) = recipe.phase("xe") else { panic!("there is such a phase") };
        let names = |batches: BatchMaker| batches.images.iter().map(Image::name).collect::<Vec<String>>();
        let training = run.training_batches(phase, false, &mut Events::default())?;
        let evaluation = run.evaluation_batches(phase)?;
        let Step::SelfCritical(rewarded) = run.self_critical(phase)? else { panic!("rewards") };
        let known = (0..2).filter(|&image| rewarded.reward.rewards(&[image], &[vec![vec!["a"]]]).is_ok()).count();
        Ok((names(training), names(evaluation), known))
    }

    #[test]
    fn a_filepath_is_all_that_a_phase_learns_of() {
        let of_b = (vec!["b/train.png".to_owned()], vec!["b/val.png".to_owned()], 1);
        assert_eq!(files_of("b").expect("is there"), of_b);
        let error = files_of("c").expect_err("there is no such folder").to_string();
        assert!(error.contains("`c`") && error.ends_with("there is a, b"), "{error}");
    }

    /// What the first batches of training and of an evaluation show, and the captions of the evaluated image.
    fn seen(phase: &str) -> (Tensor, Tensor, Vec<String>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let recipe = recipe(folder.path(), phase);
        let stop = AtomicBool::new(false);
        let run = Run::open(&recipe, &folder.path().join("run"), Device::Cpu, &stop).expect("opens");
        let Some(Phase::CrossEntropy(phase)) = recipe.phase("xe") else { panic!("there is such a phase") };
        let training = run.training_batches(phase, true, &mut Events::default()).expect("are there");
        let evaluation = run.evaluation_batches(phase).expect("are there");
        let shown = |batches: &BatchMaker| batches.make(0).expect("made").inputs.tensor;
        let captions = evaluation.images[0].captions.clone();
        (shown(&training), shown(&evaluation), captions)
    }

    #[test]
    fn a_size_in_training_is_for_training_alone() {
        let (training, evaluation, captions) = seen("image_size = 32");
        assert_eq!((training.size(), evaluation.size()), (vec![1, 3, 32, 32], vec![1, 3, 64, 64]));
        assert_eq!(captions, ["a dog", "a cat"]);
    }

    #[test]
    fn of_captions_the_first_is_seen_in_evaluations_and_the_others_are_expected() {
        let (training, evaluation, captions) = seen("sees_captions = true");
        assert_eq!(captions, ["a cat"]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let recipe = recipe(folder.path(), "sees_captions = true");
        let stop = AtomicBool::new(false);
        let run = Run::open(&recipe, &folder.path().join("run"), Device::Cpu, &stop).expect("opens");
        let id = |word: &str| run.vocabulary.id(word).expect("is a word");
        assert_eq!(evaluation, Tensor::from_slice2(&[[id("a"), id("dog")]]));
        let words = Vec::<i64>::try_from(training.flatten(0, 1)).expect("integers");
        assert!(!words.is_empty() && words.iter().all(|word| [id("a"), id("dog"), id("cat")].contains(word)));
    }
}
