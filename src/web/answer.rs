//! A caption as the API gives it.

use crate::store::{Candidate, StoredCaption, Timings};
use serde::Serialize;

/// A caption, as the API gives it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Answer {
    pub id: String,
    /// What a person made of it, where someone did; else the model's best.
    pub caption: String,
    /// The model's best.
    pub generated_caption: String,
    /// When a person changed the words.
    pub edited_at: Option<String>,
    /// Mean log-probability per token of the model's best: no accuracy.
    pub score: f64,
    /// The model's, best first.
    pub candidates: Vec<Candidate>,
    pub model: AnswerModel,
    pub image: AnswerImage,
    /// In milliseconds; of a stored answer, those of its making.
    pub timings_ms: Timings,
    /// Of an answer to a photo: true when the store had it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
    pub created_at: String,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AnswerModel {
    pub id: String,
    pub revision: String,
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AnswerImage {
    pub id: String,
    pub width: u32,
    pub height: u32,
    /// Of the bytes as uploaded.
    pub sha256: String,
    /// The newest name that it was uploaded under.
    pub file_name: Option<String>,
}

impl Answer {
    /// The answer to a photo; `cached` when it was made before.
    pub(super) fn new(stored: StoredCaption, cached: bool) -> Answer {
        Answer { cached: Some(cached), ..Answer::kept(stored) }
    }

    /// A past caption.
    pub(super) fn kept(stored: StoredCaption) -> Answer {
        Answer {
            id: stored.id,
            caption: stored.edited.unwrap_or_else(|| stored.caption.clone()),
            generated_caption: stored.caption,
            edited_at: stored.edited_at,
            score: stored.score,
            candidates: stored.candidates,
            model: AnswerModel { id: stored.model_id, revision: stored.model_revision },
            image: AnswerImage {
                id: stored.image_id,
                width: stored.width,
                height: stored.height,
                sha256: stored.sha256,
                file_name: stored.file_name,
            },
            timings_ms: stored.timings,
            cached: None,
            created_at: stored.created_at,
        }
    }

    /// Only so many candidates.
    pub(super) fn with_candidates(mut self, candidates: usize) -> Answer {
        self.candidates.truncate(candidates);
        self
    }
}
