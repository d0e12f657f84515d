//! The fields of forms, of which somebody may send any number.

use super::history::MAX_EXPORTED;
use super::problem::Problem;
use axum::extract::RawForm;

/// More fields than any form has: the ids of an export, and a few besides.
const MAX_FIELDS: usize = MAX_EXPORTED + 100;

/// Names and values, any of them more than once.
///
/// # Errors
/// When there are more than any form of a page has: each takes memory, however short it is.
pub(super) fn fields(RawForm(form): RawForm) -> Result<Vec<(String, String)>, Problem> {
    match form.iter().filter(|&&byte| byte == b'&').count() {
        ..MAX_FIELDS => Ok(form_urlencoded::parse(&form).into_owned().collect()),
        _ => Err(Problem::invalid_option(format!("a form may have up to {MAX_FIELDS} fields"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_unless_there_are_too_many() {
        let read = fields(RawForm("a=1&b=%20&a".into())).expect("few");
        let expected = [("a", "1"), ("b", " "), ("a", "")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(fields(RawForm("a&".repeat(MAX_FIELDS).into())).is_err());
    }
}
