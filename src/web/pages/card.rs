//! A caption as a card: in the history and among the recent ones.

use super::words::{minute_text, score_text};
use crate::store::StoredCaption;

/// Context of `templates/caption_card.html`.
pub(super) struct CaptionCard {
    pub id: String,
    /// Of the caption's page.
    pub address: String,
    pub image_id: String,
    /// The words shown: those of a person where there are any.
    pub caption: String,
    pub edited: bool,
    pub file_name: Option<String>,
    pub score_text: String,
    pub created_at: String,
    pub created_text: String,
    /// Of the thumbnail.
    pub width: u32,
    pub height: u32,
}

impl CaptionCard {
    pub(super) fn new(stored: StoredCaption, thumbnail_side: u32) -> CaptionCard {
        let (width, height) = thumbnail_size(stored.width, stored.height, thumbnail_side);
        CaptionCard {
            caption: stored.shown().to_owned(),
            edited: stored.edited.is_some(),
            score_text: score_text(stored.score),
            created_text: minute_text(&stored.created_at),
            address: format!("/captions/{}", stored.id),
            id: stored.id,
            image_id: stored.image_id,
            file_name: stored.file_name,
            created_at: stored.created_at,
            width,
            height,
        }
    }
}

/// The box of a thumbnail: its aspect kept, never enlarged.
fn thumbnail_size(width: u32, height: u32, side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= side {
        return (width, height);
    }
    let scale = f64::from(side) / f64::from(longer);
    let scaled = |length: u32| (f64::from(length) * scale).round().max(1.0) as u32;
    (scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_keep_their_aspect_and_are_never_enlarged() {
        assert_eq!(thumbnail_size(4000, 3000, 480), (480, 360));
        assert_eq!(thumbnail_size(3000, 4000, 480), (360, 480));
        assert_eq!(thumbnail_size(100, 50, 480), (100, 50));
        assert_eq!(thumbnail_size(100_000, 1, 480), (480, 1));
    }
}
