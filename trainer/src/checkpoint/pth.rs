//! Weights for the original: a `.pth` as `torch.save` writes it, which its `load_state_dict(strict=True)` takes.
//!
//! A `.pth` is a zip of a pickle and the bytes of each tensor. The crates at hand read that and write none, and
//! libtorch itself writes modules of TorchScript only; so the few opcodes that a dictionary of tensors takes are
//! written here. [`super::tensors`] reads them again.

use super::tensors::{NamedTensors, bytes};
use crate::files::{beside, put_in_place};
use crate::model::swin::buffers;
use crate::model::{BackboneConfig, ModelConfig};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tch::{Kind, TchError, Tensor};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Where the original looks for the weights in a checkpoint.
const WEIGHTS: &str = "model_state_dict";
/// Tensors start at multiples of this many bytes, as PyTorch has it.
const ALIGNMENT: u16 = 64;

/// Why a `.pth` can't be written; there is none then.
#[derive(Debug, thiserror::Error)]
pub enum PthError {
    /// The disk refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The archive can't be written.
    #[error("{path}: {source}")]
    Zip {
        /// The file.
        path: PathBuf,
        /// What the library said.
        source: ZipError,
    },
    /// The original's code has no such backbone.
    #[error("the original has no backbone {0}: export the body alone with --body")]
    Backbone(&'static str),
    /// PyTorch has no storage of that kind that we know of.
    #[error("`{name}` is of kind {kind:?}")]
    Kind {
        /// The tensor.
        name: String,
        /// Its kind.
        kind: Kind,
    },
    /// libtorch refused.
    #[error("the weights can't be read: {0}")]
    Tensor(#[from] TchError),
}

/// The tensors of a model as the original's state dictionary has them: with the buffers that its modules register;
/// or those of its model without a backbone.
///
/// # Errors
/// When the original has no such backbone.
pub fn state_dict(tensors: NamedTensors, config: &ModelConfig, body_alone: bool) -> Result<NamedTensors, PthError> {
    let mut tensors = tensors;
    match &config.backbone {
        _ if body_alone => {
            let prefix = format!("{}.", crate::model::Backbone::prefix(&config.backbone));
            tensors.retain(|name, _| !name.starts_with(&prefix));
        }
        BackboneConfig::Swin(swin) => {
            let prefixed = |(name, tensor)| (format!("swin_transf.{name}"), tensor);
            tensors.extend(buffers::of(swin, config.image_size).into_iter().map(prefixed));
        }
        other => return Err(PthError::Backbone(other.name())),
    }
    Ok(tensors)
}

/// Writes `{"model_state_dict": tensors}`, beside its place first.
///
/// # Errors
/// When the disk refuses, or a tensor is of a kind that the file has no name for.
pub fn write_pth(path: &Path, tensors: &NamedTensors) -> Result<(), PthError> {
    let io = |source| PthError::Io { path: path.to_owned(), source };
    let zip = |source| PthError::Zip { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io)?;
    let beside = beside(path).map_err(io)?;
    let mut archive = Archive::new(beside.as_file());
    archive.add("data.pkl", &pickle(tensors)?).map_err(zip)?;
    archive.add("byteorder", if cfg!(target_endian = "little") { b"little" } else { b"big" }).map_err(zip)?;
    for (index, tensor) in tensors.values().enumerate() {
        archive.add(&format!("data/{index}"), &bytes(tensor)?).map_err(zip)?;
    }
    archive.add("version", b"3\n").map_err(zip)?;
    archive.finish().map_err(zip)?;
    put_in_place(beside, path).map_err(io)
}

/// The zip, of which PyTorch wants every member uncompressed and aligned.
struct Archive<'a>(ZipWriter<BufWriter<&'a File>>);

impl<'a> Archive<'a> {
    fn new(file: &'a File) -> Self {
        Archive(ZipWriter::new(BufWriter::new(file)))
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ZipError> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let options = options.with_alignment(ALIGNMENT).large_file(bytes.len() > i32::MAX as usize);
        self.0.start_file(format!("archive/{name}"), options)?;
        Ok(self.0.write_all(bytes)?)
    }

    fn finish(self) -> Result<(), ZipError> {
        Ok(self.0.finish()?.flush()?)
    }
}

/// The pickle of the dictionary; the `n`-th tensor's bytes are the file `data/n`.
fn pickle(tensors: &NamedTensors) -> Result<Vec<u8>, PthError> {
    let mut pickle = Pickle(vec![0x80, 2]); // protocol 2
    pickle.op(b'}').text(WEIGHTS).ordered_dict();
    pickle.op(b'(');
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        let kind = tensor.kind();
        let storage = storage_of(kind).ok_or_else(|| PthError::Kind { name: name.clone(), kind })?;
        pickle.text(name).tensor(index, tensor, storage);
    }
    pickle.op(b'u').op(b's').op(b'.'); // into the ordered dictionary, that into the outer one, done
    Ok(pickle.0)
}

/// PyTorch's class of a storage.
fn storage_of(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Float => "FloatStorage",
        Kind::Half => "HalfStorage",
        Kind::BFloat16 => "BFloat16Storage",
        Kind::Double => "DoubleStorage",
        Kind::Int64 => "LongStorage",
        _ => return None,
    })
}

/// A pickle in the making: each method adds what pushes its value.
struct Pickle(Vec<u8>);

impl Pickle {
    fn op(&mut self, opcode: u8) -> &mut Self {
        self.0.push(opcode);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    fn integer(&mut self, value: i64) -> &mut Self {
        match i32::try_from(value) {
            Ok(value) => {
                self.0.push(b'J');
                self.0.extend(value.to_le_bytes());
            }
            Err(_) => {
                self.0.extend([0x8a, 8]);
                self.0.extend(value.to_le_bytes());
            }
        }
        self
    }

    fn integers(&mut self, values: &[i64]) -> &mut Self {
        self.op(b'(');
        for &value in values {
            self.integer(value);
        }
        self.op(b't')
    }

    fn global(&mut self, module: &str, name: &str) -> &mut Self {
        self.0.extend(format!("c{module}\n{name}\n").as_bytes());
        self
    }

    /// `OrderedDict()`
    fn ordered_dict(&mut self) -> &mut Self {
        self.global("collections", "OrderedDict").op(b')').op(b'R')
    }

    /// `_rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`
    fn tensor(&mut self, index: usize, tensor: &Tensor, storage: &str) -> &mut Self {
        let size = tensor.size();
        self.global("torch._utils", "_rebuild_tensor_v2").op(b'(');
        self.op(b'(').text("storage").global("torch", storage).text(&index.to_string()).text("cpu");
        self.integer(tensor.numel() as i64).op(b't').op(b'Q'); // the tuple names a file
        self.integer(0).integers(&size).integers(&strides(&size)).op(0x89);
        self.ordered_dict().op(b't').op(b'R')
    }
}

/// Those of a contiguous tensor.
fn strides(size: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; size.len()];
    for place in (1..size.len()).rev() {
        strides[place - 1] = strides[place] * size[place].max(1);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::super::read_tensors;
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("weights.pth");
        let matrix = Tensor::from_slice(&[1.5f32, -2., 3., 0.25, 1e-9, 7.]).view([2, 3]);
        let tensors = NamedTensors::from([
            ("a.transposed".to_owned(), matrix.transpose(0, 1)),
            ("b.weight".to_owned(), matrix),
            ("c.index".to_owned(), Tensor::from_slice(&[5i64, 1 << 40]).view([1, 2])),
            ("d.scalar".to_owned(), Tensor::from(3.5f32)),
        ]);
        write_pth(&path, &tensors).expect("written");
        assert_eq!(read_tensors(&path).expect("reads"), tensors);

        let error = write_pth(&path, &NamedTensors::from([("e".to_owned(), Tensor::from_slice(&[true]))]));
        assert!(error.expect_err("no storage").to_string().contains("`e`"));
        assert_eq!(read_tensors(&path).expect("untouched").len(), 4);
    }

    #[test]
    fn strides_by_hand() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert!(strides(&[]).is_empty());
    }

    #[test]
    fn a_long_integer_has_eight_bytes() {
        assert_eq!(Pickle(Vec::new()).integer(1 << 40).0, [0x8a, 8, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(Pickle(Vec::new()).integer(-1).0, [b'J', 255, 255, 255, 255]);
    }
}
