//! Goes through a caption once and hands out its words.

use super::characters::{
    Kind, SOFT_HYPHEN, is_apostrophe, is_word_character, kind, run, starts_with, starts_with_any_case,
};
use super::{apostrophes, numbers, symbols, words};

/// A caption on its way to words.
pub(super) struct Scanner<'a> {
    text: &'a [char],
    /// The word being written, kept for its memory.
    word: String,
}

/// Words that are two.
const TWO_WORDS: [(&str, usize); 6] =
    [("cannot", 3), ("gimme", 3), ("gonna", 3), ("gotta", 3), ("lemme", 3), ("wanna", 3)];

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [char]) -> Self {
        Scanner { text, word: String::new() }
    }

    /// Calls `emit` with every word, in order.
    pub(super) fn run(mut self, mut emit: impl FnMut(&str)) {
        let mut rest = self.text;
        while let Some(&first) = rest.first() {
            let length = match first {
                'a'..='z' | 'A'..='Z' => self.letters(rest, &mut emit),
                '0'..='9' => self.digits(rest, &mut emit),
                first if first.is_whitespace() => 1,
                first if is_apostrophe(first) => self.apostrophe(rest, &mut emit),
                first if is_word_character(first) => self.letters(rest, &mut emit),
                first => self.sign(first, rest, &mut emit),
            };
            rest = &rest[length..];
        }
    }

    fn letters(&mut self, text: &[char], emit: &mut impl FnMut(&str)) -> usize {
        let plain = run(text, |next| next.is_ascii_alphabetic());
        let length = if plain > 0 && text.get(plain).is_none_or(|&next| next == ' ') { plain } else { word_end(text) };
        self.emit_word(&text[..length], emit);
        length
    }

    fn digits(&mut self, text: &[char], emit: &mut impl FnMut(&str)) -> usize {
        let alone = run(text, is_word_character);
        let candidates = [alone, numbers::number(text), numbers::fraction(text), numbers::telephone(text)];
        let plain = words::with_stop_before_comma(text, words::joined(text));
        let joined = [plain, words::hyphenated(text), words::slashed(text), symbols::mail_address(text)];
        let length = candidates.into_iter().chain(joined).max().unwrap_or(alone);
        self.emit(&text[..length], emit);
        length
    }

    fn apostrophe(&mut self, text: &[char], emit: &mut impl FnMut(&str)) -> usize {
        if text[0] == '\'' && text.get(1) == Some(&'\'') {
            return 2;
        }
        if ["'tis", "'twas"].iter().any(|word| starts_with_any_case(text, word)) {
            self.emit(&text[..2], emit);
            return 2;
        }
        let length = [apostrophes::auxiliary(text), apostrophes::leading(text), symbols::upright_face(text)];
        let length = length.into_iter().max().unwrap_or(0);
        if length > 0 {
            self.emit(&text[..length], emit);
        }
        length.max(1)
    }

    /// Everything else: signs alone or together, and what starts with one.
    fn sign(&mut self, first: char, text: &[char], emit: &mut impl FnMut(&str)) -> usize {
        if let Some((length, meaning)) = symbols::entity(text) {
            if !meaning.is_empty() {
                emit(meaning);
            }
            return length;
        }
        let faces = [symbols::face(text), symbols::upright_face(text)];
        let others = [symbols::tag(text), symbols::mention(text), symbols::repeated(text)];
        let numbers = [numbers::number(text), numbers::telephone(text)];
        let length = faces.into_iter().chain(others).chain(numbers).max().unwrap_or(0);
        let dropped = match kind(first) {
            _ if length > 1 => is_dropped_run(&text[..length]),
            Kind::Separator => true,
            Kind::Word | Kind::Symbol | Kind::Written(_) => false,
        };
        if !dropped {
            self.emit(&text[..length.max(1)], emit);
        }
        length.max(1)
    }

    /// Emits a token of letters, as two words where it is one of those.
    fn emit_word(&mut self, token: &[char], emit: &mut impl FnMut(&str)) {
        let two = TWO_WORDS.iter().find(|(word, _)| word.len() == token.len() && starts_with_any_case(token, word));
        match two {
            Some(&(_, first)) => {
                self.emit(&token[..first], emit);
                self.emit(&token[first..], emit);
            }
            None => self.emit(token, emit),
        }
    }

    /// Emits a token in lower case, with the reference's spelling of brackets, spaces and quotes.
    fn emit(&mut self, token: &[char], emit: &mut impl FnMut(&str)) {
        self.word.clear();
        let mut rest = token;
        while let Some((&character, after)) = rest.split_first() {
            rest = if starts_with(rest, "&amp;") { &rest[5..] } else { after };
            match character {
                'a'..='z' | '0'..='9' => self.word.push(character),
                'A'..='Z' => self.word.push(character.to_ascii_lowercase()),
                SOFT_HYPHEN => {}
                ' ' => self.word.push('\u{a0}'),
                '\u{2018}' | '\u{2019}' | '\u{91}' | '\u{92}' => self.word.push('\''),
                '[' | ']' | '{' | '}' if token.len() > 1 => self.word.push(character),
                _ => match kind(character) {
                    Kind::Written(text) => self.word.push_str(text),
                    _ => self.word.extend(character.to_lowercase()),
                },
            }
        }
        if !self.word.is_empty() {
            emit(&self.word);
        }
    }
}

/// Whether this is an ellipsis or a dash, which are dropped as punctuation.
fn is_dropped_run(token: &[char]) -> bool {
    let all = |sign| token.iter().all(|&next| next == sign);
    all('.') || all('-') && token.len() < 5
}

/// Where the token of letters at the start of `text` ends.
fn word_end(text: &[char]) -> usize {
    if let Some(before) = apostrophes::before_not(text) {
        return if before > 0 { before } else { 3 };
    }
    let letters = run(text, is_word_character);
    if apostrophes::auxiliary(&text[letters..]) > 0 {
        return letters;
    }
    let whole = [words::longest(text), apostrophes::whole(text)];
    let addresses = [symbols::web_address(text), symbols::mail_address(text)];
    whole.into_iter().chain(addresses).max().unwrap_or(letters)
}
