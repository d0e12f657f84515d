//! Where the captions of an export come from: a page at a time, so that no export holds all of them in memory.

use crate::store::{CaptionFilter, Store, StoreError, StoredCaption};

/// Captions in memory at the same time.
const PAGE: usize = 500;

/// Captions still to come, newest first.
pub(super) enum Source {
    /// What a filter lets through.
    Found {
        filter: CaptionFilter,
        /// Older than this one.
        before: Option<String>,
    },
    /// Those with these ids, of which the last ones are the newest.
    Named(Vec<String>),
}

impl Source {
    pub(super) fn found(filter: CaptionFilter) -> Source {
        Source::Found { filter, before: None }
    }

    pub(super) fn named(mut ids: Vec<String>) -> Source {
        // Ids sort by age.
        ids.sort_unstable();
        ids.dedup();
        Source::Named(ids)
    }

    /// The next page, and where what follows comes from.
    pub(super) async fn page(self, store: &Store) -> Result<(Vec<StoredCaption>, Option<Source>), StoreError> {
        match self {
            Source::Found { filter, before } => {
                let page = store.captions(&filter, PAGE as u32, before.as_deref()).await?;
                let last = page.last().filter(|_| page.len() == PAGE).map(|last| last.id.clone());
                Ok((page, last.map(|last| Source::Found { filter, before: Some(last) })))
            }
            Source::Named(mut ids) => {
                let newest = ids.split_off(ids.len().saturating_sub(PAGE));
                let page = store.captions_with_ids(&newest).await?;
                Ok((page, (!ids.is_empty()).then_some(Source::Named(ids))))
            }
        }
    }
}
