//! Files of the Python package index, pinned by hash: libtorch comes in them, and axe.

pub mod download;
pub mod index;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use url::Url;

use download::{Download, Downloader};

/// One file of the package index. The hashes are those the index publishes; pinned here they hold
/// for every mirror.
pub struct Wheel {
    /// The package's name.
    pub project: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What stands between the version and `.whl` in the file's name.
    pub tags: &'static str,
    /// Of the file, in hexadecimal digits.
    pub sha256: &'static str,
}

impl Wheel {
    /// `nvidia_cuda_runtime-13.0.96-py3-….whl`
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.whl", self.project.replace('-', "_"), self.version, self.tags)
    }

    /// The platforms that the wheel is tagged for.
    fn platforms(&self) -> impl Iterator<Item = &'static str> {
        self.tags.rsplit('-').next().unwrap_or_default().split('.')
    }

    /// Fetches the wheel into `work`, here or else by pip, which also knows ways that this program
    /// does not (keyrings, local folders). A whole one that is there already is taken.
    ///
    /// # Errors
    /// When neither gets it, or what they get has another hash.
    pub fn fetch(&self, downloader: &Downloader, indexes: &[Url], work: &Path) -> Result<PathBuf> {
        let file = work.join(self.file_name());
        if file.exists() && download::check_hash(&file, Some(self.sha256)).is_ok() {
            return Ok(file);
        }
        let name = format!("{} {}", self.project, self.version);
        let fetched = index::find(downloader, indexes, self.project, &self.file_name()).and_then(|address| {
            let download = Download { address: &address, file: &file, sha256: Some(self.sha256), name: &name };
            Ok(downloader.fetch(&download)?)
        });
        if let Err(reason) = fetched {
            eprintln!("{reason:#}\ntrying pip");
            self.fetch_with_pip(work)?;
            download::check_hash(&file, Some(self.sha256))?;
        }
        Ok(file)
    }

    fn fetch_with_pip(&self, work: &Path) -> Result<()> {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"]);
        pip.args(["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"]);
        for platform in self.platforms() {
            pip.args(["--platform", platform]);
        }
        pip.arg("--dest").arg(work).arg(format!("{}=={}", self.project, self.version));
        let advice = "`pip download` failed; if pip is missing: sudo apt-get install python3-pip";
        if !pip.status().context(advice)?.success() {
            bail!(advice);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_those_of_the_index() {
        let wheel = Wheel { project: "nvidia-cuda-runtime", version: "13.0.96", tags: "py3-none-any", sha256: "" };
        assert_eq!(wheel.file_name(), "nvidia_cuda_runtime-13.0.96-py3-none-any.whl");
    }

    #[test]
    fn pip_is_told_every_platform_tag() {
        let wheel = Wheel { project: "p", version: "1", tags: "py3-none-a_x86_64.b_x86_64", sha256: "" };
        assert_eq!(wheel.platforms().collect::<Vec<_>>(), ["a_x86_64", "b_x86_64"]);
    }
}
