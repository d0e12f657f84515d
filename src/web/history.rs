//! What requests say about past captions: which ones, and new words. Checked alike for pages and API.

use super::problem::Problem;
use crate::store::CaptionFilter;
use serde::Deserialize;
use time::Date;
use time::macros::format_description;

/// Captions that one request may name.
pub(super) const MAX_IDS: usize = 1000;

/// Characters of a search.
const MAX_QUERY: usize = 200;

/// Characters of a caption written by hand.
const MAX_WORDS: usize = 1000;

/// Which captions, as asked; empty fields, which forms send too, ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestedFilter {
    /// Words of the caption or of the photo's name.
    pub query: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The first day, `YYYY-MM-DD`, UTC.
    pub from: Option<String>,
    /// The last day, `YYYY-MM-DD`, UTC.
    pub until: Option<String>,
}

impl RequestedFilter {
    /// Checks days and lengths.
    pub(super) fn check(self) -> Result<CaptionFilter, Problem> {
        let given = |field: Option<String>| field.filter(|text| !text.trim().is_empty());
        let filter = CaptionFilter {
            query: given(self.query),
            model: given(self.model),
            from: given(self.from),
            until: given(self.until),
        };
        if filter.query.as_ref().is_some_and(|query| query.chars().count() > MAX_QUERY) {
            return Err(Problem::invalid_option(format!("`query` must have at most {MAX_QUERY} characters")));
        }
        for (name, day) in [("from", &filter.from), ("until", &filter.until)] {
            if let Some(day) = day
                && Date::parse(day, format_description!("[year]-[month]-[day]")).is_err()
            {
                return Err(Problem::invalid_option(format!("`{name}` must be a day like 2026-01-31")));
            }
        }
        Ok(filter)
    }
}

/// Checks how many captions are named.
pub(super) fn check_ids(ids: &[String]) -> Result<(), Problem> {
    if (1..=MAX_IDS).contains(&ids.len()) {
        return Ok(());
    }
    Err(Problem::invalid_option(format!("`ids` must name from 1 to {MAX_IDS} captions, not {}", ids.len())))
}

/// Checks a caption written by hand: one line of some length, without blanks around it.
pub(super) fn check_words(words: &str) -> Result<&str, Problem> {
    let words = words.trim();
    if words.is_empty() || words.chars().count() > MAX_WORDS || words.contains(char::is_control) {
        let detail = format!("`caption` must be one line of 1 to {MAX_WORDS} characters");
        return Err(Problem::invalid_option(detail));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn empty_fields_ask_for_nothing() {
        let asked = RequestedFilter { query: some(" "), model: some(""), from: some(""), until: None };
        assert_eq!(asked.check().expect("valid"), CaptionFilter::default());
    }

    #[test]
    fn days_are_days_of_the_calendar() {
        let asked = RequestedFilter { from: some("2028-02-29"), ..RequestedFilter::default() };
        assert_eq!(asked.check().expect("a leap year").from, some("2028-02-29"));
        for day in ["2026-02-29", "2026-1-1", "20260101", "2026-01-01T00:00:00Z", "today", "2026-01-01 "] {
            let asked = RequestedFilter { until: some(day), ..RequestedFilter::default() };
            let problem = asked.check().expect_err("no day");
            assert_eq!(problem.detail, "`until` must be a day like 2026-01-31.", "{day}");
        }
    }

    #[test]
    fn words_are_one_line_without_blanks_around_it() {
        assert_eq!(check_words(" A dog.\n").expect("valid"), "A dog.");
        for words in ["", " \n", "A\ndog.", "A\0dog.", &"x".repeat(MAX_WORDS + 1)] {
            assert_eq!(check_words(words).expect_err("not a line").status.as_u16(), 422);
        }
    }

    #[test]
    fn the_number_of_ids_is_bounded() {
        for (count, allowed) in [(0, false), (1, true), (MAX_IDS, true), (MAX_IDS + 1, false)] {
            assert_eq!(check_ids(&vec![String::new(); count]).is_ok(), allowed, "{count}");
        }
    }
}
