//! The CPU side of PyTorch's Python package: its headers and libraries are those of libtorch.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::install::{self, Installation};
use super::local::is_cuda_library;
use crate::packages::{self, Wheel};

/// torch, and the two CUDA libraries that its CPU side is linked with, in the versions that it asks
/// for. The wheel is that for Python 3.12 whatever Python is here, since the libraries that are
/// used of it do not depend on Python.
#[cfg(target_arch = "x86_64")]
const WHEELS: [Wheel; 3] = [
    Wheel {
        project: "torch",
        version: "2.11.0",
        tags: "cp312-cp312-manylinux_2_28_x86_64",
        sha256: "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
    },
    Wheel {
        project: "nvidia-cuda-runtime",
        version: "13.0.96",
        tags: "py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64",
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
    },
    Wheel {
        project: "nvidia-cuda-cupti",
        version: "13.0.85",
        tags: "py3-none-manylinux_2_25_x86_64",
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
    },
];

/// As for x86-64.
#[cfg(not(target_arch = "x86_64"))]
const WHEELS: [Wheel; 3] = [
    Wheel {
        project: "torch",
        version: "2.11.0",
        tags: "cp312-cp312-manylinux_2_28_aarch64",
        sha256: "f99924682ef0aa6a4ab3b1b76f40dc6e273fca09f367d15a524266db100a723f",
    },
    Wheel {
        project: "nvidia-cuda-runtime",
        version: "13.0.96",
        tags: "py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64",
        sha256: "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
    },
    Wheel {
        project: "nvidia-cuda-cupti",
        version: "13.0.85",
        tags: "py3-none-manylinux_2_25_aarch64",
        sha256: "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
    },
];

/// Downloads the wheels into `work` and installs what is needed of them. Takes a while: torch's is
/// half a gigabyte.
///
/// # Errors
/// When a wheel cannot be fetched, neither by this program nor by pip.
pub fn install(work: &Path, installed: &Path) -> Result<()> {
    let files = packages::fetch_all(&WHEELS, work)?;
    eprintln!("unpacking");
    let installation = Installation::begin(work)?;
    for file in &files {
        let unpacked = installation.unpack(file, place)?;
        if unpacked == 0 {
            bail!("{} holds nothing that is needed", file.display());
        }
    }
    installation.finish(installed)
}

/// Where a member of the wheels goes in the installation; `None` for what is not needed.
fn place(member: &str) -> Option<PathBuf> {
    if let Some(header) = member.strip_prefix("torch/include/") {
        return Some(Path::new("include").join(header));
    }
    let library = member.strip_prefix("torch/lib/").filter(|name| install::is_wanted_library(name));
    let library = library.or_else(|| member.strip_prefix("nvidia/cu13/lib/").filter(|name| is_cuda_library(name)))?;
    (!library.contains('/')).then(|| Path::new("lib").join(library))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_those_of_the_index() {
        let names = WHEELS.each_ref().map(Wheel::file_name);
        assert!(names[0].starts_with("torch-2.11.0-cp312-cp312-manylinux_2_28_"), "{}", names[0]);
        assert!(names[1].starts_with("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_"), "{}", names[1]);
        assert!(install::is_version(WHEELS[0].version));
    }

    #[test]
    fn headers_libraries_of_the_cpu_and_the_cuda_runtime_are_taken() {
        assert_eq!(place("torch/include/ATen/ATen.h"), Some("include/ATen/ATen.h".into()));
        assert_eq!(place("torch/lib/libtorch_cpu.so"), Some("lib/libtorch_cpu.so".into()));
        assert_eq!(place("nvidia/cu13/lib/libcudart.so.13"), Some("lib/libcudart.so.13".into()));
        for left in [
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libshm/libshm.so",
            "nvidia/cu13/lib/libnvperf_host.so",
            "nvidia/cu13/include/cuda.h",
            "torch/__init__.py",
        ] {
            assert_eq!(place(left), None, "{left}");
        }
    }
}
