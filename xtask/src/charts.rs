//! uPlot, which draws the plots of the admins' pages: `.charts`, out of its package on the npm registry. The
//! program embeds it, so that no page loads anything from another host.

use std::env;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use tar::Archive;
use url::Url;

use crate::packages::download::{self, Download, Downloader};

/// The package, and the SHA-256 of its archive: it holds for every mirror.
const PACKAGE: &str = "uplot";
const VERSION: &str = "1.6.32";
const SHA256: &str = "4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d";

/// The registry that npm uses when nothing else is configured.
const DEFAULT_REGISTRY: &str = "https://registry.npmjs.org";

/// What is wanted of it: the member of the archive, its name here, its hash.
const FILES: [(&str, &str, &str); 3] = [
    ("package/dist/uPlot.esm.js", "uplot.js", "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba"),
    ("package/dist/uPlot.min.css", "uplot.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
    ("package/LICENSE", "uplot-license.txt", "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"),
];

/// Sees to it that `.charts` in `root` holds the library; returns at once where it does.
///
/// # Errors
/// When the package cannot be fetched, neither by this program nor by npm, or is not what it should be.
pub fn set_up(root: &Path) -> Result<()> {
    let installed = root.join(".charts");
    if is_whole(&installed) {
        return Ok(());
    }
    let work = root.join(".charts-setup");
    let unfinished = work.join("unfinished");
    fs::create_dir_all(&unfinished).with_context(|| format!("cannot create {}", unfinished.display()))?;
    let archive = work.join(format!("{PACKAGE}-{VERSION}.tgz"));
    fetch(&archive).context("cannot get uPlot, which draws the plots of the admins' pages")?;
    unpack(&archive, &unfinished)?;
    if !is_whole(&unfinished) {
        bail!("{} does not hold the files that it should", archive.display());
    }
    if installed.exists() {
        fs::remove_dir_all(&installed).with_context(|| format!("cannot replace {}", installed.display()))?;
    }
    fs::rename(&unfinished, &installed).with_context(|| format!("cannot create {}", installed.display()))?;
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))
}

fn is_whole(folder: &Path) -> bool {
    FILES.iter().all(|(_, name, sha256)| download::has_hash(&folder.join(name), sha256))
}

/// Fetches the archive, here or else by npm, which also knows ways that this program does not (tokens, scopes).
fn fetch(archive: &Path) -> Result<()> {
    let name = format!("{PACKAGE} {VERSION}");
    let fetched = address(&registry()).and_then(|address| {
        let download = Download { address: &address, file: archive, sha256: Some(SHA256), name: &name };
        Ok(Downloader::patient().fetch(&download)?)
    });
    if let Err(reason) = fetched {
        eprintln!("{reason:#}\ntrying npm");
        let folder = archive.parent().unwrap_or(Path::new("."));
        let mut npm = Command::new("npm");
        npm.args(["pack", "--silent", "--pack-destination"]).arg(folder).arg(format!("{PACKAGE}@{VERSION}"));
        let advice = "`npm pack` failed; if npm is missing: sudo apt-get install npm";
        if !npm.status().context(advice)?.success() {
            bail!(advice);
        }
        download::check_hash(archive, Some(SHA256))?;
    }
    Ok(())
}

/// The registry that npm is configured to use: by the environment, by its files where npm is there to read them,
/// else the default one.
fn registry() -> String {
    let from_environment =
        ["npm_config_registry", "NPM_CONFIG_REGISTRY"].into_iter().find_map(|name| env::var(name).ok());
    let from_files = || {
        let output = Command::new("npm").args(["config", "get", "registry"]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    from_environment.or_else(from_files).unwrap_or_else(|| DEFAULT_REGISTRY.to_owned())
}

/// Where the archive lies in a registry.
fn address(registry: &str) -> Result<Url> {
    let address = format!("{}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz", registry.trim_end_matches('/'));
    Url::parse(&address).with_context(|| format!("npm's registry {registry:?} is no address"))
}

fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    let reader = BufReader::new(File::open(archive)?);
    for member in Archive::new(GzDecoder::new(reader)).entries()? {
        let mut member = member?;
        let path = member.path()?.into_owned();
        let Some((_, name, _)) = FILES.iter().find(|(wanted, ..)| Path::new(wanted) == path) else { continue };
        let mut content = Vec::new();
        member.read_to_end(&mut content)?;
        let target = folder.join(name);
        fs::write(&target, content).with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    #[test]
    fn a_registry_may_end_in_a_slash_or_have_a_path() {
        let of = |registry| address(registry).unwrap().to_string();
        assert_eq!(of("https://r.example/"), "https://r.example/uplot/-/uplot-1.6.32.tgz");
        assert_eq!(of("https://r.example/npm"), "https://r.example/npm/uplot/-/uplot-1.6.32.tgz");
        assert!(address("no address").is_err());
    }

    #[test]
    fn the_wanted_members_are_unpacked_and_others_are_not_taken_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.tgz");
        let mut builder = Builder::new(GzEncoder::new(File::create(&archive).unwrap(), Compression::fast()));
        for name in ["package/README.md", FILES[0].0] {
            let mut header = Header::new_gnu();
            header.set_size(name.len() as u64);
            builder.append_data(&mut header, name, name.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        unpack(&archive, folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("uplot.js")).unwrap(), FILES[0].0);
        assert!(!folder.path().join("uplot.css").exists() && !folder.path().join("README.md").exists());
        assert!(!is_whole(folder.path()), "another content is another version");
    }
}
