//! What training on rewards may leave behind, and no metric shows: captions that break off, and words said twice.
//!
//! CIDEr-D rewards common endings of n-grams, so that models trained on it like to end in "a" or "of a" (Luo et al.,
//! 2018; SacreEOS, 2023).

use serde::Serialize;

/// No caption ends in one of these: articles, prepositions that want a noun, conjunctions, auxiliaries, possessives.
pub(crate) const OPEN_ENDED: [&str; 30] = [
    "a", "an", "the", "of", "in", "on", "at", "to", "with", "by", "for", "from", "into", "onto", "and", "or", "but",
    "while", "as", "that", "is", "are", "be", "his", "her", "its", "their", "this", "another", "some",
];

/// Words in a row that are not said twice in a good caption ("a man in a red hat and a man in a red hat").
const LONG_REPEAT: usize = 3;

/// How many captions have which fault; one may have both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Artefacts {
    /// The last word wants another after it, or there is no word.
    pub unfinished: usize,
    /// A word stands twice in a row, or three words in a row stand in it twice.
    pub repeated: usize,
}

impl Artefacts {
    /// Counts them in tokenised captions: words in lower case between spaces.
    pub fn of<'a>(captions: impl IntoIterator<Item = &'a str>) -> Self {
        let mut counts = Artefacts::default();
        for caption in captions {
            let words: Vec<&str> = caption.split(' ').filter(|word| !word.is_empty()).collect();
            counts.unfinished += usize::from(words.last().is_none_or(|last| OPEN_ENDED.contains(last)));
            counts.repeated += usize::from(repeats(&words));
        }
        counts
    }
}

fn repeats(words: &[&str]) -> bool {
    let in_a_row = words.windows(2).any(|pair| pair[0] == pair[1]);
    let runs: Vec<&[&str]> = words.windows(LONG_REPEAT).collect();
    in_a_row || runs.iter().enumerate().any(|(place, run)| runs[..place].contains(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_that_break_off_or_say_things_twice_are_counted() {
        let counts = |caption: &str| {
            let Artefacts { unfinished, repeated } = Artefacts::of([caption]);
            (unfinished, repeated)
        };
        assert_eq!(counts("a dog runs in the grass"), (0, 0));
        assert_eq!(counts("two dogs play with a toy in a field"), (0, 0));
        assert_eq!(counts("a dog runs in the"), (1, 0));
        assert_eq!(counts("a man in front of a"), (1, 0));
        assert_eq!(counts(""), (1, 0));
        assert_eq!(counts("a black black dog"), (0, 1));
        assert_eq!(counts("a man in a hat and a man in a car"), (0, 1));
        let all = Artefacts::of(["the the", "a cat sits on a", "a cat sits"]);
        assert_eq!(all, Artefacts { unfinished: 2, repeated: 1 });
    }
}
