//! The history's filter between a page's address, its forms and the store.

use crate::store::CaptionFilter;
use crate::web::history::RequestedFilter;
use crate::web::problem::Problem;
use form_urlencoded::Serializer;

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
}

impl HistoryForm {
    /// Reads the fields of an address or of a form.
    pub(super) fn read(fields: Vec<(String, String)>) -> HistoryForm {
        let mut form = HistoryForm::default();
        for (name, value) in fields {
            match name.as_str() {
                "query" => form.filter.query = value.trim().to_owned(),
                "model" => form.filter.model = value,
                "from" => form.filter.from = value,
                "until" => form.filter.until = value,
                "ids" => form.ids.push(value),
                "before" => form.before = Some(value).filter(|id| !id.is_empty()),
                "deleted" => form.deleted = value.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
                _ => {}
            }
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
        };
        asked.check()
    }

    /// The address of the history with this filter and one more field, where that has a value.
    pub(super) fn address(&self, field: &str, value: &str) -> String {
        let mut query = Serializer::new(String::new());
        let fields = [
            ("query", self.query.as_str()),
            ("model", &self.model),
            ("from", &self.from),
            ("until", &self.until),
            (field, value),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() { "/history".to_owned() } else { format!("/history?{query}") }
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
        assert_eq!(form.filter.check().expect("valid").query.as_deref(), Some("cats & dogs"));
    }

    #[test]
    fn ids_come_one_a_field_or_in_a_list() {
        let form = read(&[("ids", "a"), ("ids", "b"), ("deleted", "c,,d")]);
        assert_eq!((form.ids, form.deleted), (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()]));
    }
}
