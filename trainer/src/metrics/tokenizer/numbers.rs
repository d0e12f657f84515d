//! Tokens of digits: numbers, fractions, telephone numbers.

use super::characters::run;

fn digits(text: &[char]) -> usize {
    run(text, |next| next.is_ascii_digit())
}

/// `5`, `-5`, `10,000`, `.90`, `12:30`, `1.2.3`: its length at the start of `text`; else 0.
pub(super) fn number(text: &[char]) -> usize {
    let sign = usize::from(matches!(text.first(), Some('-' | '+')));
    let mut end = sign + digits(&text[sign..]);
    while matches!(text.get(end), Some('.' | ':' | ',')) {
        let more = digits(&text[end + 1..]);
        if more == 0 {
            break;
        }
        end += 1 + more;
    }
    if end > sign { end } else { 0 }
}

/// `1/2`, `1 1/2`, `1-1/2`: up to four digits each.
pub(super) fn fraction(text: &[char]) -> usize {
    let mut best = simple_fraction(text);
    let whole = digits(text);
    if (1..=4).contains(&whole) && matches!(text.get(whole), Some(' ' | '-' | '\u{a0}')) {
        let part = simple_fraction(&text[whole + 1..]);
        if part > 0 {
            best = best.max(whole + 1 + part);
        }
    }
    best
}

fn simple_fraction(text: &[char]) -> usize {
    let numerator = digits(text);
    if !(1..=4).contains(&numerator) {
        return 0;
    }
    let bar = match text.get(numerator..) {
        Some(['/' | '\u{2044}', ..]) => 1,
        Some(['\\', '/', ..]) => 2,
        _ => return 0,
    };
    let denominator = digits(&text[numerator + bar..]).min(4);
    if denominator > 0 { numerator + bar + denominator } else { 0 }
}

/// A piece of a telephone number: so many digits, then one of these separators (or, if `optional`, none).
struct Piece {
    digits: (usize, usize),
    separators: &'static [char],
    optional: bool,
}

const GAPS: &[char] = &['-', ' ', '\u{a0}'];

const fn piece(least: usize, most: usize, separators: &'static [char], optional: bool) -> Piece {
    Piece { digits: (least, most), separators, optional }
}

const AREA: Piece = piece(2, 4, GAPS, false);
const LAST: Piece = piece(3, 5, &[], true);
const EXCHANGE: Piece = piece(3, 4, GAPS, true);
const PLAIN: [Piece; 3] = [AREA, EXCHANGE, LAST];
const WITH_COUNTRY: [Piece; 4] = [AREA, AREA, EXCHANGE, LAST];
const IN_BRACKETS: [Piece; 2] = [EXCHANGE, LAST];
const DOTTED: [Piece; 3] = [piece(2, 4, &['.'], false), piece(3, 4, &['.'], false), LAST];
const DOTTED_COUNTRY: [Piece; 4] =
    [piece(2, 4, &['.'], false), piece(2, 4, &['.'], false), piece(3, 4, &['.'], false), LAST];

/// `555-1234`, `800 555 1234`, `(555) 123-4567`: its length at the start of `text`; else 0.
pub(super) fn telephone(text: &[char]) -> usize {
    if text.first() == Some(&'(') {
        let area = digits(&text[1..]);
        if !(2..=3).contains(&area) || text.get(1 + area) != Some(&')') {
            return 0;
        }
        let gap = usize::from(matches!(text.get(2 + area), Some(' ' | '\u{a0}')));
        let start = 2 + area + gap;
        return longest_of(&text[start..], &IN_BRACKETS).map_or(0, |length| start + length);
    }
    let plus = run(text, |next| next == '+').min(2);
    let forms: [&[Piece]; 4] = [&PLAIN, &WITH_COUNTRY, &DOTTED, &DOTTED_COUNTRY];
    let lengths = forms.into_iter().filter_map(|form| longest_of(&text[plus..], form));
    lengths.max().map_or(0, |length| plus + length)
}

/// The longest way in which `text` starts with these pieces.
fn longest_of(text: &[char], pieces: &[Piece]) -> Option<usize> {
    let Some((piece, rest)) = pieces.split_first() else { return Some(0) };
    let (least, most) = piece.digits;
    let available = digits(text).min(most);
    let mut best = None;
    for count in least..=available {
        let separated = text.get(count).is_some_and(|next| piece.separators.contains(next));
        for gap in [separated.then_some(1), piece.optional.then_some(0)].into_iter().flatten() {
            let length = longest_of(&text[count + gap..], rest).map(|more| count + gap + more);
            best = best.max(length);
        }
    }
    best
}
