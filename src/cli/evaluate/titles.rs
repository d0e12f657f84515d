//! What models are called in the reports.

use std::path::{Path, PathBuf};
use trainer::captioner::{ModelInfo, model_id};
use trainer::training::recipe;

/// The folder of a phase's model, which is called the same in all runs.
const OF_A_PHASE: &str = "model";

/// What is loaded from these folders, by names that tell the models of runs apart.
pub(super) fn titled(info: &ModelInfo, folders: &[PathBuf]) -> ModelInfo {
    let members: Vec<String> = folders.iter().map(|folder| title(folder)).collect();
    ModelInfo { id: members.join("+"), members, ..info.clone() }
}

/// The folder's name; of the model of a run's phase, the run's and the phase's.
fn title(folder: &Path) -> String {
    let of_phase = || {
        let folder = std::path::absolute(folder).ok()?;
        let phase = folder.parent().filter(|_| folder.ends_with(OF_A_PHASE))?;
        let run = phase.parent().filter(|run| run.join(recipe::FILE).is_file())?;
        Some(format!("{}/{}", run.file_name()?.to_string_lossy(), phase.file_name()?.to_string_lossy()))
    };
    of_phase().unwrap_or_else(|| model_id(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_runs_are_called_by_run_and_phase() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let run = parent.path().join("photos");
        std::fs::create_dir(&run).expect("writable");
        assert_eq!(title(&run.join("xe/model")), "model", "nothing says that this is a run");
        std::fs::write(run.join(recipe::FILE), "").expect("writable");
        assert_eq!(title(&run.join("xe/model")), "photos/xe");
        assert_eq!(title(&run.join("./scst//model/")), "photos/scst");
        assert_eq!(title(Path::new("models/default")), "default");
    }
}
