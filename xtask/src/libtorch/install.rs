//! An installation in the making: filled beside, tried out, then renamed into place whole.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::VERSION;
use crate::requirements;
use crate::unpack::unpack;

/// Files that every libtorch has; one of them missing or a dead link means that the set-up has to
/// be done again.
const ESSENTIALS: [&str; 4] =
    ["include/torch/csrc/api/include/torch/torch.h", "lib/libc10.so", "lib/libtorch.so", "lib/libtorch_cpu.so"];

/// Starts of the names of libraries that are left out: the GPU side and Python's, which nothing
/// here links. `libtorch.so` is left out for a link of our own to `libtorch_cpu.so`, since that of
/// GPU builds needs CUDA.
const LEFT_OUT: [&str; 12] = [
    "libc10_cuda",
    "libc10_hip",
    "libc10_xpu",
    "libcaffe2_nvrtc",
    "libshm",
    "libtorch.so",
    "libtorch_cuda",
    "libtorch_global_deps",
    "libtorch_hip",
    "libtorch_nvshmem",
    "libtorch_python",
    "libtorch_xpu",
];

/// Whether a file of libtorch's `lib` folder belongs to the CPU side.
pub fn is_wanted_library(name: &str) -> bool {
    name.contains(".so") && !LEFT_OUT.iter().any(|start| name.starts_with(start))
}

/// Whether `folder` holds a whole libtorch [`VERSION`].
pub fn is_complete(folder: &Path) -> bool {
    let version = fs::read_to_string(folder.join("build-version")).unwrap_or_default();
    is_version(&version) && ESSENTIALS.iter().all(|file| folder.join(file).exists())
}

/// Whether `version`, such as `2.11.0+cpu`, is a build of [`VERSION`].
pub fn is_version(version: &str) -> bool {
    let version = version.trim();
    version.split_once('+').map_or(version, |(release, _build)| release) == VERSION
}

/// A libtorch folder that is being filled.
pub struct Installation {
    folder: PathBuf,
}

impl Installation {
    /// Starts with an empty folder inside `work`; what a killed set-up left there is removed.
    pub fn begin(work: &Path) -> Result<Self> {
        let folder = work.join("unfinished");
        remove_folder(&folder)?;
        fs::create_dir_all(folder.join("lib")).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Links `include` to a folder of headers elsewhere.
    pub fn link_headers(&self, include: &Path) -> Result<()> {
        symlink(include, self.folder.join("include")).with_context(|| format!("cannot link {}", include.display()))
    }

    /// Links a library from elsewhere into `lib`, under its own name.
    pub fn link_library(&self, library: &Path) -> Result<()> {
        let name = library.file_name().context("a library without a name")?;
        symlink(library, self.folder.join("lib").join(name))
            .with_context(|| format!("cannot link {}", library.display()))
    }

    /// Unpacks those members of a zip archive that `place` gives a path inside this folder. Returns
    /// how many.
    ///
    /// # Errors
    /// When the archive is damaged or the disk is full.
    pub fn unpack(&self, archive: &Path, place: impl Fn(&str) -> Option<PathBuf>) -> Result<usize> {
        unpack(archive, &self.folder, place)
    }

    /// Completes the folder, tries it out, and moves it to `installed`, replacing what is there.
    ///
    /// # Errors
    /// When a program cannot be linked against it and started, so that a broken libtorch never gets
    /// into place.
    pub fn finish(self, installed: &Path) -> Result<()> {
        symlink("libtorch_cpu.so", self.folder.join("lib/libtorch.so"))?;
        fs::write(self.folder.join("build-version"), format!("{VERSION}\n"))?;
        if !is_complete(&self.folder) {
            bail!("not a whole libtorch: it lacks one of {}", ESSENTIALS.join(", "));
        }
        self.try_out()?;
        let previous = self.folder.with_file_name("previous");
        remove_folder(&previous)?;
        // Also true of a link that leads nowhere.
        if installed.symlink_metadata().is_ok() {
            fs::rename(installed, &previous).with_context(|| format!("cannot move {}", installed.display()))?;
        }
        fs::rename(&self.folder, installed).with_context(|| format!("cannot create {}", installed.display()))
    }

    /// Links an empty program against the libraries and starts it: shows that all they depend on is
    /// found.
    fn try_out(&self) -> Result<()> {
        let lib = self.folder.join("lib").canonicalize()?;
        let program = self.folder.with_file_name("try-out");
        let mut compiler = requirements::cxx();
        compiler.args(["-x", "c++", "-", "-o"]).arg(&program).arg("-L").arg(&lib);
        compiler.arg("-Wl,--no-as-needed").arg(format!("-Wl,-rpath,{}", lib.display())).args(["-ltorch_cpu", "-lc10"]);
        compiler.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = compiler.spawn().context("cannot start the C++ compiler")?;
        if let Some(mut source) = child.stdin.take() {
            source.write_all(b"int main() { return 0; }\n")?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("cannot link against it: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let output = Command::new(&program).output()?;
        if !output.status.success() {
            bail!("cannot load it: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

/// Removes a folder with all it holds; none there is no error.
fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpack::write_file;
    use std::fs::File;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    #[test]
    fn versions_are_compared_without_their_build() {
        assert!(is_version("2.11.0"));
        assert!(is_version("2.11.0+cpu\n"));
        assert!(!is_version("2.11.1"));
        assert!(!is_version("2.11.0.dev20260101+cpu"));
        assert!(!is_version(""));
    }

    #[test]
    fn the_gpu_side_is_left_out_and_the_cuda_runtime_is_not() {
        for wanted in ["libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libgomp-98b21ff3.so.1"] {
            assert!(is_wanted_library(wanted), "{wanted}");
        }
        for unwanted in ["libtorch.so", "libtorch_cuda.so", "libtorch_cuda_linalg.so", "libc10_cuda.so", "libdnnl.a"] {
            assert!(!is_wanted_library(unwanted), "{unwanted}");
        }
    }

    #[test]
    fn a_folder_is_complete_only_with_all_files_and_the_right_version() {
        let folder = tempfile::tempdir().unwrap();
        for file in ESSENTIALS {
            assert!(!is_complete(folder.path()));
            write_file(&mut io::empty(), &folder.path().join(file)).unwrap();
        }
        assert!(!is_complete(folder.path()));
        fs::write(folder.path().join("build-version"), "2.10.0").unwrap();
        assert!(!is_complete(folder.path()));
        fs::write(folder.path().join("build-version"), "2.11.0+cpu").unwrap();
        assert!(is_complete(folder.path()));
    }

    #[test]
    fn only_the_chosen_members_are_unpacked() {
        let work = tempfile::tempdir().unwrap();
        let archive = work.path().join("a.zip");
        let mut writer = ZipWriter::new(File::create(&archive).unwrap());
        for name in ["torch/lib/libc10.so", "torch/lib/libtorch_cuda.so", "torch/README", "torch/lib/../../x.so"] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        let installation = Installation::begin(work.path()).unwrap();
        let place = |name: &str| name.strip_prefix("torch/lib/").filter(|n| is_wanted_library(n)).map(PathBuf::from);
        assert_eq!(installation.unpack(&archive, place).unwrap(), 1);
        assert_eq!(fs::read_to_string(installation.folder.join("libc10.so")).unwrap(), "torch/lib/libc10.so");
        assert!(!installation.folder.join("libtorch_cuda.so").exists());
    }

    #[test]
    fn libraries_that_cannot_be_linked_never_get_into_place() {
        let work = tempfile::tempdir().unwrap();
        let installation = Installation::begin(work.path()).unwrap();
        for file in ESSENTIALS.iter().filter(|file| **file != "lib/libtorch.so") {
            write_file(&mut &b"not a library"[..], &installation.folder.join(file)).unwrap();
        }
        let installed = work.path().join("installed");
        let error = installation.finish(&installed).unwrap_err().to_string();
        assert!(error.starts_with("cannot link against it"), "{error}");
        assert!(!installed.exists());
    }
}
