//! What every handler can reach.

use crate::captioning::{CaptionService, Intake};
use crate::config::Config;
use crate::store::Store;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Settings and services; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub(super) config: Arc<Config>,
    pub(super) captions: CaptionService,
    pub(super) intake: Intake,
    pub(super) store: Store,
    /// One permit for each upload that may be received and answered at the same time.
    pub(super) uploads: Arc<Semaphore>,
}

impl AppState {
    /// Puts the services together by the settings.
    pub fn new(config: Config, captions: CaptionService, store: Store) -> AppState {
        let decodes = config.image.max_concurrent_decodes;
        AppState {
            intake: Intake::new(config.image_limits(), decodes),
            uploads: Arc::new(Semaphore::new(config.server.max_concurrent_uploads)),
            config: Arc::new(config),
            captions,
            store,
        }
    }
}
