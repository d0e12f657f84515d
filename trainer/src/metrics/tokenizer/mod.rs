//! Caption text as words, the way COCO's evaluation does it: Penn Treebank tokens in lower case,
//! without punctuation.
//!
//! The reference is Stanford's PTBTokenizer 3.4.1 with `-preserveLines -lowerCase`, whose tokens
//! pycocoevalcap filters. This is a scanner of its own, written from what that program answers: at
//! each place the longest of the things that could start there is taken. What is dropped afterwards
//! (full stops, dashes, quotation marks) is scanned for its length only.

mod apostrophes;
mod characters;
mod numbers;
mod scanner;
mod symbols;
mod words;

use scanner::Scanner;

/// The words of a caption in lower case, separated by single spaces; empty where nothing is left.
///
/// A number with a fraction and a telephone number stay one word, with no-break spaces inside.
pub fn tokenize(caption: &str) -> String {
    let text: Vec<char> = caption.chars().collect();
    let mut words = String::with_capacity(caption.len() + caption.len() / 8);
    Scanner::new(&text).run(|word| {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    });
    words
}

#[cfg(test)]
mod tests;
