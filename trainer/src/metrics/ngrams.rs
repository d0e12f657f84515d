//! Words as numbers, and the n-grams of a caption with their counts.

use std::collections::HashMap;

/// Longest n-gram that is counted.
pub const MAX_ORDER: usize = 4;

/// No word: fills up n-grams shorter than [`MAX_ORDER`].
const NONE: u32 = 0;

/// One to four words by number, filled up with [`NONE`]; a plain key that needs no memory of its own.
pub type NGram = [u32; MAX_ORDER];

/// How many words an n-gram has, less one.
pub(super) fn order(ngram: &NGram) -> usize {
    ngram.iter().rposition(|&word| word != NONE).unwrap_or(0)
}

/// Numbers for words, counted from 1.
#[derive(Clone, Debug, Default)]
pub struct Words {
    ids: HashMap<String, u32, foldhash::fast::FixedState>,
}

impl Words {
    /// Numbers of these words; new ones get the next.
    pub fn intern<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> Vec<u32> {
        words.map(|word| self.id(word)).collect()
    }

    fn id(&mut self, word: &str) -> u32 {
        if let Some(&id) = self.ids.get(word) {
            return id;
        }
        let id = self.ids.len() as u32 + 1;
        self.ids.insert(word.to_owned(), id);
        id
    }

    /// Numbers of these words without keeping new ones: those are numbered for this caption alone.
    pub fn lookup<'a>(&self, words: impl Iterator<Item = &'a str>) -> Vec<u32> {
        let mut unknown: Vec<&str> = Vec::new();
        let mut number_of_unknown = |word| {
            let place = unknown.iter().position(|&known| known == word).unwrap_or_else(|| {
                unknown.push(word);
                unknown.len() - 1
            });
            (self.ids.len() + 1 + place) as u32
        };
        words.map(|word| self.ids.get(word).copied().unwrap_or_else(|| number_of_unknown(word))).collect()
    }
}

/// The n-grams of one caption, of one to four words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NGrams {
    /// Words of the caption.
    words: usize,
    /// Each n-gram once with its count, in ascending order, so that two captions are compared side by side.
    counts: Vec<(NGram, u32)>,
}

impl NGrams {
    /// Counts the n-grams of a caption.
    pub fn of(words: &[u32]) -> Self {
        let mut all = Vec::with_capacity(MAX_ORDER * words.len());
        for start in 0..words.len() {
            let mut ngram = [NONE; MAX_ORDER];
            for (order, &word) in words[start..].iter().take(MAX_ORDER).enumerate() {
                ngram[order] = word;
                all.push(ngram);
            }
        }
        all.sort_unstable();
        let mut counts: Vec<(NGram, u32)> = Vec::with_capacity(all.len());
        for ngram in all {
            match counts.last_mut() {
                Some((last, count)) if *last == ngram => *count += 1,
                _ => counts.push((ngram, 1)),
            }
        }
        NGrams { words: words.len(), counts }
    }

    /// Words of the caption.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Each n-gram with its count, in ascending order.
    pub fn counts(&self) -> &[(NGram, u32)] {
        &self.counts
    }
}

/// Calls `both` with the values of every key that both ascending lists have, and its place in the first.
pub(super) fn for_shared<A, B>(first: &[(NGram, A)], second: &[(NGram, B)], mut both: impl FnMut(usize, &A, &B)) {
    let mut rest = second;
    for (place, (ngram, value)) in first.iter().enumerate() {
        let skipped = rest.iter().take_while(|(other, _)| other < ngram).count();
        rest = &rest[skipped..];
        if let Some((other, other_value)) = rest.first()
            && other == ngram
        {
            both(place, value, other_value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ngrams_are_counted_once_each() {
        let ngrams = NGrams::of(&[1, 2, 1]);
        let expected = [([1, 0, 0, 0], 2), ([1, 2, 0, 0], 1), ([1, 2, 1, 0], 1), ([2, 0, 0, 0], 1), ([2, 1, 0, 0], 1)];
        assert_eq!(ngrams.counts(), expected);
        assert_eq!(ngrams.words(), 3);
        assert_eq!(ngrams.counts().iter().map(|(ngram, _)| order(ngram)).collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
    }

    #[test]
    fn unknown_words_differ_from_known_ones_and_from_each_other() {
        let mut words = Words::default();
        assert_eq!(words.intern(["a", "dog", "a"].into_iter()), [1, 2, 1]);
        assert_eq!(words.lookup(["cat", "a", "cow", "cat"].into_iter()), [3, 1, 4, 3]);
        assert_eq!(words.intern(["cow"].into_iter()), [3]);
    }

    #[test]
    fn shared_keys_are_found_in_both_lists() {
        let (first, second) = (NGrams::of(&[1, 2, 3]), NGrams::of(&[2, 3, 2]));
        let mut shared = Vec::new();
        for_shared(first.counts(), second.counts(), |place, ours, theirs| shared.push((place, *ours, *theirs)));
        assert_eq!(shared, [(3, 1, 2), (4, 1, 1), (5, 1, 1)]);
    }
}
