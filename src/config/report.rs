//! Says what is wrong with the settings: one line a fault, naming key and source.

use super::ENVIRONMENT_PREFIX;
use figment::Figment;
use figment::error::Kind;
use std::fmt::Write;
use std::path::Path;

/// One line for each error: key, fault, source.
///
/// `file` is named where the fault has no key: it can't be read, or is no TOML.
pub(super) fn describe_all(errors: figment::Error, settings: &Figment, file: Option<&Path>) -> String {
    let mut text = String::new();
    for error in errors {
        let mut path = error.path.clone();
        if let Kind::UnknownField(field, _) = &error.kind
            && path.last() != Some(field)
        {
            path.push(field.clone());
        }
        let key = path.join(".");
        let separator = if text.is_empty() { "" } else { "\n" };
        if let (true, Some(file)) = (key.is_empty(), file) {
            // Writing to a string does not fail.
            let _ = write!(text, "{separator}{}: {}", file.display(), error.kind);
            continue;
        }
        let source = source_of(&key, settings);
        let _ = match &error.kind {
            Kind::UnknownField(_, allowed) => write!(
                text,
                "{separator}{key}: there is no such setting (set in {source}); there is: {}",
                allowed.join(", ")
            ),
            fault => write!(text, "{separator}{key}: {fault} (set in {source})"),
        };
    }
    text
}

/// Where a key was set: the environment variable, the file, or the defaults.
pub(super) fn source_of(key: &str, settings: &Figment) -> String {
    let Some(metadata) = settings.find_metadata(key) else {
        return "no place known".to_owned();
    };
    match &metadata.source {
        Some(figment::Source::File(file)) => file.display().to_string(),
        _ if metadata.name.contains("environment") => {
            format!("{ENVIRONMENT_PREFIX}{}", key.replace('.', "__").to_uppercase())
        }
        _ => "the defaults".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::Error;

    #[test]
    fn every_fault_has_a_line_of_its_own() {
        let (of_a_key, of_the_file) = (Error::from("too long").with_path("server.address"), Error::from("cut off"));
        // The one that is chained to the others comes first.
        let errors = of_the_file.clone().chain(of_a_key).chain(of_the_file);
        let text = describe_all(errors, &Figment::new(), Some(Path::new("my.toml")));
        let lines: Vec<&str> = text.lines().collect();
        let of_a_key = "server.address: too long (set in no place known)";
        assert_eq!(lines, ["my.toml: cut off", of_a_key, "my.toml: cut off"]);
    }
}
