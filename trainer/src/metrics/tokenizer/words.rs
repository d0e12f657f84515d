//! Tokens that start with a letter: how far each kind of them reaches.

use super::apostrophes::elided_article;
use super::characters::{is_letter, is_word_character, run, starts_with, starts_with_any_case};

/// Short forms whose full stop belongs to them.
#[rustfmt::skip]
const ABBREVIATIONS: &[&str] = &[
    "adj", "adm", "adv", "al", "ala", "alex", "apr", "ariz", "assn", "assoc", "asst", "atty", "attys", "aug", "ave",
    "bancorp", "bhd", "bldg", "blvd", "brig", "bros", "calif", "capt", "cf", "cie", "cmdr", "co", "col", "colo",
    "comdr", "conn", "corp", "cos", "cpl", "ct", "dak", "dec", "dept", "det", "dr", "drs", "elec", "ens", "esq",
    "est", "etc", "ext", "feb", "fla", "fri", "ft", "ga", "gen", "gov", "govs", "hon", "inc", "ind", "insp", "intl",
    "invt", "jan", "jos", "jr", "jul", "jun", "kan", "kans", "ky", "lieut", "lt", "ltd", "maj", "mar", "md",
    "messrs", "mfg", "mich", "minn", "mlle", "mme", "mo", "mon", "mont", "mr", "mrs", "ms", "mt", "mtg", "natl",
    "neb", "nev", "nov", "oct", "okla", "penn", "pfc", "ph", "plc", "pres", "prof", "profs", "pte", "pty", "pvt",
    "rd", "rep", "reps", "rev", "rt", "sen", "sens", "sep", "sept", "seq", "sfc", "sgt", "spc", "sq", "sr", "st",
    "ste", "supt", "sys", "tel", "tenn", "thu", "thurs", "treas", "tue", "tues", "univ", "va", "vs", "vt", "wed",
    "wis", "wisc", "wm", "wyo",
];

/// Those that only count with a capital: in lower case they are words that end sentences.
const CAPITALISED: [&str; 11] = ["ark", "az", "del", "ill", "la", "mass", "miss", "ore", "pa", "tex", "wash"];

/// Those that only count in front of a digit.
const BEFORE_DIGITS: [&str; 9] = ["art", "ca", "fig", "figs", "no", "nos", "op", "pp", "prop"];

/// Letters of the longest of them.
const LONGEST_ABBREVIATION: usize = 7;

/// How far the longest plain token at the start of `text`, which is a letter, reaches.
pub(super) fn longest(text: &[char]) -> usize {
    let word = run(text, is_word_character);
    let joined = with_stop_before_comma(text, joined(text));
    let sentence = with_stop_before_comma(text, with_inner_stops(text, word));
    let candidates = [sentence, abbreviation(text, word), joined, hyphenated(text)];
    let others = [slashed(text), initials_joined(text), sign_after_letters(text)];
    candidates.into_iter().chain(others).max().unwrap_or(word)
}

/// `end.start`, `wow!really`: a missing space after a sentence.
fn with_inner_stops(text: &[char], word: usize) -> usize {
    let mut end = word;
    while matches!(text.get(end), Some('.' | '!' | '?')) && text.get(end + 1).is_some_and(|&next| is_letter(next)) {
        end += 1 + run(&text[end + 1..], is_word_character);
    }
    end
}

/// `u.s.`, `mr.`, `b.`, `no.` before a digit: with the full stop.
fn abbreviation(text: &[char], word: usize) -> usize {
    let initials = initials(text);
    if initials > 0 {
        return initials;
    }
    if starts_with_any_case(text, "ph.d.") {
        return 5;
    }
    let ends_in_stop = text.get(word) == Some(&'.');
    if ends_in_stop && is_abbreviation(&text[..word], &text[word + 1..]) { word + 1 } else { 0 }
}

/// `a.`, `u.s.a.`: single ASCII letters, each with a full stop; but not a single one that ends a sentence.
fn initials(text: &[char]) -> usize {
    let pairs = text.chunks(2).take_while(|pair| matches!(pair, [letter, '.'] if letter.is_ascii_alphabetic()));
    let end = 2 * pairs.count();
    if end == 2 && ends_sentence(&text[2..]) { 0 } else { end }
}

/// Words that, with a capital, show a full stop after a letter to be the end of a sentence.
#[rustfmt::skip]
const SENTENCE_STARTERS: [&str; 43] = [
    "a", "about", "according", "after", "an", "as", "at", "but", "earlier", "he", "her", "here", "however", "if",
    "in", "it", "last", "many", "more", "now", "once", "one", "other", "our", "she", "since", "so", "some", "such",
    "that", "the", "their", "then", "there", "these", "they", "this", "we", "what", "when", "while", "yet", "you",
];

/// Whether the caption is over after a full stop, or goes on with a new sentence.
///
/// The reference reads on into the next line; captions follow each other there, and most of them
/// start a sentence.
fn ends_sentence(after: &[char]) -> bool {
    let spaces = run(after, |next| next == ' ');
    let next = &after[spaces..];
    let word = &next[..run(next, |next| next.is_ascii_alphabetic())];
    let is_starter = || {
        let is = |starter: &&str| starter.len() == word.len() && starts_with_any_case(word, starter);
        word.first().is_some_and(char::is_ascii_uppercase) && SENTENCE_STARTERS.iter().any(is)
    };
    next.is_empty() || spaces > 0 && is_starter()
}

fn is_abbreviation(word: &[char], after: &[char]) -> bool {
    let mut buffer = [0; LONGEST_ABBREVIATION];
    if word.len() > LONGEST_ABBREVIATION || !word.iter().all(char::is_ascii_alphabetic) {
        return false;
    }
    for (place, letter) in buffer.iter_mut().zip(word) {
        *place = letter.to_ascii_lowercase() as u8;
    }
    let Ok(lower) = std::str::from_utf8(&buffer[..word.len()]) else { return false };
    let digit_follows = || after[run(after, |next| next == ' ')..].first().is_some_and(char::is_ascii_digit);
    ABBREVIATIONS.binary_search(&lower).is_ok()
        || word[0].is_ascii_uppercase() && CAPITALISED.contains(&lower)
        || BEFORE_DIGITS.contains(&lower) && digit_follows()
}

/// `café-style`, `foo_bar`, `five-o'clock`: words of any script joined by single hyphens or low lines.
pub(super) fn joined(text: &[char]) -> usize {
    let part = |text: &[char]| {
        let prefix = elided_article(text);
        prefix + run(&text[prefix..], is_word_character)
    };
    let mut end = part(text);
    while matches!(text.get(end), Some('-' | '_')) {
        let more = part(&text[end + 1..]);
        if more == 0 {
            break;
        }
        end += 1 + more;
    }
    end
}

/// A full stop right before a comma, colon or semicolon ends no sentence: it belongs to the word.
pub(super) fn with_stop_before_comma(text: &[char], word: usize) -> usize {
    let belongs = word > 0 && matches!(text.get(word..), Some(['.', ',' | ';' | ':', ..]));
    word + usize::from(belongs)
}

/// `red-and-white`, `3.5-inch`, `corner.4-5`: ASCII words, the first with stops or commas inside.
pub(super) fn hyphenated(text: &[char]) -> usize {
    let first = run(text, |next| next.is_ascii_alphanumeric() || next == '.' || next == ',');
    let mut end = 0;
    if text.first().is_some_and(char::is_ascii_alphanumeric) {
        let mut place = first;
        while text.get(place) == Some(&'-') {
            let rest = &text[place + 1..];
            let part = run(rest, |next| next.is_ascii_alphanumeric()).max(initials(rest));
            if part == 0 {
                break;
            }
            place += 1 + part;
            end = place;
        }
    }
    end
}

/// `and/or`, `pick-up/drop-off`: up to three parts, each with up to two hyphens.
pub(super) fn slashed(text: &[char]) -> usize {
    let part = |text: &[char]| {
        let mut end = run(text, |next| next.is_ascii_alphanumeric());
        for _ in 0..2 {
            let more = text.get(end + 1..).map_or(0, |rest| run(rest, |next| next.is_ascii_alphabetic()));
            if end == 0 || more == 0 || text[end] != '-' {
                break;
            }
            end += 1 + more;
        }
        end
    };
    let mut place = part(text);
    let mut end = 0;
    for _ in 0..2 {
        let slash = if starts_with(&text[place..], "\\/") { 2 } else { 1 };
        let more = text.get(place + slash..).map_or(0, part);
        if place == 0 || more == 0 || text[place + slash - 1] != '/' {
            break;
        }
        place += slash + more;
        end = place;
    }
    end
}

/// `AT&T`, `R+B`: capitals joined by `&` or `+`.
fn initials_joined(text: &[char]) -> usize {
    let capitals = |text: &[char]| run(text, |next| next.is_ascii_uppercase());
    let mut place = capitals(text);
    let mut end = 0;
    loop {
        let sign = match text.get(place) {
            Some('&') if starts_with(&text[place..], "&amp;") => 5,
            Some('&' | '+') => 1,
            _ => return end,
        };
        let more = capitals(&text[place + sign..]);
        if place == 0 || more == 0 {
            return end;
        }
        place += sign + more;
        end = place;
    }
}

/// `C++`, `US$`.
fn sign_after_letters(text: &[char]) -> usize {
    if starts_with_any_case(text, "c++") {
        return 3;
    }
    let capitals = run(text, |next| next.is_ascii_uppercase());
    if (1..=2).contains(&capitals) && text.get(capitals) == Some(&'$') { capitals + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_sorted_for_the_search_and_fit_its_buffer() {
        assert!(ABBREVIATIONS.is_sorted());
        let longest = [ABBREVIATIONS, &CAPITALISED, &BEFORE_DIGITS].concat().into_iter().map(str::len).max();
        assert_eq!(longest, Some(LONGEST_ABBREVIATION));
    }
}
