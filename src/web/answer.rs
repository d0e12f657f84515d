//! A caption as the API gives it.

use crate::store::{Candidate, StoredCaption, Timings};
use serde::Serialize;

/// A caption, as the API gives it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Answer {
    pub id: String,
    pub caption: String,
    /// Mean log-probability per token: no accuracy.
    pub score: f64,
    /// Best first; the first is `caption`.
    pub candidates: Vec<Candidate>,
    pub model: AnswerModel,
    pub image: AnswerImage,
    /// In milliseconds; of a stored answer, those of its making.
    pub timings_ms: Timings,
    /// True when it was answered from the store.
    pub cached: bool,
    pub created_at: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct AnswerModel {
    pub id: String,
    pub revision: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct AnswerImage {
    pub id: String,
    pub width: u32,
    pub height: u32,
    /// Of the bytes as uploaded.
    pub sha256: String,
}

impl Answer {
    pub(super) fn new(stored: StoredCaption, cached: bool) -> Answer {
        Answer {
            id: stored.id,
            caption: stored.caption,
            score: stored.score,
            candidates: stored.candidates,
            model: AnswerModel { id: stored.model_id, revision: stored.model_revision },
            image: AnswerImage {
                id: stored.image_id,
                width: stored.width,
                height: stored.height,
                sha256: stored.sha256,
            },
            timings_ms: stored.timings,
            cached,
            created_at: stored.created_at,
        }
    }

    /// Only so many candidates.
    pub(super) fn with_candidates(mut self, candidates: usize) -> Answer {
        self.candidates.truncate(candidates);
        self
    }
}
