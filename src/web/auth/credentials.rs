//! What a request brings to prove who it is: an API key in a header, or a session in a cookie.

use axum::http::{HeaderMap, header};
use axum_extra::extract::CookieJar;

/// The cookie of a session.
pub(super) const SESSION_COOKIE: &str = "expansionnet_session";

/// One proof; a key goes before a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) enum Credentials {
    /// Nothing.
    None,
    /// `X-API-Key: en_…` or `Authorization: Bearer en_…`. No browser adds these on its own.
    Key(String),
    /// The cookie, which a browser adds by itself.
    Session(String),
}

impl Credentials {
    /// Reads them off a request's headers.
    pub(in crate::web) fn of(headers: &HeaderMap) -> Credentials {
        if let Some(key) = api_key(headers) {
            return Credentials::Key(key.to_owned());
        }
        match session(headers) {
            Some(cookie) => Credentials::Session(cookie),
            None => Credentials::None,
        }
    }
}

/// The session's cookie.
pub(super) fn session(headers: &HeaderMap) -> Option<String> {
    CookieJar::from_headers(headers).get(SESSION_COOKIE).map(|cookie| cookie.value().to_owned())
}

/// A key in a header. Bearer tokens that are not ours are left to the proxy they are for.
fn api_key(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let bearer = || {
        let (scheme, token) = text(header::AUTHORIZATION)?.split_once(' ')?;
        let token = token.trim_start();
        (scheme.eq_ignore_ascii_case("bearer") && token.starts_with("en_")).then_some(token)
    };
    text(header::HeaderName::from_static("x-api-key")).or_else(bearer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn credentials(headers: &[(&'static str, &'static str)]) -> Credentials {
        let headers = headers.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_static(value))
        });
        Credentials::of(&headers.collect())
    }

    #[test]
    fn a_key_comes_in_either_header() {
        let key = Credentials::Key("en_abc".to_owned());
        assert_eq!(credentials(&[("authorization", "Bearer en_abc")]), key);
        assert_eq!(credentials(&[("authorization", "bearer  en_abc")]), key);
        assert_eq!(credentials(&[("x-api-key", "en_abc")]), key);
    }

    #[test]
    fn what_is_for_others_is_no_key() {
        for value in ["Basic ZW5fOng=", "Bearer eyJhbGciOiJIUzI1NiJ9", "en_abc", "Bearer"] {
            assert_eq!(credentials(&[("authorization", value)]), Credentials::None, "{value}");
        }
    }

    #[test]
    fn a_key_goes_before_a_cookie() {
        let cookie = ("cookie", "theme=dark; expansionnet_session=xyz");
        assert_eq!(credentials(&[cookie]), Credentials::Session("xyz".to_owned()));
        assert_eq!(credentials(&[cookie, ("x-api-key", "en_abc")]), Credentials::Key("en_abc".to_owned()));
    }
}
