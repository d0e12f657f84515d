//! The model in service, and the options that it takes, as the pages show them.

use crate::web::AppState;

/// The model in service.
pub(super) struct PageModel {
    pub id: String,
    /// Enough of it to tell two apart; empty while the model loads.
    pub revision_short: String,
    pub ready: bool,
}

/// Defaults and bounds of a form's options.
pub(super) struct PageOptions {
    pub default_beam_size: usize,
    pub max_beam_size: usize,
    pub default_candidates: usize,
    pub default_max_length: usize,
    pub max_max_length: usize,
}

impl PageModel {
    pub(super) fn new(state: &AppState) -> PageModel {
        match state.models.active().status().info() {
            Some(info) => {
                PageModel { id: info.id.clone(), revision_short: short_revision(&info.revision), ready: true }
            }
            None => {
                let folder = state.config.model.path.file_name().unwrap_or_default();
                PageModel { id: folder.to_string_lossy().into_owned(), revision_short: String::new(), ready: false }
            }
        }
    }
}

/// The first digits of a model's hash.
pub(super) fn short_revision(revision: &str) -> String {
    revision.chars().take(8).collect()
}

impl PageOptions {
    pub(super) fn new(state: &AppState) -> PageOptions {
        /// Offered while the model loads; models write longer captions than that.
        const WHILE_LOADING: usize = 20;
        let longest = state.models.active().status().info().map_or(WHILE_LOADING, |info| info.max_length);
        let captioning = &state.config.captioning;
        PageOptions {
            default_beam_size: captioning.beam_size,
            max_beam_size: captioning.max_beam_size,
            default_candidates: captioning.candidates,
            default_max_length: longest,
            max_max_length: longest,
        }
    }
}
