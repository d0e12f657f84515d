//! The history's filter between a page's address, its forms and the store.

use crate::store::CaptionFilter;
use crate::web::history::{RequestedFilter, read_utc_offset};
use crate::web::problem::Problem;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use form_urlencoded::Serializer;

/// The fields in a page's address, any of them more than once.
pub(super) type AddressFields = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// What the history's forms say: which captions, which of them are meant, and what becomes of the page.
/// Fields that are not known are passed over, so that old links still lead somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HistoryForm {
    pub filter: FilterForm,
    /// Captions that are meant, one field each.
    pub ids: Vec<String>,
    /// Older than this one.
    pub before: Option<String>,
    /// Just deleted.
    pub deleted: Vec<String>,
}

/// The filter as its form has it: an empty field is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FilterForm {
    pub query: String,
    pub model: String,
    pub from: String,
    pub until: String,
    /// Of the clock that counts these days; empty where no day is asked for.
    pub utc_offset_minutes: String,
}

impl HistoryForm {
    /// Reads the fields of an address.
    pub(super) fn of_address(fields: AddressFields) -> Result<HistoryForm, Problem> {
        let Query(fields) = fields?;
        Ok(HistoryForm::read(fields))
    }

    /// Reads the fields of an address or of a form.
    pub(super) fn read(fields: Vec<(String, String)>) -> HistoryForm {
        let mut form = HistoryForm::default();
        for (name, value) in fields {
            match name.as_str() {
                "query" => form.filter.query = value.trim().to_owned(),
                "model" => form.filter.model = value,
                "from" => form.filter.from = value,
                "until" => form.filter.until = value,
                "utc_offset_minutes" => form.filter.utc_offset_minutes = value,
                "ids" => form.ids.push(value),
                "before" => form.before = Some(value).filter(|id| !id.is_empty()),
                "deleted" => form.deleted = value.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
                _ => {}
            }
        }
        if form.filter.from.is_empty() && form.filter.until.is_empty() {
            form.filter.utc_offset_minutes.clear();
        }
        form
    }
}

impl FilterForm {
    pub(super) fn is_empty(&self) -> bool {
        *self == FilterForm::default()
    }

    pub(super) fn check(&self) -> Result<CaptionFilter, Problem> {
        let field = |text: &String| Some(text.clone());
        let asked = RequestedFilter {
            query: field(&self.query),
            model: field(&self.model),
            from: field(&self.from),
            until: field(&self.until),
            utc_offset_minutes: read_utc_offset(&self.utc_offset_minutes)?,
        };
        asked.check()
    }

    /// The address of the history with this filter and one more field, where that has a value.
    pub(super) fn address(&self, field: &str, value: &str) -> String {
        self.carried_to("/history", (field, value))
    }

    /// The address of a caption's page, which keeps to this filter.
    pub(super) fn caption_address(&self, id: &str) -> String {
        self.carried_to(&format!("/captions/{id}"), ("", ""))
    }

    /// Where the page of a caption sends its form to caption it again.
    pub(super) fn again_address(&self, id: &str) -> String {
        self.carried_to(&format!("/captions/{id}/again"), ("", ""))
    }

    fn carried_to(&self, path: &str, (field, value): (&str, &str)) -> String {
        let mut query = Serializer::new(String::new());
        let fields = [
            ("query", self.query.as_str()),
            ("model", &self.model),
            ("from", &self.from),
            ("until", &self.until),
            ("utc_offset_minutes", &self.utc_offset_minutes),
            (field, value),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> HistoryForm {
        HistoryForm::read(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn empty_fields_filter_nothing() {
        let form = read(&[("query", "  "), ("model", ""), ("from", ""), ("until", ""), ("before", "")]);
        assert_eq!(form, HistoryForm::default());
        assert!(form.filter.is_empty());
        assert_eq!(form.filter.check().expect("valid"), CaptionFilter::default());
        assert_eq!(form.filter.address("before", ""), "/history");
    }

    #[test]
    fn addresses_keep_the_filter_and_escape_it() {
        let form = read(&[("query", "cats & dogs"), ("from", "2026-01-01"), ("unknown", "x")]);
        assert_eq!(form.filter.address("before", "a"), "/history?query=cats+%26+dogs&from=2026-01-01&before=a");
        assert_eq!(form.filter.caption_address("a"), "/captions/a?query=cats+%26+dogs&from=2026-01-01");
        assert_eq!(form.filter.check().expect("valid").query.as_deref(), Some("cats & dogs"));
    }

    #[test]
    fn the_offset_of_the_clock_goes_with_a_day() {
        let form = read(&[("until", "2026-01-01"), ("utc_offset_minutes", "-90")]);
        assert_eq!(form.filter.address("", ""), "/history?until=2026-01-01&utc_offset_minutes=-90");
        assert_eq!(form.filter.check().expect("valid").utc_offset_minutes, -90);
        let form = read(&[("until", ""), ("utc_offset_minutes", "-90")]);
        assert!(form.filter.is_empty(), "an offset alone filters nothing");
        assert!(read(&[("until", "2026-01-01"), ("utc_offset_minutes", "x")]).filter.check().is_err());
    }

    #[test]
    fn ids_come_one_a_field_or_in_a_list() {
        let form = read(&[("ids", "a"), ("ids", "b"), ("deleted", "c,,d")]);
        assert_eq!((form.ids, form.deleted), (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()]));
    }
}
