//! Words with an apostrophe: what is split off, and what stays whole.

use super::characters::{ascii_letter_follows, is_apostrophe, is_letter, run, starts_with_any_case};

/// Length of `'s`, `'d`, `'re`, … at the start of `text`, if nothing that is a letter follows; else 0.
pub(super) fn auxiliary(text: &[char]) -> usize {
    let Some((&first, rest)) = text.split_first() else { return 0 };
    if !is_apostrophe(first) || first == '`' {
        return 0;
    }
    let letters = match rest {
        [letter, ..] if "msdMSD".contains(*letter) && !ascii_letter_follows(&rest[1..]) => 1,
        ['r' | 'R', 'e' | 'E', ..] | ['v' | 'V', 'e' | 'E', ..] | ['l' | 'L', 'l' | 'L', ..] => 2,
        _ => return 0,
    };
    if ascii_letter_follows(&rest[letters..]) { 0 } else { 1 + letters }
}

/// Where `text` starts with letters before `n't`, their number; so that `didn't` gives 3, `n't` 0.
pub(super) fn before_not(text: &[char]) -> Option<usize> {
    let letters = run(text, |next| next.is_ascii_alphabetic());
    let [n, apostrophe, t, ..] = text.get(letters.checked_sub(1)?..)? else { return None };
    let is_not = n.eq_ignore_ascii_case(&'n') && is_apostrophe(*apostrophe) && t.eq_ignore_ascii_case(&'t');
    (is_not && !ascii_letter_follows(&text[letters + 2..])).then_some(letters - 1)
}

/// `d'` of `d'art`, `o'` of `o'clock`: its length where a word follows; else 0.
pub(super) fn elided_article(text: &[char]) -> usize {
    let elided = matches!(text, ['d' | 'D' | 'o' | 'O' | 'l' | 'L', apostrophe, next, ..]
        if is_apostrophe(*apostrophe) && next.is_ascii_alphanumeric());
    if elided { 2 } else { 0 }
}

/// Words that start with an apostrophe and keep it.
const LEADING: [&str; 4] = ["cause", "em", "till", "til"];

/// Length of `'em`, `'n'`, `'90s` at the start of `text`, which is an apostrophe; else 0.
pub(super) fn leading(text: &[char]) -> usize {
    let rest = &text[1..];
    if let [decade, '0', 's', ..] = rest
        && ('2'..='9').contains(decade)
    {
        return 4;
    }
    if let ['n' | 'N', after @ ..] = rest {
        return match after.first() {
            Some(&next) if is_apostrophe(next) => 3,
            None | Some(' ') => 2,
            _ => 0,
        };
    }
    LEADING.iter().find(|word| starts_with_any_case(rest, word)).map_or(0, |word| 1 + word.len())
}

/// Words that keep an apostrophe inside or at the end.
const WHOLE: [&str; 13] = [
    "c'mon",
    "dunkin'",
    "e'er",
    "ev'ry",
    "li'l",
    "nat'l",
    "nor'easter",
    "o'o",
    "ol'",
    "s'mores",
    "somethin'",
    "y'",
    "d'ye",
];

/// Length of `dunkin'`, `ma'am`, `B'way` at the start of `text`, which is a letter; else 0.
pub(super) fn whole(text: &[char]) -> usize {
    let listed = WHOLE.iter().filter(|word| starts_with_any_case(&straight(text), word)).map(|word| word.len()).max();
    [listed.unwrap_or(0), lone_elision(text), capital_first(text), between_vowels(text)].into_iter().max().unwrap_or(0)
}

/// The first letters with a straight apostrophe for each kind of it.
fn straight(text: &[char]) -> [char; 10] {
    let mut letters = ['\0'; 10];
    for (place, &letter) in letters.iter_mut().zip(text) {
        *place = if is_apostrophe(letter) && letter != '`' { '\'' } else { letter };
    }
    letters
}

/// `d'`, `l'`, `j'`.
fn lone_elision(text: &[char]) -> usize {
    let elided = matches!(text, ['d' | 'D' | 'l' | 'L' | 'j' | 'J', apostrophe, ..] if is_apostrophe(*apostrophe));
    if elided { 2 } else { 0 }
}

/// `B'way`, `K'nex`, `O'Hare`.
fn capital_first(text: &[char]) -> usize {
    match text {
        ['A'..='H' | 'J'..='X' | 'Z' | 'n', apostrophe, rest @ ..] if is_apostrophe(*apostrophe) => {
            let letters = run(rest, is_letter);
            if letters >= 2 { 2 + letters } else { 0 }
        }
        _ => 0,
    }
}

/// `ma'am`, `Hawai'i`: a vowel before the apostrophe, one or a capital after it.
fn between_vowels(text: &[char]) -> usize {
    let before = run(text, is_letter);
    let vowel_before = before > 1 && "aeiouyAEIOUY".contains(text[before - 1]);
    match text.get(before..) {
        Some([apostrophe, next, ..])
            if vowel_before && is_apostrophe(*apostrophe) && ("aeiou".contains(*next) || next.is_ascii_uppercase()) =>
        {
            before + 1 + run(&text[before + 1..], is_letter)
        }
        _ => 0,
    }
}
