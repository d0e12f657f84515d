//! The check before a start: `train --check`, by the same binary, in a folder that is gone afterwards.

use super::create::{Chosen, CreateError, JobRequest, device_name};
use super::process::Identity;
use super::{Inner, Jobs, recipes};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::PoisonError;
use std::time::Duration;
use tempfile::TempDir;

/// How long a device is measured.
const MEASURE_SECONDS: u64 = 5;
/// For reading a dataset, finding every image, and one measurement a phase.
const LIMIT: Duration = Duration::from_secs(180);
/// Begins the name of a check's folder.
pub(super) const FOLDER_PREFIX: &str = ".check-";

impl Jobs {
    /// What a training job would meet: the trainer's own report.
    ///
    /// # Errors
    /// See [`CreateError`]; what is wrong with the data is in the report.
    pub async fn check(&self, request: &JobRequest, measure: bool) -> Result<Value, CreateError> {
        let Chosen { recipe, phases, .. } = self.choose(request).await?;
        let toml = toml::to_string(&recipe).map_err(|error| CreateError::Invalid(error.to_string()))?;
        // Two at once would measure each other.
        let _alone = match measure {
            true => Some(self.inner.measuring.lock().await),
            false => None,
        };
        // On the disk of the runs: its room is part of the report.
        let folder = folder_of(toml.clone(), self.directory().to_owned()).await?;
        let device = device_name(request.device);
        let mut command = Command::new(&self.inner.program.path);
        command.arg("train").arg("--run").arg(folder.path()).arg("--check");
        command.args(["--events", "json", "--device", &device]);
        command.args(phases.iter().flat_map(|phase| ["--phase", phase]));
        if measure {
            command.args(["--measure", &MEASURE_SECONDS.to_string()]);
        }
        let report = read(run(command).await?)?;
        if measure {
            self.inner.remember(Measured { recipe: toml, device, seconds: seconds_of(&report) });
        }
        Ok(report)
    }
}

/// What was measured last: how long the phases of a recipe take on a device.
#[derive(Default)]
pub(super) struct Measured {
    recipe: String,
    device: String,
    seconds: BTreeMap<String, f64>,
}

impl Inner {
    fn remember(&self, measured: Measured) {
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = measured;
    }

    /// Seconds by phase, as the last measurement has them; nothing where it was of another recipe or device.
    pub(super) fn measured(&self, recipe: &str, device: &str) -> BTreeMap<String, f64> {
        let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let same = measured.recipe == recipe && measured.device == device;
        if same { measured.seconds.clone() } else { BTreeMap::new() }
    }
}

/// Of every phase that was measured.
fn seconds_of(report: &Value) -> BTreeMap<String, f64> {
    let phases = report["phases"].as_array().into_iter().flatten();
    phases.filter_map(|phase| Some((phase["name"].as_str()?.to_owned(), phase["seconds"].as_f64()?))).collect()
}

/// A folder with this recipe, gone when it is dropped.
async fn folder_of(recipe: String, directory: PathBuf) -> Result<TempDir, CreateError> {
    let making = tokio::task::spawn_blocking(move || {
        let make = || {
            std::fs::create_dir_all(&directory)?;
            let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir_in(&directory)?;
            std::fs::write(folder.path().join(recipes::FILE), &recipe)?;
            io::Result::Ok(folder)
        };
        make().map_err(|source| CreateError::Folder { path: directory.clone(), source })
    });
    making.await?
}

/// A process that is not to outlive whoever waits for it.
struct Bound(Identity);

impl Drop for Bound {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Runs a command to its end, within bounds; it ends with the request, too.
async fn run(mut command: Command) -> Result<Output, CreateError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group, so that what it starts ends with it.
    let child = command.process_group(0).spawn();
    let failed = |source| CreateError::Folder { path: command.get_program().into(), source };
    let mut child = child.map_err(failed)?;
    let _bound = Bound(Identity::of_child(&mut child).map_err(failed)?);
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
    match tokio::time::timeout(LIMIT, waiting).await {
        Ok(Ok(Ok(output))) => Ok(output),
        Ok(Ok(Err(source))) => Err(CreateError::Folder { path: "standard output".into(), source }),
        Ok(Err(died)) => Err(CreateError::Died(died)),
        Err(_) => Err(CreateError::Invalid(format!("the check took longer than {} s", LIMIT.as_secs()))),
    }
}

/// The one JSON object that the trainer prints.
fn read(output: Output) -> Result<Value, CreateError> {
    let text = String::from_utf8_lossy(&output.stdout);
    let report = text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
    report.filter(Value::is_object).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        CreateError::Invalid(format!("the check failed: {}", last.trim_start_matches("error: ")))
    })
}
