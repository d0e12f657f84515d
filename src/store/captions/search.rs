//! What people type into the search field, as a full-text query that is never a syntax error.

/// More words than anyone types; SQLite bounds the size of an expression.
const MAX_TERMS: usize = 32;

/// The FTS5 expression that finds every word and "quoted phrase" of a text, the last word also as the
/// beginning of longer ones; `None` for a text without words.
pub(super) fn expression(text: &str) -> Option<String> {
    // SQLite's text ends at the first zero byte.
    let text = text.replace('\0', " ");
    let mut terms = Vec::new();
    for (part, words) in text.split('"').enumerate() {
        if part % 2 == 1 {
            terms.extend((!words.trim().is_empty()).then_some(words));
        } else {
            terms.extend(words.split_whitespace());
        }
    }
    terms.truncate(MAX_TERMS);
    // Quoted, a term is text and no operator; it has no quotes of its own any more.
    let quoted: Vec<String> = terms.iter().map(|term| format!("\"{term}\"")).collect();
    let prefix = if text.trim_end().ends_with('"') { "" } else { "*" };
    (!quoted.is_empty()).then(|| quoted.join(" ") + prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_the_last_one_may_go_on() {
        for (typed, expected) in [
            ("dog", "\"dog\"*"),
            ("  brown   dog ", "\"brown\" \"dog\"*"),
            ("\"brown dog\"", "\"brown dog\""),
            ("\"brown dog\" gras", "\"brown dog\" \"gras\"*"),
            ("a \"brown do", "\"a\" \"brown do\"*"),
            ("dog OR cat*", "\"dog\" \"OR\" \"cat*\"*"),
        ] {
            assert_eq!(expression(typed).as_deref(), Some(expected), "{typed}");
        }
    }

    #[test]
    fn a_text_without_words_is_no_search() {
        for typed in ["", "  ", "\"", "\"\"", "\" \"", "\0"] {
            assert_eq!(expression(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn the_size_is_bounded() {
        let typed = "dog ".repeat(5000);
        assert_eq!(expression(&typed).map(|expression| expression.matches("dog").count()), Some(MAX_TERMS));
    }
}
