//! Which value of a recipe can't be read: of what stands inside a phase, the parser's own words do not say.

use super::Recipe;
use toml::{Table, Value};

/// The key of the last value without which the recipe can be read, or fails otherwise; none where one is missing.
pub(super) fn key_of(table: &Table, message: &str) -> Option<String> {
    if message.starts_with("missing field") {
        return phase_of(table, message);
    }
    let mut paths = Vec::new();
    for (key, value) in table {
        walk(value, &mut vec![Step::Key(key.clone())], &mut paths);
    }
    let is_it = |path: &&Vec<Step>| {
        let mut other = table.clone();
        take_out(&mut other, path);
        // The same mistake in a later phase would be found next.
        if let Some(Step::Phase(index)) = path.get(1) {
            keep_first(&mut other, index + 1);
        }
        other.try_into::<Recipe>().err().is_none_or(|error| error.message() != message)
    };
    // A value that is read before it may be needed, too; of those after it none is read.
    paths.iter().rev().find(is_it).map(|path| shown(table, path))
}

/// The name of the phase in which something is missing, if it is in one.
fn phase_of(table: &Table, message: &str) -> Option<String> {
    let fails_with = |phases: usize| {
        let mut some = table.clone();
        keep_first(&mut some, phases);
        some.try_into::<Recipe>().err().is_some_and(|error| error.message() == message)
    };
    let all = table.get("phase")?.as_array()?;
    let place = (0..=all.len()).find(|&phases| fails_with(phases))?.checked_sub(1)?;
    all.get(place)?.get("name")?.as_str().map(str::to_owned)
}

/// Leaves only so many phases.
fn keep_first(table: &mut Table, phases: usize) {
    if let Some(Value::Array(all)) = table.get_mut("phase") {
        all.truncate(phases);
    }
}

/// A step on the way to a value.
#[derive(Clone)]
enum Step {
    Key(String),
    Phase(usize),
}

/// The ways to all values below this one; lists of numbers are one value.
fn walk(value: &Value, path: &mut Vec<Step>, paths: &mut Vec<Vec<Step>>) {
    let mut inner: Vec<(Step, &Value)> = match value {
        Value::Table(table) => table.iter().map(|(key, value)| (Step::Key(key.clone()), value)).collect(),
        Value::Array(all) if all.iter().any(Value::is_table) => {
            all.iter().enumerate().map(|(place, value)| (Step::Phase(place), value)).collect()
        }
        _ => Vec::new(),
    };
    // Before anything else of a phase its kind is read.
    inner.sort_by_key(|(step, _)| !matches!(step, Step::Key(key) if key == "step"));
    if inner.is_empty() {
        paths.push(path.clone());
    }
    for (step, value) in inner {
        path.push(step);
        walk(value, path, paths);
        path.pop();
    }
}

fn take_out(table: &mut Table, path: &[Step]) {
    let [way @ .., Step::Key(last)] = path else { return };
    let mut place = Some(table);
    let mut phases: Option<&mut Vec<Value>> = None;
    for step in way {
        let next = match step {
            Step::Key(key) => place.take().and_then(|table| table.get_mut(key)),
            Step::Phase(index) => phases.take().and_then(|all| all.get_mut(*index)),
        };
        match next {
            Some(Value::Table(inner)) => place = Some(inner),
            Some(Value::Array(all)) => phases = Some(all),
            _ => return,
        }
    }
    if let Some(table) = place {
        table.remove(last);
    }
}

/// As `--set` has it: `xe.dropouts.encoder`.
fn shown(table: &Table, path: &[Step]) -> String {
    let name = |index: usize| {
        let phase = table.get("phase")?.as_array()?.get(index)?;
        phase.get("name").and_then(Value::as_str)
    };
    let words = path.iter().filter_map(|step| match step {
        Step::Key(key) if key == "phase" && path.len() > 1 => None,
        Step::Key(key) => Some(key.clone()),
        Step::Phase(index) => Some(name(*index).map_or(format!("phase {}", index + 1), str::to_owned)),
    });
    words.collect::<Vec<_>>().join(".")
}
