//! A model folder: `model.safetensors`, `config.json`, `vocab.json` and `MODEL_CARD.md`.

use super::load::{LoadError, load_named};
use super::tensors::{CheckpointError, NamedTensors, read_tensors};
use crate::model::{CaptioningModel, Dropouts, ModelConfig};
use crate::vocabulary::{Vocabulary, VocabularyError};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, TchError};

/// The weights, by the names of the original's checkpoint.
pub const WEIGHTS: &str = "model.safetensors";
/// The architecture's sizes.
pub const CONFIG: &str = "config.json";
/// The words.
pub const VOCABULARY: &str = "vocab.json";
/// What people should know of the model.
pub const MODEL_CARD: &str = "MODEL_CARD.md";
/// All that a model folder consists of.
const FILES: [&str; 4] = [WEIGHTS, CONFIG, VOCABULARY, MODEL_CARD];

/// A model folder, read and ready to use.
pub struct Package {
    /// Owns the variables of `model`.
    pub store: VarStore,
    /// The model, its weights loaded.
    pub model: CaptioningModel,
    /// Its sizes.
    pub config: ModelConfig,
    /// Its words.
    pub vocabulary: Vocabulary,
    /// SHA-256 of weights, configuration and words, in hex.
    pub revision: String,
}

/// Why a model folder can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The folder lacks a file.
    #[error("{folder} is no model folder: it has no {file} (`expansionnet import` makes one)")]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        file: &'static str,
    },
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder to be replaced has more in it, which would be lost.
    #[error(
        "{folder} holds more than a model, {other} for one, and is not replaced: name another folder, or move the rest away"
    )]
    HoldsMore {
        /// The folder.
        folder: PathBuf,
        /// Something in it that belongs to no model folder.
        other: PathBuf,
    },
    /// There is a file where the folder is to be.
    #[error("{path} is no folder and is not replaced: name another folder, or move it away")]
    NoFolder {
        /// The file.
        path: PathBuf,
    },
    /// `config.json` describes no model.
    #[error("{path}: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// The weights' file is shorter or longer than it says, or says nothing.
    #[error("{path}: {reason}")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The words and the sizes disagree.
    #[error("the vocabulary has {words} words but the model {vocab_size}")]
    VocabularySize {
        /// Words in the vocabulary.
        words: usize,
        /// Words the model was made for.
        vocab_size: i64,
    },
    /// The words can't be read.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// The weights can't be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The weights do not fit.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// libtorch could not write the weights.
    #[error("the weights can't be written: {0}")]
    Write(#[from] TchError),
}

impl Package {
    /// Reads a model folder onto `device`, in float32.
    pub fn read(folder: &Path, device: Device) -> Result<Self, PackageError> {
        let (config, vocabulary) = read_description(folder)?;
        let store = VarStore::new(device);
        let model = CaptioningModel::new(&store.root(), &config, Dropouts::default());
        load_named(&store, &read_tensors(&folder.join(WEIGHTS))?)?;
        Ok(Package { store, model, config, vocabulary, revision: revision(folder)? })
    }
}

/// The sizes of a model folder and its weights, in float32.
///
/// # Errors
/// What is missing or wrong.
pub fn weights(folder: &Path) -> Result<(ModelConfig, NamedTensors), PackageError> {
    let (config, _) = read_description(folder)?;
    Ok((config, read_tensors(&folder.join(WEIGHTS))?))
}

/// Checks what can be checked of a model folder without reading its weights; gives their size in bytes.
///
/// # Errors
/// What is missing or wrong.
pub fn inspect(folder: &Path) -> Result<u64, PackageError> {
    read_description(folder)?;
    let path = folder.join(WEIGHTS);
    let io = |source| PackageError::Io { path: path.clone(), source };
    let mut file = File::open(&path).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    let fault = |reason| PackageError::Weights { path: path.clone(), reason };
    let expected = safetensors_length(&mut file).ok_or_else(|| fault("this is no safetensors file"))?;
    match bytes.cmp(&expected) {
        Ordering::Less => Err(fault("the file is cut off")),
        Ordering::Greater => Err(fault("the file is longer than its header says")),
        Ordering::Equal => Ok(bytes),
    }
}

/// Sizes and words, which must agree, of a folder that has every file.
fn read_description(folder: &Path) -> Result<(ModelConfig, Vocabulary), PackageError> {
    for file in [CONFIG, VOCABULARY, WEIGHTS] {
        if !folder.join(file).is_file() {
            return Err(PackageError::MissingFile { folder: folder.to_owned(), file });
        }
    }
    let config = read_config(&folder.join(CONFIG))?;
    let vocabulary = Vocabulary::read(&folder.join(VOCABULARY))?;
    check_vocabulary(&vocabulary, &config)?;
    Ok((config, vocabulary))
}

/// How long a safetensors file must be by its header: 8 bytes with the header's length, the header, the tensors.
fn safetensors_length(file: &mut File) -> Option<u64> {
    const MAX_HEADER: u64 = 100_000_000; // as in the safetensors crate
    #[derive(serde::Deserialize)]
    struct Entry {
        /// Missing in `__metadata__`.
        data_offsets: Option<(u64, u64)>,
    }
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return None;
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).ok()?;
    let header: BTreeMap<String, Entry> = serde_json::from_slice(&header).ok()?;
    let end = header.values().filter_map(|entry| entry.data_offsets).map(|(_, end)| end).max().unwrap_or(0);
    end.checked_add(8 + length)
}

/// What [`write`] puts into a folder.
pub struct Contents<'a> {
    /// All weights of the model.
    pub tensors: &'a NamedTensors,
    /// Its sizes.
    pub config: &'a ModelConfig,
    /// Its words.
    pub vocabulary: &'a Vocabulary,
    /// The text of the model card.
    pub model_card: &'a str,
    /// Kind of the floating-point weights on disk.
    pub kind: Kind,
}

/// Whether [`write`] may put a model folder there: nothing is lost but another model folder.
///
/// # Errors
/// What else is there.
pub fn check_replaceable(folder: &Path) -> Result<(), PackageError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(PackageError::NoFolder { path: folder.to_owned() });
        }
        Err(error) => return Err(io_error(folder)(error)),
    };
    let entries = entries.collect::<Result<Vec<_>, _>>().map_err(io_error(folder))?;
    match entries.iter().filter(|entry| !is_ours(entry)).map(DirEntry::file_name).min() {
        Some(other) => Err(PackageError::HoldsMore { folder: folder.to_owned(), other: other.into() }),
        None => Ok(()),
    }
}

/// Whether this is a file of a model folder, by its name.
fn is_ours(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    FILES.iter().any(|file| name == *file) && entry.file_type().is_ok_and(|kind| !kind.is_dir())
}

/// Writes a model folder: beside its place first, then renamed, so that it is never half there.
///
/// Another model folder at `folder` is replaced.
///
/// # Errors
/// When something else is there ([`check_replaceable`]), or the disk refuses.
pub fn write(folder: &Path, contents: &Contents) -> Result<(), PackageError> {
    check_replaceable(folder)?;
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(io_error(parent))?;
    let beside = tempfile::Builder::new().prefix(".model-").tempdir_in(parent).map_err(io_error(parent))?;

    let tensors: Vec<_> =
        contents.tensors.iter().map(|(name, tensor)| (name, on_disk(tensor, contents.kind))).collect();
    tch::Tensor::write_safetensors(&tensors, beside.path().join(WEIGHTS))?;
    let config = serde_json::to_vec_pretty(contents.config);
    let vocabulary = contents.vocabulary.to_json();
    for (name, bytes) in
        [(CONFIG, config), (VOCABULARY, vocabulary), (MODEL_CARD, Ok(contents.model_card.as_bytes().to_vec()))]
    {
        let path = beside.path().join(name);
        let bytes = bytes.map_err(|error| PackageError::Config { path: path.clone(), reason: error.to_string() })?;
        fs::write(&path, bytes).map_err(io_error(&path))?;
    }
    for name in FILES {
        let path = beside.path().join(name);
        File::open(&path).and_then(|file| file.sync_all()).map_err(io_error(&path))?;
    }
    replace(folder, beside)
}

/// Puts the finished folder in its place; an old one steps aside first and goes last.
fn replace(folder: &Path, beside: tempfile::TempDir) -> Result<(), PackageError> {
    check_replaceable(folder)?; // once more: writing the weights took a while
    set_readable(beside.path()).map_err(io_error(folder))?;
    let aside = beside.path().with_extension("old");
    swap(beside.path(), folder, &aside)?;
    let _renamed = beside.keep();
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(io_error(&aside))?;
    }
    Ok(())
}

/// Moves `new` to `place`; what was there steps aside, and comes back where `new` can't take its place.
fn swap(new: &Path, place: &Path, aside: &Path) -> Result<(), PackageError> {
    // At once where the file system can, so that there is a model whenever the process dies.
    if renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE).is_ok() {
        return fs::rename(new, aside).map_err(io_error(new));
    }
    let taken = place.exists();
    if taken {
        fs::rename(place, aside).map_err(io_error(place))?;
    }
    let swapped = fs::rename(new, place).map_err(io_error(place));
    if swapped.is_err() && taken {
        fs::rename(aside, place).map_err(io_error(aside))?; // names where it is now
    }
    swapped
}

/// What the system said of a file.
fn io_error(path: &Path) -> impl Fn(io::Error) -> PackageError {
    move |source| PackageError::Io { path: path.to_owned(), source }
}

/// Temporary folders are private; a model folder is as readable as any other.
fn set_readable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

fn on_disk(tensor: &tch::Tensor, kind: Kind) -> tch::Tensor {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    if tensor.kind() == Kind::Float { tensor.to_kind(kind) } else { tensor }
}

fn read_config(path: &Path) -> Result<ModelConfig, PackageError> {
    let bytes = fs::read(path).map_err(|source| PackageError::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| PackageError::Config { path: path.to_owned(), reason: error.to_string() })
}

/// The vocabulary must have a word for each of the model's outputs.
pub fn check_vocabulary(vocabulary: &Vocabulary, config: &ModelConfig) -> Result<(), PackageError> {
    match vocabulary.len() as i64 == config.vocab_size {
        true => Ok(()),
        false => Err(PackageError::VocabularySize { words: vocabulary.len(), vocab_size: config.vocab_size }),
    }
}

fn revision(folder: &Path) -> Result<String, PackageError> {
    let mut hash = Sha256::new();
    for name in [CONFIG, VOCABULARY, WEIGHTS] {
        let path = folder.join(name);
        let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, &mut hash));
        copied.map_err(|source| PackageError::Io { path, source })?;
    }
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, below a temporary one.
    fn folder_with(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let folder = parent.path().join("model");
        fs::create_dir(&folder).expect("writable");
        for file in files {
            fs::write(folder.join(file), "old").expect("writable");
        }
        (parent, folder)
    }

    #[test]
    fn only_model_folders_are_replaced() {
        for files in [&FILES[..], &[CONFIG], &[]] {
            check_replaceable(&folder_with(files).1).expect("nothing else is lost");
        }
        let (parent, folder) = folder_with(&[WEIGHTS, "rf_model.pth"]);
        check_replaceable(&parent.path().join("nothing")).expect("nothing is lost");
        let refused = |path: &Path| check_replaceable(path).expect_err("would be lost").to_string();
        assert!(refused(&folder).contains("holds more than a model, rf_model.pth for one"));
        assert!(refused(&folder.join(WEIGHTS)).contains("is no folder and is not replaced"));

        let (_parent, folder) = folder_with(&[]);
        fs::create_dir(folder.join(CONFIG)).expect("writable");
        assert!(refused(&folder).contains(CONFIG), "a folder of that name may hold anything");
    }

    #[test]
    fn the_old_folder_comes_back_where_the_new_one_cannot_take_its_place() {
        let (parent, folder) = folder_with(&[WEIGHTS]);
        let (new, aside) = (parent.path().join("new"), parent.path().join("aside"));
        swap(&new, &folder, &aside).expect_err("there is no new one");
        assert!(folder.join(WEIGHTS).exists() && !aside.exists());
        fs::create_dir(&new).expect("writable");
        swap(&new, &folder, &aside).expect("takes its place");
        assert!(!folder.join(WEIGHTS).exists() && aside.join(WEIGHTS).exists());
    }
}
