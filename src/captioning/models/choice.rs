//! The admin's choice of a model, kept in the store, so that it holds after a restart.

use super::Folders;
use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The setting's name.
const SETTING: &str = "active_model";

/// What was put into service, and what the settings said then.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Choice {
    models: Vec<String>,
    /// Once the settings name other folders, they win.
    configured: Vec<PathBuf>,
}

/// Keeps the choice.
pub(super) async fn remember(store: &Store, models: &[String], folders: &Folders) -> Result<(), StoreError> {
    let choice = Choice { models: models.to_vec(), configured: folders.configured.clone() };
    store.set_setting(SETTING, &serde_json::json!(choice).to_string()).await
}

/// The folders of the models chosen last, unless the settings have changed or a folder is gone since.
pub(super) async fn recall(store: &Store, folders: &Folders) -> Result<Option<Vec<PathBuf>>, StoreError> {
    let Some(text) = store.setting(SETTING).await? else {
        return Ok(None);
    };
    let Ok(choice) = serde_json::from_str::<Choice>(&text) else {
        tracing::warn!("the model chosen last cannot be told: the one of the settings is loaded");
        return Ok(None);
    };
    if choice.configured != folders.configured {
        tracing::info!(models = ?choice.models, "the settings have changed: the model chosen last counts no more");
        return Ok(None);
    }
    let chosen: Option<Vec<PathBuf>> = choice.models.iter().map(|id| folders.folder(id)).collect();
    if chosen.is_none() {
        tracing::warn!(models = ?choice.models, "a model chosen last is gone: the one of the settings is loaded");
    }
    Ok(chosen.filter(|folders| !folders.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_choice_holds_while_the_settings_and_the_folders_stay() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&root.path().join("data")).await.expect("a store");
        let one = root.path().join("models/one");
        std::fs::create_dir_all(&one).expect("a folder");
        std::fs::write(one.join("config.json"), "{}").expect("a file");
        let folders = Folders { configured: vec!["models/default".into()], directory: root.path().join("models") };
        assert_eq!(recall(&store, &folders).await.expect("reads"), None);
        remember(&store, &["one".to_owned()], &folders).await.expect("writes");
        assert_eq!(recall(&store, &folders).await.expect("reads"), Some(vec![one.clone()]));

        let other = Folders { configured: vec!["models/other".into()], ..folders.clone() };
        assert_eq!(recall(&store, &other).await.expect("reads"), None, "the settings have changed");
        std::fs::remove_dir_all(&one).expect("removable");
        assert_eq!(recall(&store, &folders).await.expect("reads"), None, "the folder is gone");
        store.set_setting(SETTING, "{").await.expect("writes");
        assert_eq!(recall(&store, &folders).await.expect("reads"), None, "not ours");
    }
}
