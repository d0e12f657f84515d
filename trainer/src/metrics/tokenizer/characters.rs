//! Kinds of characters.

/// What a character is to the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of words: letters, digits and marks of any script.
    Word,
    /// A token of its own.
    Symbol,
    /// A token of its own, written as another text.
    Written(&'static str),
    /// Separates words and leaves nothing: spaces, what is dropped as punctuation, what the
    /// reference cannot read.
    Separator,
}

/// The kind of a character where no longer rule applies.
pub(super) fn kind(character: char) -> Kind {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | SOFT_HYPHEN => Kind::Word,
        '(' => Kind::Written("-lrb-"),
        ')' => Kind::Written("-rrb-"),
        '[' => Kind::Written("-lsb-"),
        ']' => Kind::Written("-rsb-"),
        '{' => Kind::Written("-lcb-"),
        '}' => Kind::Written("-rcb-"),
        '\u{a2}' => Kind::Written("cents"),
        '\u{a3}' => Kind::Written("#"),
        '\u{80}' | '\u{a4}' | '\u{20a0}' | '\u{20ac}' => Kind::Written("$"),
        '\u{bc}' => Kind::Written("1/4"),
        '\u{bd}' => Kind::Written("1/2"),
        '\u{be}' => Kind::Written("3/4"),
        '\u{2153}' => Kind::Written("1/3"),
        '\u{2154}' => Kind::Written("2/3"),
        '#'..='&' | '*' | '+' | '/' | '<'..='>' | '@' | '\\' | '^' | '_' | '|' | '~' => Kind::Symbol,
        _ if character.is_ascii() => Kind::Separator,
        _ if is_symbol(character) => Kind::Symbol,
        _ if is_word(character) => Kind::Word,
        _ => Kind::Separator,
    }
}

/// Invisible in words.
pub(super) const SOFT_HYPHEN: char = '\u{ad}';

/// What may follow a vowel sign in scripts that have no letter for it is not alphabetic to Unicode.
fn is_word(character: char) -> bool {
    let supplementary = character as u32 > 0xffff;
    !supplementary && (character.is_alphabetic() || character.is_numeric() || is_mark(character))
}

/// Accents that follow their letter, and the viramas of Indian scripts.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{94d}' | '\u{9cd}' | '\u{a4d}' | '\u{acd}' | '\u{bcd}' | '\u{e31}'..='\u{e4e}')
}

/// Signs outside ASCII that the reference keeps.
fn is_symbol(character: char) -> bool {
    matches!(
        character,
        '\u{a1}' | '\u{a5}'..='\u{a9}' | '\u{ac}' | '\u{ae}'..='\u{b4}' | '\u{b6}'..='\u{b9}' | '\u{bf}'
            | '\u{d7}' | '\u{f7}' | '\u{37e}' | '\u{387}' | '\u{e3f}' | '\u{2016}' | '\u{2017}'
            | '\u{201a}' | '\u{201e}'..='\u{2023}' | '\u{2030}'..='\u{2038}' | '\u{203b}'
            | '\u{203e}'..='\u{2042}' | '\u{2044}' | '\u{2070}' | '\u{2074}'..='\u{207e}'
            | '\u{2080}'..='\u{208e}' | '\u{20a4}' | '\u{2103}' | '\u{2109}' | '\u{2116}'..='\u{2118}'
            | '\u{211e}'..='\u{2123}' | '\u{2155}'..='\u{215e}' | '\u{2190}'..='\u{2bff}' | '\u{3001}'
            | '\u{3002}' | '\u{30fb}' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}'
            | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}' | '\u{ffe0}' | '\u{ffe1}' | '\u{ffe5}' | '\u{ffe6}'
    )
}

/// An apostrophe: straight, curly either way, or a backtick.
pub(super) fn is_apostrophe(character: char) -> bool {
    matches!(character, '\'' | '\u{2018}' | '\u{2019}' | '`' | '\u{91}' | '\u{92}')
}

/// Whether words may contain it.
pub(super) fn is_word_character(character: char) -> bool {
    kind(character) == Kind::Word
}

/// A letter of any script, or a soft hyphen.
pub(super) fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || !character.is_ascii() && is_word_character(character) && !character.is_numeric()
}

/// How many characters from the start of `text` satisfy `test`.
pub(super) fn run(text: &[char], test: impl Fn(char) -> bool) -> usize {
    text.iter().position(|&character| !test(character)).unwrap_or(text.len())
}

/// Whether `text` starts with `prefix`.
pub(super) fn starts_with(text: &[char], prefix: &str) -> bool {
    prefix.chars().enumerate().all(|(place, character)| text.get(place) == Some(&character))
}

/// Whether `text` starts with the lower-case ASCII `prefix` in any case.
pub(super) fn starts_with_any_case(text: &[char], prefix: &str) -> bool {
    prefix
        .chars()
        .enumerate()
        .all(|(place, character)| text.get(place).is_some_and(|found| found.to_ascii_lowercase() == character))
}

/// Whether an ASCII letter stands at the start of `text`.
pub(super) fn ascii_letter_follows(text: &[char]) -> bool {
    text.first().is_some_and(char::is_ascii_alphabetic)
}
