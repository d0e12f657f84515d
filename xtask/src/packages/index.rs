//! The Python package index: which one pip is configured to use, and where a file lies in it.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, bail};
use url::Url;

use super::download::Downloader;

/// The index that pip uses when nothing else is configured.
const DEFAULT: &str = "https://pypi.org/simple";

/// The indexes that pip is configured to use (environment or files), else the default one.
pub fn configured() -> Result<Vec<Url>> {
    let output = Command::new("python3").args(["-m", "pip", "config", "list"]).output();
    let settings = match output {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)?,
        _ => settings_without_pip(),
    };
    addresses(&settings).iter().map(|address| folder_address(address)).collect()
}

/// What the environment alone says, in the notation of `pip config list`.
fn settings_without_pip() -> String {
    eprintln!("pip, which knows this machine's package index, is not there: trying without");
    eprintln!("  (if its configuration files name an index: sudo apt-get install python3-pip)");
    let address = env::var("PIP_INDEX_URL").ok();
    address.map(|address| format!(":env:.index-url='{address}'")).unwrap_or_default()
}

/// Index addresses in the output of `pip config list`, a `section.key='value'` a line, the sections
/// as pip ranks them: environment before the section of `pip download` before the global one. None
/// if indexes are switched off.
fn addresses(settings: &str) -> Vec<String> {
    let value = |key: &str| {
        let section = [":env:", "download", "global"].into_iter().find_map(|section| {
            let start = format!("{section}.{key}=");
            settings.lines().find_map(|line| line.strip_prefix(&start))
        });
        // Python's notation of a string; newlines between several addresses show as `\n`.
        section.map(|value| value.trim_matches(['\'', '"']).replace("\\n", " "))
    };
    if value("no-index").is_some_and(|value| !["0", "false", "no", "off"].contains(&value.to_lowercase().as_str())) {
        return Vec::new();
    }
    let mut addresses = vec![value("index-url").unwrap_or_else(|| DEFAULT.into())];
    addresses.extend(value("extra-index-url").unwrap_or_default().split_whitespace().map(String::from));
    addresses
}

/// The address with a slash at its end, so that others are joined below it.
fn folder_address(address: &str) -> Result<Url> {
    let address = format!("{}/", address.trim_end_matches('/'));
    Url::parse(&address).context("pip's setting `index-url` or `extra-index-url` is no address")
}

/// The address of a file of `project`, from the first index that has it.
///
/// # Errors
/// When none of them can be read and has it; the reason is that of the last.
pub fn find(downloader: &Downloader, indexes: &[Url], project: &str, file_name: &str) -> Result<Url> {
    let mut outcome = None;
    for index in indexes {
        let found = find_in(downloader, index, project, file_name);
        if found.is_ok() {
            return found;
        }
        outcome = Some(found);
    }
    outcome.context("no package index is configured")?
}

fn find_in(downloader: &Downloader, index: &Url, project: &str, file_name: &str) -> Result<Url> {
    let (page_address, page) = downloader.text(&index.join(&format!("{project}/"))?)?;
    match link_to(&page, file_name) {
        Some(link) => Ok(page_address.join(&link)?),
        None => bail!("{} has no {file_name}", index.host_str().unwrap_or("the index")),
    }
}

/// The link whose path ends in `/<file_name>` on an index page (PEP 503: one `<a href="…">` a
/// file), without the hash.
fn link_to(page: &str, file_name: &str) -> Option<String> {
    let values = page.split("href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|first| ['"', '\''].contains(first))?;
        rest[1..].split(quote).next()
    });
    let links = values.map(|value| value.split('#').next().unwrap_or_default().replace("&amp;", "&"));
    let ends_in_name = |link: &String| {
        let path = link.split('?').next().unwrap_or_default();
        path.rsplit('/').next() == Some(file_name)
    };
    links.into_iter().find(ends_in_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_comes_before_the_files() {
        let settings = "global.index-url='https://a.example/simple'\n:env:.index-url='https://b.example/simple/'\n";
        assert_eq!(addresses(settings), ["https://b.example/simple/"]);
        assert_eq!(addresses("global.cert='/x'\n"), [DEFAULT]);
        assert!(addresses("global.no-index='true'\nglobal.index-url='https://a.example/simple'\n").is_empty());
        assert_eq!(addresses("global.no-index='false'\n"), [DEFAULT]);
    }

    #[test]
    fn further_indexes_follow() {
        let settings = "global.extra-index-url='\\nhttps://b.example/s\\nhttps://c.example/s'\n\
                        global.index-url='https://a.example/s'\n";
        assert_eq!(addresses(settings), ["https://a.example/s", "https://b.example/s", "https://c.example/s"]);
    }

    #[test]
    fn addresses_end_in_one_slash() {
        for address in ["https://a.example/simple", "https://a.example/simple/"] {
            let project = folder_address(address).unwrap().join("torch/").unwrap();
            assert_eq!(project.as_str(), "https://a.example/simple/torch/");
        }
        assert!(folder_address("not an address").is_err());
    }

    #[test]
    fn links_are_found_by_file_name_and_joined() {
        let page = r#"<a href="../../files/a-1.whl#sha256=12" data-x>a-1.whl</a> <a href='b-1.whl?t=1&amp;u=2'>b</a>"#;
        assert_eq!(link_to(page, "a-1.whl").as_deref(), Some("../../files/a-1.whl"));
        assert_eq!(link_to(page, "b-1.whl").as_deref(), Some("b-1.whl?t=1&u=2"));
        assert_eq!(link_to(page, "1.whl"), None);
        let address = Url::parse("https://a.example/simple/a/").unwrap();
        assert_eq!(address.join("../../files/a-1.whl").unwrap().as_str(), "https://a.example/files/a-1.whl");
    }
}
