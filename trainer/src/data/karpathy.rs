//! Datasets in the layout of Karpathy's `dataset_coco.json`: which images there are, in which split,
//! with which captions.

use serde::Deserialize;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Which part of a dataset an image belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// For training: the file's `train` and `restval`.
    Train,
    /// For choosing among checkpoints.
    Validation,
    /// For the figures that are quoted.
    Test,
}

/// As the file has it: `train`, `val`, `test`.
impl fmt::Display for Split {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(match self {
            Split::Train => "train",
            Split::Validation => "val",
            Split::Test => "test",
        })
    }
}

/// An image and what people wrote of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `cocoid`, or `imgid` in datasets that are not of COCO.
    pub id: i64,
    /// `filepath`: the folder of the image; empty where the dataset has a single one.
    pub folder: String,
    /// `filename`.
    pub file: String,
    /// Captions as they were written.
    pub captions: Vec<String>,
}

/// A dataset; the images of a split stand in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// For training.
    pub train: Vec<Image>,
    /// For choosing among checkpoints.
    pub validation: Vec<Image>,
    /// For the figures that are quoted.
    pub test: Vec<Image>,
}

/// Why a dataset can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no dataset.
    #[error("{path} is no dataset in Karpathy's layout: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// Two images have the same number.
    #[error("{path}: the image number {id} stands there twice, the second time as {file}")]
    DuplicateId {
        /// The dataset.
        path: PathBuf,
        /// The number.
        id: i64,
        /// File of the second one.
        file: String,
    },
    /// An image has neither `cocoid` nor `imgid`.
    #[error("{path}: {file} has no number (`cocoid` or `imgid`)")]
    MissingId {
        /// The dataset.
        path: PathBuf,
        /// File of the image.
        file: String,
    },
    /// Image files are not there.
    #[error("{} of {images} images are not in {folder}: {}", .missing.len(), first_of(.missing))]
    MissingImages {
        /// Where they were looked for.
        folder: PathBuf,
        /// All images that were looked for.
        images: usize,
        /// Those not there, as `filepath/filename`.
        missing: Vec<String>,
    },
}

/// The first few names, and how many more there are.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The file.
#[derive(Deserialize)]
struct DatasetFile {
    images: Vec<ImageEntry>,
}

#[derive(Deserialize)]
struct ImageEntry {
    cocoid: Option<i64>,
    imgid: Option<i64>,
    #[serde(default)]
    filepath: String,
    filename: String,
    split: SplitName,
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum SplitName {
    Train,
    Restval,
    Val,
    Test,
}

#[derive(Deserialize)]
struct Sentence {
    raw: String,
}

impl Dataset {
    /// Reads a dataset file; the images themselves are looked for by [`find_images`].
    ///
    /// # Errors
    /// When the file can't be read, is laid out otherwise, or numbers two images the same.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let bytes = fs::read(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
        let file: DatasetFile = serde_json::from_slice(&bytes)
            .map_err(|error| DatasetError::Format { path: path.to_owned(), reason: error.to_string() })?;
        let mut dataset = Dataset::default();
        let mut ids = HashSet::with_capacity(file.images.len());
        for entry in file.images {
            let (path, file) = (path.to_owned(), entry.filename);
            let Some(id) = entry.cocoid.or(entry.imgid) else {
                return Err(DatasetError::MissingId { path, file });
            };
            if !ids.insert(id) {
                return Err(DatasetError::DuplicateId { path, id, file });
            }
            let captions = entry.sentences.into_iter().map(|sentence| sentence.raw).collect();
            let split = match entry.split {
                SplitName::Train | SplitName::Restval => &mut dataset.train,
                SplitName::Val => &mut dataset.validation,
                SplitName::Test => &mut dataset.test,
            };
            split.push(Image { id, folder: entry.filepath, file, captions });
        }
        Ok(dataset)
    }

    /// The images of a split.
    pub fn split(&self, split: Split) -> &[Image] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    /// The captions to learn from.
    pub fn training_captions(&self) -> impl Iterator<Item = &str> {
        self.train.iter().flat_map(|image| image.captions.iter().map(String::as_str))
    }
}

impl Image {
    /// The image file below a folder: `filepath/filename`, or `filepath/img/filename` as the original has it.
    pub fn find(&self, images: &Path) -> Option<PathBuf> {
        let folder = images.join(&self.folder);
        [folder.join(&self.file), folder.join("img").join(&self.file)].into_iter().find(|path| path.is_file())
    }

    /// The image file, relative to the folder: as found, or else as the dataset has it.
    pub fn relative_path(&self, images: &Path) -> PathBuf {
        let found = self.find(images);
        let relative = found.as_deref().and_then(|path| path.strip_prefix(images).ok());
        relative.map_or_else(|| PathBuf::from(self.name()), Path::to_owned)
    }

    /// `filepath/filename`.
    pub fn name(&self) -> String {
        if self.folder.is_empty() { self.file.clone() } else { format!("{}/{}", self.folder, self.file) }
    }
}

/// The files of these images below a folder, in order; to be called before any work on them starts.
///
/// # Errors
/// When any is missing, with the names of all that are.
pub fn find_images(images: &[Image], folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut missing = Vec::new();
    let mut paths = Vec::with_capacity(images.len());
    for image in images {
        match image.find(folder) {
            Some(path) => paths.push(path),
            None => missing.push(image.name()),
        }
    }
    if missing.is_empty() {
        return Ok(paths);
    }
    Err(DatasetError::MissingImages { folder: folder.to_owned(), images: images.len(), missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Dataset, DatasetError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), json).expect("writable");
        Dataset::read(file.path())
    }

    fn entry(numbers: &str, file: &str, split: &str) -> String {
        format!(
            r#"{{{numbers} "filepath": "train2014", "filename": "{file}", "split": "{split}",
                "sentences": [{{"raw": "A dog.", "tokens": ["a", "dog"]}}, {{"raw": "Of {file}"}}], "sentids": [1, 2]}}"#
        )
    }

    fn dataset(entries: &[String]) -> Result<Dataset, DatasetError> {
        read(&format!(r#"{{"dataset": "coco", "images": [{}]}}"#, entries.join(",")))
    }

    #[test]
    fn restval_is_for_training_and_order_is_kept() {
        let entries = [
            entry(r#""cocoid": 9, "imgid": 0,"#, "a.jpg", "restval"),
            entry(r#""cocoid": 5, "imgid": 1,"#, "b.jpg", "test"),
            entry(r#""cocoid": 7, "imgid": 2,"#, "c.jpg", "train"),
            entry(r#""imgid": 3,"#, "d.jpg", "val"),
        ];
        let dataset = dataset(&entries).expect("is one");
        let ids = |split| dataset.split(split).iter().map(|image| image.id).collect::<Vec<_>>();
        assert_eq!((ids(Split::Train), ids(Split::Validation), ids(Split::Test)), (vec![9, 7], vec![3], vec![5]));
        let captions: Vec<&str> = dataset.training_captions().collect();
        assert_eq!(captions, ["A dog.", "Of a.jpg", "A dog.", "Of c.jpg"]);
    }

    #[test]
    fn broken_datasets_are_refused_with_the_place() {
        let reason = |entries: &[String]| dataset(entries).expect_err("broken").to_string();
        let one = entry(r#""cocoid": 9,"#, "a.jpg", "train");
        assert!(reason(&[one.clone(), entry(r#""cocoid": 9,"#, "b.jpg", "val")]).contains("b.jpg"));
        assert!(reason(&[entry("", "c.jpg", "val")]).contains("c.jpg has no number"));
        assert!(reason(&[one.replace("train\"", "training\"")]).contains("`restval`"));
        assert!(read("[]").expect_err("no object").to_string().contains("no dataset in Karpathy's layout"));
    }

    #[test]
    fn images_are_found_in_both_layouts_and_missing_ones_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("train2014/img")).expect("writable");
        fs::write(folder.path().join("train2014/a.jpg"), "").expect("writable");
        fs::write(folder.path().join("train2014/img/b.jpg"), "").expect("writable");
        let image = |file: &str| Image { id: 0, folder: "train2014".into(), file: file.into(), captions: vec![] };
        let found = find_images(&[image("a.jpg"), image("b.jpg")], folder.path()).expect("both are there");
        assert_eq!(image("b.jpg").relative_path(folder.path()), Path::new("train2014/img/b.jpg"));
        assert_eq!(image("c.jpg").relative_path(folder.path()), Path::new("train2014/c.jpg"));
        assert!(found[0].ends_with("train2014/a.jpg") && found[1].ends_with("train2014/img/b.jpg"));
        let images: Vec<Image> = ["a", "b", "c", "d", "e", "f", "g"].map(|name| image(&format!("{name}.png"))).into();
        let error = find_images(&images, folder.path()).expect_err("none is there").to_string();
        assert!(error.starts_with("7 of 7 images are not in"), "{error}");
        assert!(
            error.ends_with(
                "train2014/a.png, train2014/b.png, train2014/c.png, train2014/d.png, train2014/e.png and 2 more"
            ),
            "{error}"
        );
    }
}
