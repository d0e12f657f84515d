//! Which caption of a search comes first: one that says a thing twice gives way to one that does not.

use super::Caption;
use crate::data::caption_text::words;
use crate::metrics::artefacts::OPEN_ENDED;

/// Moves captions that say a thing twice behind the others; else the search's order stays.
///
/// Training on CIDEr-D rewards them now and then ("a man riding a bike on a bike"), and among the beams there is mostly
/// another one. What it gives the bundled model: docs/TRAINING.md.
pub(super) fn unrepeated_first(captions: &mut [Caption]) {
    captions.sort_by_cached_key(|caption| says_twice(&caption.caption));
}

/// Whether a word stands twice in a row, or twice after the same word; articles, prepositions and the like may do the
/// latter ("a boy in a hat and a girl in a coat").
fn says_twice(caption: &str) -> bool {
    let words = words(caption);
    let pairs: Vec<&[String]> = words.windows(2).collect();
    pairs.iter().enumerate().any(|(place, pair)| {
        let again = !OPEN_ENDED.contains(&pair[1].as_str()) && pairs[..place].contains(pair);
        pair[0] == pair[1] || again
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_is_seen() {
        assert!(says_twice("A man is riding a bike on a bike."));
        assert!(says_twice("Two people are standing in the water in the water."));
        assert!(says_twice("A black black dog."));
        assert!(!says_twice("A boy in a hat and a girl in a coat."));
        assert!(!says_twice("A black dog and a brown dog."));
        assert!(!says_twice(""));
    }

    #[test]
    fn captions_without_repetition_come_first_in_their_order() {
        let caption = |text: &str| Caption { caption: text.into(), score: 0., tokens: vec![], log_probs: vec![] };
        let mut found = ["A dog on a dog.", "A dog.", "A cat and a cat.", "A cat."].map(caption);
        unrepeated_first(&mut found);
        assert_eq!(found.map(|caption| caption.caption), ["A dog.", "A cat.", "A dog on a dog.", "A cat and a cat."]);
    }
}
