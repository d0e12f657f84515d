//! libtorch that is on this machine already: in the folder that `LIBTORCH` names, or in Python's
//! torch package.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::VERSION;
use super::install::{self, Installation};

/// Prints the folder of the torch package without importing it, which would take seconds.
const FIND_TORCH: &str = "
import importlib.util, os
spec = importlib.util.find_spec('torch')
print(os.path.dirname(spec.origin) if spec and spec.origin else '')
";

/// The CUDA libraries that even the CPU side of GPU builds needs. Python packages them apart from
/// torch.
const CUDA_LIBRARIES: [&str; 2] = ["libcudart.so", "libcupti.so"];

/// A usable libtorch: a folder with `include`, `lib`, and the right version.
pub struct Found {
    folder: PathBuf,
}

impl Found {
    /// Checks that `folder` is a libtorch of the right version: an unpacked archive or a Python
    /// package.
    fn inspect(folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize().with_context(|| format!("{} is not there", folder.display()))?;
        let version = version(&folder)
            .with_context(|| format!("{} holds neither `build-version` nor `version.py`", folder.display()))?;
        if !install::is_version(&version) {
            bail!("{} is version {version}, but {VERSION} is needed", folder.display());
        }
        Ok(Self { folder })
    }

    /// The folder with `include` and `lib`, without symbolic links.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether `installed` is made of links to this libtorch.
    pub fn is_linked_from(&self, installed: &Path) -> bool {
        fs::read_link(installed.join("include")).is_ok_and(|target| target == self.folder.join("include"))
    }

    /// Links the headers and the libraries of the CPU side.
    pub fn link_into(&self, installation: &Installation) -> Result<()> {
        installation.link_headers(&self.folder.join("include"))?;
        for library in self.libraries()? {
            installation.link_library(&library)?;
        }
        Ok(())
    }

    fn libraries(&self) -> Result<Vec<PathBuf>> {
        let mut libraries = files(&self.folder.join("lib"))?;
        libraries.retain(|file| name(file).is_some_and(install::is_wanted_library));
        if let Some(packages) = self.folder.parent().map(|site| site.join("nvidia")).filter(|path| path.is_dir()) {
            for package in files(&packages)?.iter().map(|package| package.join("lib")).filter(|lib| lib.is_dir()) {
                libraries.extend(files(&package)?.into_iter().filter(|file| name(file).is_some_and(is_cuda_library)));
            }
        }
        Ok(libraries)
    }
}

/// The libtorch that the environment variable `LIBTORCH` names; `None` if it is unset, or names
/// `own`, the folder that this set-up makes, as it does for everything that cargo runs here
/// (`.cargo/config.toml`).
///
/// # Errors
/// When the folder named is no libtorch of the right version.
pub fn from_environment(own: &Path) -> Result<Option<Found>> {
    let named = env::var_os("LIBTORCH").filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(folder) = named.filter(|folder| !is_same(folder, own)) else {
        return Ok(None);
    };
    let found = Found::inspect(&folder).context("the environment variable LIBTORCH names no usable libtorch")?;
    Ok(Some(found))
}

/// The torch package of `python3`.
///
/// # Errors
/// When there is none, or it is not of the right version.
pub fn from_python() -> Result<Found> {
    let output = Command::new("python3").args(["-c", FIND_TORCH]).output().context("cannot start python3")?;
    let folder = String::from_utf8(output.stdout)?.trim().to_owned();
    if !output.status.success() || folder.is_empty() {
        bail!("python3 has no torch package");
    }
    Found::inspect(Path::new(&folder))
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The version that a libtorch folder states, such as `2.11.0+cpu`.
fn version(folder: &Path) -> Option<String> {
    if let Ok(version) = fs::read_to_string(folder.join("build-version")) {
        return Some(version.trim().to_owned());
    }
    python_version(&fs::read_to_string(folder.join("version.py")).ok()?)
}

/// The value of `__version__ = '…'` in the text of torch's `version.py`.
fn python_version(source: &str) -> Option<String> {
    let line = source.lines().find(|line| line.starts_with("__version__"))?;
    let (_name, value) = line.split_once('=')?;
    Some(value.trim().trim_matches(['\'', '"']).to_owned())
}

/// Whether a file of NVIDIA's packages is one that the CPU side of torch is linked with.
pub fn is_cuda_library(name: &str) -> bool {
    CUDA_LIBRARIES.iter().any(|start| name.starts_with(start))
}

fn name(file: &Path) -> Option<&str> {
    file.file_name().and_then(|name| name.to_str())
}

/// The paths of what `folder` holds, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Python environment's packages: torch as built for CUDA, and NVIDIA's libraries beside it.
    fn site_packages(version_file: &str) -> tempfile::TempDir {
        let site = tempfile::tempdir().unwrap();
        for file in [
            "torch/include/torch.h",
            "torch/lib/libc10.so",
            "torch/lib/libtorch_cpu.so",
            "torch/lib/libtorch_cuda.so",
            "nvidia/cu13/lib/libcudart.so.13",
            "nvidia/cu13/lib/libcublas.so.13",
            "nvidia/cudnn/include/cudnn.h",
        ] {
            fs::create_dir_all(site.path().join(file).parent().unwrap()).unwrap();
            fs::write(site.path().join(file), "").unwrap();
        }
        fs::write(site.path().join("torch/version.py"), version_file).unwrap();
        site
    }

    #[test]
    fn the_version_is_read_from_either_file() {
        let python = "from typing import Optional\n__version__ = '2.11.0+cu130'\ndebug = False\n";
        assert_eq!(python_version(python).as_deref(), Some("2.11.0+cu130"));
        assert_eq!(python_version("debug = False"), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version(folder.path()), None);
        fs::write(folder.path().join("build-version"), "2.11.0+cpu\n").unwrap();
        assert_eq!(version(folder.path()).as_deref(), Some("2.11.0+cpu"));
    }

    #[test]
    fn a_python_package_gives_its_cpu_side_and_the_cuda_runtime() {
        let site = site_packages("__version__ = '2.11.0+cu130'");
        let found = Found::inspect(&site.path().join("torch")).unwrap();
        let libraries = found.libraries().unwrap();
        let names: Vec<_> = libraries.iter().filter_map(|file| name(file)).collect();
        assert_eq!(names, ["libc10.so", "libtorch_cpu.so", "libcudart.so.13"]);
    }

    #[test]
    fn the_wrong_version_is_an_error_that_names_both() {
        let site = site_packages("__version__ = '2.10.0'");
        let error = Found::inspect(&site.path().join("torch")).err().unwrap().to_string();
        assert!(error.ends_with("is version 2.10.0, but 2.11.0 is needed"), "{error}");
        assert!(Found::inspect(&site.path().join("nvidia")).is_err());
        assert!(Found::inspect(&site.path().join("absent")).is_err());
    }

    #[test]
    fn links_to_another_libtorch_are_told_apart() {
        let (one, other) = (site_packages("__version__ = '2.11.0'"), site_packages("__version__ = '2.11.0'"));
        let [one, other] = [one, other].map(|site| (Found::inspect(&site.path().join("torch")).unwrap(), site));
        let work = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(one.0.folder().join("include"), work.path().join("include")).unwrap();
        assert!(one.0.is_linked_from(work.path()));
        assert!(!other.0.is_linked_from(work.path()));
    }

    #[test]
    fn our_own_folder_is_recognised_even_before_it_exists() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join(".libtorch");
        assert!(is_same(&own, &own));
        fs::create_dir(&own).unwrap();
        assert!(is_same(&root.path().join("./.libtorch/../.libtorch"), &own));
        assert!(!is_same(root.path(), &own));
    }
}
