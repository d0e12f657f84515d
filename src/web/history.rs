//! What requests say about past captions: which ones, and new words. Checked alike for pages and API.

use super::problem::Problem;
use crate::store::CaptionFilter;
use time::Date;
use time::macros::format_description;

/// Captions that one request may change.
pub(super) const MAX_CHANGED: usize = 1000;

/// Captions that one export may name: more than anyone selects, as many as a large history has.
pub(super) const MAX_EXPORTED: usize = 100_000;

/// Characters of a search.
const MAX_QUERY: usize = 200;

/// Characters of a caption written by hand.
const MAX_WORDS: usize = 1000;

/// A day: no clock is further ahead of UTC, or behind.
const MAX_UTC_OFFSET: i32 = 24 * 60;

/// Which captions, as asked; empty fields, which forms send too, ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestedFilter {
    /// Words of the caption or of the photo's name.
    pub query: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The first day, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// The last day, `YYYY-MM-DD`.
    pub until: Option<String>,
    /// How far the clock that counts these days is ahead of UTC, in minutes.
    pub utc_offset_minutes: Option<i32>,
}

impl RequestedFilter {
    /// Checks days and lengths.
    pub(super) fn check(self) -> Result<CaptionFilter, Problem> {
        let given = |field: Option<String>| field.filter(|text| !text.trim().is_empty());
        let utc_offset_minutes = check_utc_offset(self.utc_offset_minutes.unwrap_or_default())?;
        let mut filter = CaptionFilter {
            query: given(self.query),
            model: given(self.model),
            from: given(self.from),
            until: given(self.until),
            ..CaptionFilter::default()
        };
        // Without a day there is nothing to shift.
        if filter.from.is_some() || filter.until.is_some() {
            filter.utc_offset_minutes = utc_offset_minutes;
        }
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

fn check_utc_offset(minutes: i32) -> Result<i32, Problem> {
    if (-MAX_UTC_OFFSET..=MAX_UTC_OFFSET).contains(&minutes) {
        return Ok(minutes);
    }
    let detail = format!("`utc_offset_minutes` must be from -{MAX_UTC_OFFSET} to {MAX_UTC_OFFSET}, not {minutes}");
    Err(Problem::invalid_option(detail))
}

/// Reads `utc_offset_minutes` from a form, where an empty field says nothing.
pub(super) fn read_utc_offset(field: &str) -> Result<Option<i32>, Problem> {
    let field = field.trim();
    if field.is_empty() {
        return Ok(None);
    }
    let minutes = field.parse().map_err(|_| Problem::invalid_option("`utc_offset_minutes` must be a whole number"))?;
    Ok(Some(minutes))
}

/// Checks that captions are named, and not more than `most`.
pub(super) fn check_ids(ids: &[String], most: usize) -> Result<(), Problem> {
    if (1..=most).contains(&ids.len()) {
        return Ok(());
    }
    Err(Problem::invalid_option(format!("`ids` must name from 1 to {most} captions, not {}", ids.len())))
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
        let asked = RequestedFilter { query: some(" "), model: some(""), from: some(""), ..Default::default() };
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
    fn the_offset_of_the_clock_is_bounded_and_goes_with_a_day() {
        let asked = |from: &str, utc_offset_minutes| RequestedFilter {
            from: some(from),
            utc_offset_minutes,
            ..RequestedFilter::default()
        };
        for (from, minutes, expected) in [("2026-01-01", -1440, -1440), ("2026-01-01", 840, 840), ("", 840, 0)] {
            let checked = asked(from, Some(minutes)).check().expect("valid");
            assert_eq!(checked.utc_offset_minutes, expected, "{from} {minutes}");
        }
        for minutes in [-1441, 1441, i32::MIN, i32::MAX] {
            assert!(asked("2026-01-01", Some(minutes)).check().is_err(), "{minutes}");
        }
        for (field, read) in [("", Some(None)), ("-90", Some(Some(-90))), ("1.5", None), ("x", None)] {
            assert_eq!(read_utc_offset(field).ok(), read, "{field}");
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
        for (count, allowed) in [(0, false), (1, true), (MAX_CHANGED, true), (MAX_CHANGED + 1, false)] {
            assert_eq!(check_ids(&vec![String::new(); count], MAX_CHANGED).is_ok(), allowed, "{count}");
        }
    }
}
