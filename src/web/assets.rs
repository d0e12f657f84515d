//! Style sheets, scripts and icons, compiled into the program.

use super::problem::Problem;
use super::tags::matches_tag;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::digest::Output;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Static;

/// The library that draws the plots, as `cargo xtask` fetched it.
#[derive(RustEmbed)]
#[folder = ".charts/"]
struct Charts;

fn find(name: &str) -> Option<EmbeddedFile> {
    Static::get(name).or_else(|| Charts::get(name))
}

/// The program's version and a mark of the embedded files: pages link `app.css?v=…`, so that a browser
/// keeps files for good and still sees changed ones at once.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Static::iter().chain(Charts::iter()).collect();
    names.sort();
    let mut hash = Sha256::new();
    for file in names.iter().filter_map(|name| find(name)) {
        hash.update(file.metadata.sha256_hash());
    }
    // The first eight digits of it.
    format!("{}-{:.8x}", env!("CARGO_PKG_VERSION"), hash.finalize())
});

/// `GET /static/{path}`
pub(super) async fn file(
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = find(&path).ok_or_else(|| Problem::not_found("There is no such file."))?;
    let current = query.is_some_and(|query| query.strip_prefix("v=") == Some(VERSION.as_str()));
    let cache = if current { FOREVER } else { "no-cache" };
    let tag = entity_tag(&file);
    let caching = [(header::CACHE_CONTROL, cache.to_owned()), (header::ETAG, tag.clone())];
    if matches_tag(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let media_type = file.metadata.mimetype().to_owned();
    Ok((caching, [(header::CONTENT_TYPE, media_type)], file.data).into_response())
}

/// For addresses whose content never changes.
pub(super) const FOREVER: &str = "public, max-age=31536000, immutable";

/// Weak, since the same file may go out compressed or not.
fn entity_tag(file: &EmbeddedFile) -> String {
    format!("\"{:.32x}\"", Output::<Sha256>::from(file.metadata.sha256_hash()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_of_the_first_digits_of_a_hash() {
        let is_hex = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (_, mark) = VERSION.rsplit_once('-').expect("a mark");
        assert!(is_hex(mark, 8), "{mark}");
        let file = find("app.css").expect("is compiled in");
        let first = format!("{:02x}", file.metadata.sha256_hash()[0]);
        let tag = entity_tag(&file);
        assert!(is_hex(tag.trim_matches('"'), 32) && tag.starts_with(&format!("\"{first}")), "{tag}");
    }
}
