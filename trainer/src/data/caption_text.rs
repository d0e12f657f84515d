//! The words of a caption as the model learns them; evaluation splits captions by other rules
//! ([`crate::metrics::tokenizer`]).

/// Dropped where they stand alone.
const PUNCTUATION: [&str; 13] = ["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"];

/// Lower case, every sign apart from letters, digits and low lines a word of its own, punctuation
/// dropped. A tab or another space that is no blank is a sign like others.
pub fn words(caption: &str) -> Vec<String> {
    let caption = caption.to_lowercase();
    let mut spaced = String::with_capacity(caption.len() + 16);
    for character in caption.trim_end().chars() {
        if is_word_character(character) {
            spaced.push(character);
        } else {
            spaced.extend([' ', character, ' ']);
        }
    }
    spaced.split(' ').filter(|word| !word.is_empty() && !PUNCTUATION.contains(word)).map(str::to_owned).collect()
}

/// `\w` of Python's `re`.
fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn signs_stand_alone_and_punctuation_goes() {
        assert_eq!(words("A man's T-shirt, \"size\" 5... "), ["a", "man", "s", "t", "shirt", "\"", "size", "\"", "5"]);
        assert_eq!(words("café_1 & (more)"), ["café_1", "&", "(", "more", ")"]);
        assert_eq!(words("a\tb"), ["a", "\t", "b"]);
        assert_eq!(words(" . "), Vec::<String>::new());
    }
}
