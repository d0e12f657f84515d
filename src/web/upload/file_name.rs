//! What a photo is called, by whoever sent it or by its address.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

/// The name of a part of a form. `plain` is the one in `filename`.
pub(super) fn of_part(headers: &HeaderMap, plain: Option<&str>) -> Option<String> {
    let disposition = headers.get(header::CONTENT_DISPOSITION);
    let extended = disposition.and_then(|disposition| extended(&String::from_utf8_lossy(disposition.as_bytes())));
    let name = extended.or_else(|| plain.map(|plain| from_mail(plain).unwrap_or_else(|| plain.to_owned())));
    base_name(&name?)
}

/// The name of the file at an address.
pub(super) fn of_address(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    base_name(&percent_decode_str(name).decode_utf8_lossy())
}

/// The name in `filename*`, which says in which alphabet it is (RFC 5987): `UTF-8''caf%C3%A9.jpg`.
fn extended(disposition: &str) -> Option<String> {
    const PARAMETER: &str = "filename*=";
    let start = disposition.to_ascii_lowercase().find(PARAMETER)? + PARAMETER.len();
    let value = disposition[start..].split(';').next()?.trim().trim_matches('"');
    let (alphabet, value) = value.split_once('\'')?;
    let (_language, name) = value.split_once('\'')?;
    let name = percent_decode_str(name);
    match alphabet.to_ascii_lowercase().as_str() {
        "utf-8" => name.decode_utf8().ok().map(|name| name.into_owned()),
        "iso-8859-1" => Some(name.map(char::from).collect()),
        _ => None,
    }
}

/// A name that .NET wrote into `filename` as mail has it (RFC 2047): `=?utf-8?B?Y2Fmw6kuanBn?=`.
fn from_mail(name: &str) -> Option<String> {
    let (alphabet, rest) = name.strip_prefix("=?")?.strip_suffix("?=")?.split_once('?')?;
    let (encoding, text) = rest.split_once('?')?;
    if !alphabet.eq_ignore_ascii_case("utf-8") || !encoding.eq_ignore_ascii_case("b") {
        return None;
    }
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

/// The last part of a client's path, without control characters and of bounded length.
fn base_name(path: &str) -> Option<String> {
    const MAX_CHARACTERS: usize = 200;
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_CHARACTERS).collect();
    let name = name.trim();
    (!matches!(name, "" | "." | "..")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(disposition: &'static str, plain: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition))]);
        of_part(&headers, Some(plain).filter(|plain| !plain.is_empty()))
    }

    #[test]
    fn file_names_lose_folders_and_control_characters() {
        assert_eq!(base_name("C:\\photos\\dog.jpg").as_deref(), Some("dog.jpg"));
        assert_eq!(base_name("../../etc/a\r\n.png").as_deref(), Some("a.png"));
        assert_eq!(base_name("folder/.."), None);
        assert_eq!(base_name("x".repeat(500).as_str()).map(|name| name.len()), Some(200));
    }

    #[test]
    fn names_beyond_ascii_come_in_two_ways() {
        for (disposition, plain, expected) in [
            ("form-data; name=image; filename=a.jpg; filename*=UTF-8''caf%C3%A9.jpg", "a.jpg", "café.jpg"),
            ("form-data; FileName*=utf-8'en'a%3Bb.jpg; name=image", "", "a;b.jpg"),
            ("form-data; filename*=\"iso-8859-1''caf%E9.jpg\"", "", "café.jpg"),
            ("form-data; filename*=UTF-8''..%2F..%2Fdog.jpg", "", "dog.jpg"),
            ("form-data; filename*=UTF-8''%E9.jpg", "plain.jpg", "plain.jpg"),
            ("form-data; filename*=koi8-r''%D0.jpg", "plain.jpg", "plain.jpg"),
            ("form-data; filename*=nothing", "plain.jpg", "plain.jpg"),
            ("form-data", "=?utf-8?B?Y2Fmw6kuanBn?=", "café.jpg"),
            ("form-data", "=?utf-8?B?!?=", "=?utf-8?B?!?="),
            ("form-data", "=?.jpg", "=?.jpg"),
        ] {
            assert_eq!(of(disposition, plain).as_deref(), Some(expected), "{disposition} {plain}");
        }
        assert_eq!(of("form-data", ""), None);
    }

    #[test]
    fn addresses_are_read_as_people_read_them() {
        for (url, expected) in [
            ("https://a.example/photos/caf%C3%A9%201.jpg?size=2#top", Some("café 1.jpg")),
            ("https://a.example/100%.jpg", Some("100%.jpg")),
            ("https://a.example/a%2Fb%5Cc.jpg", Some("c.jpg")),
            ("https://a.example/", None),
        ] {
            assert_eq!(of_address(url).as_deref(), expected, "{url}");
        }
    }
}
