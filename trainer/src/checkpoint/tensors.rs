//! Named tensors from a file: PyTorch's `.pth`/`.pt`, or safetensors.
//!
//! A `.pth` holds a pickle, which is a program; it is parsed for tensors and never executed.

use pytorch_reader::{DType, PytorchError, PytorchReader};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, TchError, Tensor};

/// Tensors by name, in the order of their names; floating-point ones are float32.
pub type NamedTensors = BTreeMap<String, Tensor>;

/// Where PyTorch programs put the weights in a checkpoint; tried in this order, then the top level.
const WEIGHT_KEYS: [&str; 3] = ["model_state_dict", "model", "state_dict"];

/// Why a checkpoint can't be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no checkpoint, or a damaged one.
    #[error("{path} can't be read as a PyTorch checkpoint: {source}")]
    Pytorch {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: PytorchError,
    },
    /// The file is no safetensors file, or a damaged one.
    #[error("{path} can't be read as safetensors: {source}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: TchError,
    },
    /// The file holds no tensors.
    #[error("{path} holds no tensors")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the weights of a checkpoint, wherever in it they stand, floats widened to float32.
pub fn read_tensors(path: &Path) -> Result<NamedTensors, CheckpointError> {
    let is_safetensors = path.extension().is_some_and(|extension| extension == "safetensors");
    let tensors = if is_safetensors { read_safetensors(path)? } else { read_pth(path)? };
    if tensors.is_empty() {
        return Err(CheckpointError::Empty { path: path.to_owned() });
    }
    Ok(tensors.into_iter().map(|(name, tensor)| (name, widened(tensor))).collect())
}

/// SHA-256 (hex) of the tensors' names and values.
///
/// # Errors
/// What libtorch says.
pub fn digest(tensors: &NamedTensors) -> Result<String, TchError> {
    let mut hash = Sha256::new();
    for (name, tensor) in tensors {
        hash.update(name);
        hash.update(bytes(tensor)?);
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// The values as they lie in memory.
pub(super) fn bytes(tensor: &Tensor) -> Result<Vec<u8>, TchError> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}

fn read_safetensors(path: &Path) -> Result<Vec<(String, Tensor)>, CheckpointError> {
    Tensor::read_safetensors(path).map_err(|source| CheckpointError::Safetensors { path: path.to_owned(), source })
}

fn read_pth(path: &Path) -> Result<Vec<(String, Tensor)>, CheckpointError> {
    let reader = open_weights(path).map_err(|source| CheckpointError::Pytorch { path: path.to_owned(), source })?;
    let mut tensors = Vec::with_capacity(reader.len());
    for (name, tensor) in reader.into_tensors() {
        let bytes = tensor.read().map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
        let shape: Vec<i64> = tensor.shape().iter().map(|&size| size as i64).collect();
        if let Some(kind) = kind_of(tensor.dtype()) {
            tensors.push((name, Tensor::from_data_size(&bytes, &shape, kind)));
        }
    }
    Ok(tensors)
}

fn open_weights(path: &Path) -> Result<PytorchReader, PytorchError> {
    for key in WEIGHT_KEYS {
        match PytorchReader::with_top_level_key(path, key) {
            Err(PytorchError::KeyNotFound(_)) => {}
            outcome => return outcome,
        }
    }
    PytorchReader::new(path)
}

/// libtorch's name of a kind; none for the unsigned ones it lacks, which no weight uses.
fn kind_of(dtype: DType) -> Option<Kind> {
    Some(match dtype {
        DType::F64 => Kind::Double,
        DType::F32 => Kind::Float,
        DType::F16 => Kind::Half,
        DType::BF16 => Kind::BFloat16,
        DType::I64 => Kind::Int64,
        DType::I32 => Kind::Int,
        DType::I16 => Kind::Int16,
        DType::I8 => Kind::Int8,
        DType::U8 => Kind::Uint8,
        DType::Bool => Kind::Bool,
        DType::U64 | DType::U32 | DType::U16 => return None,
    })
}

fn widened(tensor: Tensor) -> Tensor {
    match tensor.kind() {
        Kind::Half | Kind::BFloat16 | Kind::Double => tensor.to_kind(Kind::Float),
        _ => tensor,
    }
}
