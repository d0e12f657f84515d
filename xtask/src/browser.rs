//! Chromium and ChromeDriver, which the browser tests drive: found on the PATH, or installed where
//! that is allowed.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const DRIVERS: [&str; 1] = ["chromedriver"];
const INSTALL: &str = "apt-get install --yes --no-install-recommends chromium chromium-driver";

/// Sees to it that a browser and its driver are on the PATH: installs Debian's where this is root
/// and has apt-get.
///
/// # Errors
/// When they are missing and cannot be installed; the message holds the line that installs them.
pub fn ensure_installed() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("the browser tests need {}, which is not on the PATH", missing.join(" and "));
    if !is_root() || !is_on_path("apt-get") {
        bail!("install it, for example on Debian: sudo {INSTALL}");
    }
    run("apt-get update")?;
    run(INSTALL)?;
    let still_missing = self::missing();
    if !still_missing.is_empty() {
        bail!("{} still not on the PATH after: {INSTALL}", still_missing.join(" and "));
    }
    Ok(())
}

fn missing() -> Vec<&'static str> {
    let needed = [("Chromium", &BROWSERS[..]), ("ChromeDriver", &DRIVERS[..])];
    let absent = needed.into_iter().filter(|(_, names)| !names.iter().any(|name| is_on_path(name)));
    absent.map(|(product, _)| product).collect()
}

fn run(line: &str) -> Result<()> {
    eprintln!("running: {line}");
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let status = Command::new(program).args(words).env("DEBIAN_FRONTEND", "noninteractive").status();
    let status = status.with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// Whether this process may install packages: the folder that the kernel keeps for it belongs to
/// its effective user.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn is_on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| find(program, &path).is_some())
}

/// The first file called `program` in the folders of `path`.
fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_order_of_the_path() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = env::join_paths([first.path(), second.path()]).unwrap();
        assert_eq!(find("chromium", &path), None);
        fs::write(second.path().join("chromium"), "").unwrap();
        assert_eq!(find("chromium", &path), Some(second.path().join("chromium")));
        fs::write(first.path().join("chromium"), "").unwrap();
        assert_eq!(find("chromium", &path), Some(first.path().join("chromium")));
    }
}
