//! The model folders that there are: the configured ones, and those in the folder of model folders.

use crate::config::ModelConfig;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use trainer::captioner::model_id;
use trainer::checkpoint::{inspect, package};

/// Where models are looked for.
#[derive(Clone, Debug)]
pub struct Folders {
    /// `model.path`, and the members of its ensemble.
    pub configured: Vec<PathBuf>,
    /// `model.directory`.
    pub directory: PathBuf,
}

/// A model folder, its weights unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub id: String,
    /// Of the weights; 0 where the folder is broken.
    pub bytes: u64,
    /// What is wrong with the folder, without its path.
    pub fault: Option<String>,
    /// Whether the settings name it.
    pub configured: bool,
}

impl Folders {
    /// As the settings say.
    pub fn new(config: &ModelConfig) -> Folders {
        let configured = std::iter::once(&config.path).chain(&config.ensemble).cloned().collect();
        Folders { configured, directory: config.directory.clone() }
    }

    /// The folder of a model; none where there is no such model.
    ///
    /// An id is a name, never a path: it leads nowhere but into the folder of model folders.
    pub(super) fn folder(&self, id: &str) -> Option<PathBuf> {
        let configured = self.configured.iter().find(|folder| model_id(folder) == id);
        configured.cloned().or_else(|| Some(self.directory.join(id)).filter(|folder| is_name(id) && is_model(folder)))
    }

    /// The folder of a model that may be removed: in the folder of model folders, and none of the settings'.
    pub(super) fn removable(&self, id: &str) -> Option<PathBuf> {
        let folder = self.folder(id)?;
        (!self.is_configured(&folder)).then_some(folder)
    }

    /// Whether the settings name this folder, by whichever path.
    fn is_configured(&self, folder: &Path) -> bool {
        let place = |folder: &Path| folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        self.configured.iter().any(|configured| place(configured) == place(folder))
    }

    /// Every model folder, by id; configured ones are listed whatever they hold, and win over others of their name.
    pub(super) fn scan(&self) -> Vec<Found> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut folders: BTreeMap<String, PathBuf> =
            names.filter_map(|id| Some((id.clone(), self.folder(&id)?))).collect();
        folders.extend(self.configured.iter().rev().map(|folder| (model_id(folder), folder.clone())));
        folders.into_iter().map(|(id, folder)| Found::read(id, &folder, self.is_configured(&folder))).collect()
    }
}

impl Found {
    fn read(id: String, folder: &Path, configured: bool) -> Found {
        match inspect(folder) {
            Ok(bytes) => Found { id, bytes, fault: None, configured },
            Err(error) => Found { id, bytes: 0, fault: Some(without_path(&error.to_string(), folder)), configured },
        }
    }
}

/// One name: not a path, and not hidden, as folders are that an import has not finished.
fn is_name(id: &str) -> bool {
    let mut parts = Path::new(id).components();
    let first = parts.next();
    let one = matches!(first, Some(Component::Normal(name)) if name == id) && parts.next().is_none();
    one && !id.starts_with('.')
}

/// A folder that is meant to be a model.
fn is_model(folder: &Path) -> bool {
    folder.join(package::CONFIG).is_file()
}

/// A message for clients: files go by their names, and the folder by its own.
pub(super) fn without_path(message: &str, folder: &Path) -> String {
    let path = folder.display().to_string();
    let message = message.replace(&format!("{}/", path.trim_end_matches('/')), "");
    message.replace(&path, &model_id(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `models/` with a configured model elsewhere; returns the temporary folder too.
    fn folders() -> (tempfile::TempDir, Folders) {
        let root = tempfile::tempdir().expect("a temporary folder");
        for name in ["models/one", "models/two", "models/.model-half", "models/notes", "elsewhere/main"] {
            std::fs::create_dir_all(root.path().join(name)).expect("a folder");
            if name != "models/notes" {
                std::fs::write(root.path().join(name).join("config.json"), "{}").expect("a file");
            }
        }
        let directory = root.path().join("models");
        let folders = Folders { configured: vec![root.path().join("elsewhere/main")], directory };
        (root, folders)
    }

    #[test]
    fn ids_lead_to_model_folders_and_nowhere_else() {
        let (root, folders) = folders();
        assert_eq!(folders.folder("one"), Some(root.path().join("models/one")));
        assert_eq!(folders.folder("main"), Some(root.path().join("elsewhere/main")));
        let absolute = root.path().join("elsewhere/main").display().to_string();
        for id in
            ["", ".", "..", "../elsewhere/main", "one/", "./one", "one/.", "notes", "none", ".model-half", &absolute]
        {
            assert_eq!(folders.folder(id), None, "`{id}`");
        }
    }

    #[test]
    fn a_scan_lists_each_model_once_with_its_fault() {
        let (_root, folders) = folders();
        let found = folders.scan();
        let ids: Vec<&str> = found.iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids, ["main", "one", "two"]);
        for model in found {
            assert_eq!(
                model.fault.as_deref(),
                Some(
                    format!("{} is no model folder: it has no vocab.json (`expansionnet import` makes one)", model.id)
                        .as_str()
                )
            );
        }
    }

    #[test]
    fn what_the_settings_name_is_not_removable() {
        let (root, mut folders) = folders();
        assert_eq!(folders.removable("one"), Some(root.path().join("models/one")));
        for id in ["main", "none", "notes", "../models/one"] {
            assert_eq!(folders.removable(id), None, "`{id}`");
        }
        std::os::unix::fs::symlink(root.path().join("models/one"), root.path().join("current")).expect("a link");
        folders.configured.push(root.path().join("current"));
        assert_eq!(folders.removable("one"), None, "the settings name it by a link");
        let configured: Vec<bool> = folders.scan().iter().map(|model| model.configured).collect();
        assert_eq!(configured, [true, true, true, false], "current, main, one, two");
    }

    #[test]
    fn a_missing_folder_of_models_leaves_the_configured_one() {
        let (root, mut folders) = folders();
        folders.directory = root.path().join("none");
        assert_eq!(folders.scan().len(), 1);
    }

    #[test]
    fn messages_name_files_without_their_path() {
        let folder = Path::new("/srv/models/one");
        assert_eq!(without_path("/srv/models/one/config.json: is empty", folder), "config.json: is empty");
        assert_eq!(without_path("/srv/models/one is no model", folder), "one is no model");
        assert_eq!(without_path("models/one/: bad", Path::new("models/one/")), ": bad");
    }
}
