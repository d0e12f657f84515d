//! `key=value` from the command line, put into the recipe before it is read.

use super::RecipeError;
use toml::{Table, Value};

/// Sets `phase.key=value` or `section.key=value`. The value is TOML, or else text.
pub(super) fn set(table: &mut Table, setting: &str) -> Result<(), RecipeError> {
    let failed = |reason: String| RecipeError::Set { setting: setting.to_owned(), reason };
    let (path, value) = setting.split_once('=').ok_or_else(|| failed("it is not of the form key=value".to_owned()))?;
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let Some(last) = keys.pop() else { return Err(failed("it has no key".to_owned())) };
    let mut place = table;
    for (depth, key) in keys.into_iter().enumerate() {
        place = inner(place, key, depth == 0).ok_or_else(|| failed(format!("the recipe has no table `{key}`")))?;
    }
    place.insert(last.to_owned(), value_of(value.trim()));
    Ok(())
}

/// The table under a key; at the top a phase is found by its name, before sections are.
fn inner<'a>(table: &'a mut Table, key: &str, top: bool) -> Option<&'a mut Table> {
    let is_phase = |phase: &Value| phase.get("name").and_then(Value::as_str) == Some(key);
    let phase = match table.get("phase") {
        Some(Value::Array(phases)) if top => phases.iter().position(is_phase),
        _ => None,
    };
    match phase {
        Some(index) => table.get_mut("phase")?.as_array_mut()?.get_mut(index)?.as_table_mut(),
        None => table.get_mut(key)?.as_table_mut(),
    }
}

fn value_of(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>();
    parsed.ok().and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}
