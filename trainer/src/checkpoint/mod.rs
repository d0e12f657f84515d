//! Weights on disk: the original's `.pth`, our model folders, and the way from one to the other.

pub mod import;
pub mod infer;
pub mod load;
pub mod package;
pub mod pth;
pub mod resume;
pub mod tensors;

pub use import::{ImportError, ImportOptions, ImportReport, import};
pub use load::{Mismatch, load_named};
pub use package::{Package, PackageError, inspect};
pub use pth::{PthError, state_dict, write_pth};
pub use resume::{Checkpoints, Progress, ResumeError, State};
pub use tensors::{CheckpointError, NamedTensors, read_tensors};
