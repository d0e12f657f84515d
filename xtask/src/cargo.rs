//! Running cargo: as the last act of this process, or as a list of timed steps.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

/// One `cargo` invocation of a check.
pub struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
}

impl Step {
    /// A step called `name` that runs `cargo <arguments>`.
    pub fn new(name: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { name, arguments }
    }
}

/// `cargo`, to be run in the workspace at `root` as if it had been typed there.
///
/// The variables that cargo set for this process are taken away: build scripts which watch them
/// would otherwise run again whenever plain `cargo` and `cargo xtask` alternate. `LIBTORCH` goes
/// too, so that `.cargo/config.toml` decides.
pub fn command(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in env::vars_os().filter(|(name, _)| is_set_by_cargo(name)) {
        command.env_remove(name);
    }
    command.env_remove("LIBTORCH");
    command
}

fn is_set_by_cargo(variable: &OsStr) -> bool {
    let Some(variable) = variable.to_str() else {
        return false;
    };
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// Becomes `command`: it receives Ctrl-C and gives the exit code itself. Returns only when it
/// cannot be started.
pub fn replace_this_process(command: &mut Command) -> anyhow::Error {
    anyhow!(command.exec()).context(format!("cannot start {}", command.get_program().display()))
}

/// Runs the steps in order and stops at the first that fails, whose exit code it returns. Announces
/// each step with its duration, and ends with a summary of one line.
///
/// # Errors
/// When cargo cannot be started.
pub fn run_steps(root: &Path, steps: &[Step]) -> Result<ExitCode> {
    let start = Instant::now();
    let mut summary = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let number = format!("{}/{}", index + 1, steps.len());
        eprintln!("\n[{number}] {}: cargo {}", step.name, step.arguments.join(" "));
        let step_start = Instant::now();
        let status = command(root).args(step.arguments).status().context("cannot start cargo")?;
        let duration = readable(step_start.elapsed());
        if !status.success() {
            let skipped = steps.len() - index - 1;
            eprintln!("\nFAILED at [{number}] {} after {duration} ({status}); not run: {skipped}", step.name);
            return Ok(exit_code(status));
        }
        eprintln!("[{number}] {} passed in {duration}", step.name);
        summary.push(format!("{} {duration}", step.name));
    }
    eprintln!("\nPASSED in {}: {}", readable(start.elapsed()), summary.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// The code a shell would report: the program's own, or 128 + the signal that ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// A duration as people say it: `7.3 s`, `4 min 05 s`.
fn readable(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(readable(Duration::from_millis(7300)), "7.3 s");
        assert_eq!(readable(Duration::from_secs(245)), "4 min 05 s");
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        // A wait status holds the exit code in its second byte, or the signal in its first.
        assert_eq!(exit_code(ExitStatus::from_raw(101 << 8)), ExitCode::from(101));
        assert_eq!(exit_code(ExitStatus::from_raw(9)), ExitCode::from(137));
    }

    #[test]
    fn variables_of_cargo_run_are_recognised() {
        assert!(is_set_by_cargo(OsStr::new("CARGO_PKG_NAME")));
        assert!(is_set_by_cargo(OsStr::new("CARGO_MANIFEST_DIR")));
        assert!(!is_set_by_cargo(OsStr::new("CARGO_HOME")));
        assert!(!is_set_by_cargo(OsStr::new("CARGO_TARGET_DIR")));
    }

    #[test]
    fn nested_cargo_takes_libtorch_from_the_configuration() {
        let command = command(Path::new("."));
        assert!(command.get_envs().any(|(name, value)| name == "LIBTORCH" && value.is_none()));
    }

    #[test]
    fn steps_stop_at_the_first_failure_with_its_code() {
        let root = crate::workspace_root();
        let steps = [Step::new("works", &["--version"]), Step::new("fails", &["no-such-command"])];
        assert_eq!(run_steps(&root, &steps[..1]).ok(), Some(ExitCode::SUCCESS));
        assert_eq!(run_steps(&root, &steps).ok(), Some(ExitCode::from(101)));
    }
}
