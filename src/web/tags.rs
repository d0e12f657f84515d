//! What clients say of the version of something that they have: `If-None-Match` and `If-Match`.

use axum::http::HeaderMap;
use axum::http::header::{self, AsHeaderName};

/// True when the client already has the version with this tag.
pub(super) fn matches_tag(headers: &HeaderMap, tag: &str) -> bool {
    names(headers, header::IF_NONE_MATCH, tag)
}

/// True unless the client means another version than the one with this tag.
pub(super) fn means_tag(headers: &HeaderMap, tag: &str) -> bool {
    !headers.contains_key(header::IF_MATCH) || names(headers, header::IF_MATCH, tag)
}

/// Weak or not: a version stays what it is when a proxy compresses it.
fn names(headers: &HeaderMap, name: impl AsHeaderName, tag: &str) -> bool {
    let tags = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut tags = tags.flat_map(|tags| tags.split(',')).map(str::trim);
    tags.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(header: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_version_is_named_among_others_weakly_or_with_all() {
        for (value, named) in
            [("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"b\"", false), ("a", false), ("", false)]
        {
            assert_eq!(matches_tag(&with(header::IF_NONE_MATCH, value), "\"a\""), named, "{value}");
            assert_eq!(means_tag(&with(header::IF_MATCH, value), "\"a\""), named, "{value}");
        }
    }

    #[test]
    fn who_names_none_has_none_and_means_any() {
        assert!(!matches_tag(&HeaderMap::new(), "\"a\""));
        assert!(means_tag(&HeaderMap::new(), "\"a\""));
    }
}
