//! What a set-up needs from the machine, checked before any long work, each with the line that
//! installs it.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// Free space for a download: 1.2 GB to fetch and unpack libtorch, the rest for the first
/// compilation.
const FREE_BYTES: u64 = 3_000_000_000;

/// Something that is not there, and what to do about it.
struct Missing {
    what: String,
    remedy: String,
}

/// Checks what every way of setting up needs: Linux on a processor that libtorch is published for,
/// a C++ compiler.
///
/// # Errors
/// When something is missing; the message says what, and the line that installs it.
pub fn check() -> Result<()> {
    report([platform(env::consts::OS, env::consts::ARCH), compiler()])
}

/// Checks what a download into `folder` needs: free space.
///
/// # Errors
/// As for [`check`].
pub fn check_for_download(folder: &Path) -> Result<()> {
    let free = rustix::fs::statvfs(folder).map(|space| space.f_bavail.saturating_mul(space.f_frsize))?;
    report([disk(free, folder)])
}

fn report(checks: impl IntoIterator<Item = Option<Missing>>) -> Result<()> {
    let missing: Vec<_> = checks.into_iter().flatten().map(|m| format!("  {}\n    {}", m.what, m.remedy)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("this machine lacks what the set-up needs:\n{}", missing.join("\n"))
}

fn platform(system: &str, processor: &str) -> Option<Missing> {
    let supported = system == "linux" && ["x86_64", "aarch64"].contains(&processor);
    (!supported).then(|| Missing {
        what: format!("{system} on {processor} is not supported"),
        remedy: "Linux on x86-64 or ARM64 is: use such a machine, a container or WSL".into(),
    })
}

/// The command that compiles C++, as the `cc` crate of build scripts chooses it: `CXX`, or `c++`.
pub fn cxx() -> Command {
    let line = env::var("CXX").unwrap_or_default();
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("c++"));
    command.args(words);
    command
}

fn compiler() -> Option<Missing> {
    let status = cxx().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    (!status.is_ok_and(|status| status.success())).then(|| Missing {
        what: "a C++ compiler: `c++ --version` (or that of $CXX) does not run".into(),
        remedy: "sudo apt-get install g++   (Fedora: sudo dnf install gcc-c++)".into(),
    })
}

fn disk(free: u64, folder: &Path) -> Option<Missing> {
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    (free < FREE_BYTES).then(|| Missing {
        what: format!(
            "disk space: {:.1} GB free in {}, about {:.0} GB needed",
            gigabytes(free),
            folder.display(),
            gigabytes(FREE_BYTES)
        ),
        remedy: "free some, or clone to a larger disk".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_linux_on_two_processors_is_supported() {
        assert!(platform("linux", "x86_64").is_none());
        assert!(platform("linux", "aarch64").is_none());
        assert!(platform("macos", "aarch64").is_some());
        assert!(platform("linux", "riscv64").is_some());
    }

    #[test]
    fn a_full_disk_is_reported_in_gigabytes() {
        assert!(disk(FREE_BYTES, Path::new("/somewhere")).is_none());
        let missing = disk(1_200_000_000, Path::new("/somewhere")).unwrap();
        assert_eq!(missing.what, "disk space: 1.2 GB free in /somewhere, about 3 GB needed");
    }

    #[test]
    fn everything_missing_is_reported_at_once() {
        let checks = [disk(0, Path::new("/a")), None, platform("plan9", "mips")];
        let message = report(checks).unwrap_err().to_string();
        assert!(message.contains("0.0 GB free") && message.contains("plan9 on mips"), "{message}");
    }
}
