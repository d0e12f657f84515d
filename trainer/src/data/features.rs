//! Features on disk, in the original's layout: HDF5 with a dataset `{image_id}_features`
//! `[tokens, channels]` an image, float32 or float16. Of other views of it than the plain one, whose number is 0,
//! `{image_id}_features_{view}`, which the original passes over.
//!
//! An unfinished file is whole as of the last [`FeatureWriter::save`], so that a killed run goes on there.

use rust_hdf5::format::messages::datatype::DatatypeMessage;
use rust_hdf5::{H5File, Hdf5Error};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, TchError, Tensor};

/// The number format on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureKind {
    /// Half the disk, and half the reading.
    #[default]
    Float16,
    /// As the paper did.
    Float32,
}

/// Why features can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// The HDF5 file can't be read or written.
    #[error("{path}: {source}")]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// What the library said.
        source: Hdf5Error,
    },
    /// An image has no features in the file.
    #[error("{path} has no features of image {image}{}", in_view(*.view))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The image's number.
        image: i64,
        /// Its view.
        view: u64,
    },
    /// The features of an image are of another shape or kind than features are.
    #[error("{path}: the features of image {image} are {found}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The image's number.
        image: i64,
        /// What they are.
        found: String,
    },
    /// The disk is too small.
    #[error("the features need {} GB more in {folder}, where {} GB are free", gigabytes(*.needed), gigabytes(*.free))]
    DiskFull {
        /// Where they were to go.
        folder: PathBuf,
        /// Bytes wanted.
        needed: u64,
        /// Bytes to be had.
        free: u64,
    },
    /// The free space can't be told.
    #[error("{path}: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// libtorch refused the numbers.
    #[error("features can't be converted: {0}")]
    Tensor(#[from] TchError),
}

fn in_view(view: u64) -> String {
    if view == 0 { String::new() } else { format!(" in view {view}") }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e9)
}

impl FeatureKind {
    /// Bytes of a number.
    pub fn bytes(self) -> u64 {
        match self {
            FeatureKind::Float16 => 2,
            FeatureKind::Float32 => 4,
        }
    }

    fn kind(self) -> Kind {
        match self {
            FeatureKind::Float16 => Kind::Half,
            FeatureKind::Float32 => Kind::Float,
        }
    }

    fn datatype(self) -> DatatypeMessage {
        match self {
            FeatureKind::Float16 => DatatypeMessage::f16_type(),
            FeatureKind::Float32 => DatatypeMessage::f32_type(),
        }
    }
}

fn dataset_name(image: i64, view: u64) -> String {
    if view == 0 { format!("{image}_features") } else { format!("{image}_features_{view}") }
}

/// Adds images to a file.
pub struct FeatureWriter {
    path: PathBuf,
    kind: FeatureKind,
    file: Option<H5File>,
    stored: HashSet<(i64, u64)>,
}

impl FeatureWriter {
    /// Opens a file to go on with it, or makes it.
    ///
    /// # Errors
    /// When the file can't be opened or made.
    pub fn open(path: &Path, kind: FeatureKind) -> Result<Self, FeatureError> {
        let failed = hdf5(path);
        let (file, stored) = match path.exists() {
            true => {
                let file = H5File::open_rw(path).map_err(&failed)?;
                let stored = file.dataset_names().iter().filter_map(|name| image_and_view(name)).collect();
                (file, stored)
            }
            false => (H5File::create(path).map_err(&failed)?, HashSet::new()),
        };
        let mut writer = FeatureWriter { path: path.to_owned(), kind, file: Some(file), stored };
        writer.save()?; // an empty file is a valid one from here on
        Ok(writer)
    }

    /// Whether this view of the image is in the file.
    pub fn has(&self, image: i64, view: u64) -> bool {
        self.stored.contains(&(image, view))
    }

    /// Adds the features of an image's view, `[tokens, channels]`; those that are there already stay.
    ///
    /// # Errors
    /// When the features are no matrix, or the disk refuses.
    pub fn add(&mut self, image: i64, view: u64, features: &Tensor) -> Result<(), FeatureError> {
        if self.has(image, view) {
            return Ok(());
        }
        let (tokens, channels) = features.size2()?;
        let features = features.f_to_device(Device::Cpu)?.f_to_kind(self.kind.kind())?.f_contiguous()?;
        let mut bytes = vec![0; features.numel() * self.kind.bytes() as usize];
        features.f_copy_data_u8(&mut bytes, features.numel())?;

        let failed = hdf5(&self.path);
        let Some(file) = &self.file else { return Err(closed(&self.path)) };
        let name = dataset_name(image, view);
        let shape = [tokens as usize, channels as usize];
        let dataset = match self.kind {
            FeatureKind::Float16 => file.new_dataset::<u16>().datatype(self.kind.datatype()).shape(shape).create(&name),
            FeatureKind::Float32 => file.new_dataset::<f32>().shape(shape).create(&name),
        };
        dataset.and_then(|dataset| dataset.write_raw_bytes(&bytes)).map_err(failed)?;
        self.stored.insert((image, view));
        Ok(())
    }

    /// Makes what was added so far durable.
    ///
    /// # Errors
    /// When the disk refuses; the file is then whole as of the last save.
    pub fn save(&mut self) -> Result<(), FeatureError> {
        let failed = hdf5(&self.path);
        if let Some(file) = self.file.take() {
            file.close().map_err(&failed)?;
        }
        self.file = Some(H5File::open_rw(&self.path).map_err(&failed)?);
        Ok(())
    }

    /// Saves and closes.
    ///
    /// # Errors
    /// As [`FeatureWriter::save`].
    pub fn finish(mut self) -> Result<(), FeatureError> {
        match self.file.take() {
            Some(file) => file.close().map_err(hdf5(&self.path)),
            None => Ok(()),
        }
    }
}

/// Reads images in any order, from any thread.
pub struct FeatureReader {
    path: PathBuf,
    file: H5File,
    stored: HashSet<(i64, u64)>,
}

impl FeatureReader {
    /// Opens a file of features, ours or the original's.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn open(path: &Path) -> Result<Self, FeatureError> {
        let file = H5File::open(path).map_err(hdf5(path))?;
        let stored = file.dataset_names().iter().filter_map(|name| image_and_view(name)).collect();
        Ok(FeatureReader { path: path.to_owned(), file, stored })
    }

    /// Whether this view of the image is in the file.
    pub fn has(&self, image: i64, view: u64) -> bool {
        self.stored.contains(&(image, view))
    }

    /// Images in the file, each with all its views.
    pub fn len(&self) -> usize {
        self.stored.iter().filter(|&&(_, view)| view == 0).count()
    }

    /// Whether the file has no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The features of an image's view, `[tokens, channels]`, in the kind on disk.
    ///
    /// # Errors
    /// When the view is not in the file, or can't be read.
    pub fn read(&self, image: i64, view: u64) -> Result<Tensor, FeatureError> {
        if !self.has(image, view) {
            return Err(FeatureError::Missing { path: self.path.clone(), image, view });
        }
        let failed = hdf5(&self.path);
        let dataset = self.file.dataset(&dataset_name(image, view)).map_err(&failed)?;
        let datatype = dataset.datatype().map_err(&failed)?;
        let shape: Vec<i64> = dataset.shape().iter().map(|&side| side as i64).collect();
        let kinds = [FeatureKind::Float16, FeatureKind::Float32];
        let kind = kinds.into_iter().find(|kind| kind.datatype() == datatype);
        let (Some(kind), 2) = (kind, shape.len()) else {
            let found = format!("{shape:?} of {datatype:?}, not a matrix of float16 or float32");
            return Err(FeatureError::Unusable { path: self.path.clone(), image, found });
        };
        let bytes = dataset.read_raw_bytes().map_err(&failed)?;
        Ok(Tensor::f_from_data_size(&bytes, &shape, kind.kind())?)
    }
}

fn image_and_view(dataset: &str) -> Option<(i64, u64)> {
    let (image, view) = dataset.split_once("_features")?;
    let view = if view.is_empty() { Some(0) } else { view.strip_prefix('_')?.parse().ok() };
    Some((image.parse().ok()?, view?))
}

fn hdf5(path: &Path) -> impl Fn(Hdf5Error) -> FeatureError {
    let path = path.to_owned();
    move |source| FeatureError::Hdf5 { path: path.clone(), source }
}

fn closed(path: &Path) -> FeatureError {
    let source = Hdf5Error::InvalidState("an earlier save failed".into());
    FeatureError::Hdf5 { path: path.to_owned(), source }
}

/// Bytes that the features of so many images or views take.
pub fn disk_need(views: usize, tokens: i64, channels: i64, kind: FeatureKind) -> u64 {
    /// Header and name of a dataset, roughly.
    const OVERHEAD: u64 = 512;
    views as u64 * (tokens as u64 * channels as u64 * kind.bytes() + OVERHEAD)
}

/// Refuses work that would fill the disk: to be asked before a start.
///
/// # Errors
/// When fewer than `needed` bytes are free in `folder`, or that can't be told.
pub fn check_disk(folder: &Path, needed: u64) -> Result<(), FeatureError> {
    let free = free_bytes(folder).map_err(|source| FeatureError::Io { path: folder.to_owned(), source })?;
    match free >= needed {
        true => Ok(()),
        false => Err(FeatureError::DiskFull { folder: folder.to_owned(), needed, free }),
    }
}

/// Bytes free in a folder, or in the nearest one above it that exists.
///
/// # Errors
/// When it can't be told.
pub fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let folder = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let space = rustix::fs::statvfs(folder)?;
    Ok(space.f_bavail * space.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(image: i64) -> Tensor {
        (Tensor::arange(6, (Kind::Float, Device::Cpu)) + image as f64 / 2.).view([3, 2])
    }

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("features.hdf5");
        (folder, path)
    }

    #[test]
    fn both_kinds_come_back() {
        for kind in [FeatureKind::Float16, FeatureKind::Float32] {
            let (_folder, path) = file();
            let mut writer = FeatureWriter::open(&path, kind).expect("made");
            for image in [7, 391_895, 12] {
                writer.add(image, 0, &features(image)).expect("added");
            }
            writer.add(7, 3, &features(8)).expect("added");
            writer.finish().expect("closed");
            let reader = FeatureReader::open(&path).expect("opens");
            assert_eq!((reader.len(), reader.has(12, 0), reader.has(13, 0)), (3, true, false));
            let read = reader.read(7, 0).expect("is there");
            assert_eq!((read.kind(), read.size()), (kind.kind(), vec![3, 2]));
            assert_eq!(read.to_kind(Kind::Float), features(7));
            assert_eq!(reader.read(7, 3).expect("is there").to_kind(Kind::Float), features(8));
            let missing = |image, view| reader.read(image, view).expect_err("is not there").to_string();
            assert!(missing(13, 0).ends_with("no features of image 13"));
            assert!(missing(7, 2).ends_with("no features of image 7 in view 2"));
        }
    }

    #[test]
    fn what_was_saved_survives_a_killed_writer() {
        let (_folder, path) = file();
        let mut writer = FeatureWriter::open(&path, FeatureKind::Float32).expect("made");
        writer.add(1, 0, &features(1)).expect("added");
        writer.save().expect("saved");
        writer.add(2, 0, &features(2)).expect("added");
        let as_killed = path.with_file_name("killed.hdf5");
        std::fs::copy(&path, &as_killed).expect("copied"); // what a process killed now leaves behind
        let mut resumed = FeatureWriter::open(&as_killed, FeatureKind::Float32).expect("opens");
        assert!(resumed.has(1, 0) && !resumed.has(2, 0));
        resumed.add(2, 0, &features(2)).expect("added");
        resumed.finish().expect("closed");
        let reader = FeatureReader::open(&as_killed).expect("opens");
        assert_eq!(reader.read(1, 0).expect("is there"), features(1));
        assert_eq!(reader.read(2, 0).expect("is there"), features(2));
    }

    #[test]
    fn the_disk_is_asked_first() {
        // COCO with Swin-L, as the original's README has it: 102 GB.
        let need = disk_need(123_287, 144, 1536, FeatureKind::Float32);
        assert!((need as f64 / 1e9 - 109.1).abs() < 0.1, "{need}");
        assert!(check_disk(Path::new("."), 1).is_ok());
        let error = check_disk(Path::new("."), u64::MAX).expect_err("too much").to_string();
        assert!(error.contains("GB are free"), "{error}");
    }
}
