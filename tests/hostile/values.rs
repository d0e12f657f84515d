//! Words, values and bodies made up by chance, valid ones among them.

use super::mutation::{Mutation, mutations};
use crate::support::web::{Part, multipart, png};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Words that mean something somewhere in the API.
const WORDS: [&str; 49] = [
    "image",
    "url",
    "beam_size",
    "max_length",
    "candidates",
    "model",
    "caption",
    "id",
    "ids",
    "format",
    "query",
    "from",
    "until",
    "utc_offset_minutes",
    "limit",
    "before",
    "size",
    "csv",
    "json",
    "txt",
    "thumbnail",
    "name",
    "models",
    "recipe",
    "settings",
    "phases",
    "device",
    "start",
    "measure",
    "force",
    "checkpoints",
    "dataset",
    "images",
    "split",
    "beam_sizes",
    "job",
    "jobs",
    "state",
    "files",
    "path",
    "kind",
    "search",
    "newest",
    "after",
    "lines",
    "names",
    "points",
    "photos14k",
    "features",
];

/// What people type into search boxes to see what happens.
const NASTY: [&str; 16] = [
    "",
    "0",
    "-1",
    "1e309",
    "18446744073709551616",
    "\"",
    "'",
    "' OR 1=1 --",
    "\" NEAR/2 *",
    "a* AND (NOT",
    "../../etc/passwd",
    "%00",
    "\u{0}",
    "2026-02-30",
    "9999-99-99",
    "\u{202E}\u{FEFF}💣",
];

/// Values of a recipe: paths, origins of weights, figures.
const RECIPE_KEYS: [&str; 14] = [
    "seed",
    "data.dataset",
    "data.images",
    "data.captions",
    "data.vocabulary",
    "data.min_occurrences",
    "weights.backbone",
    "weights.body",
    "model.d_model",
    "features.backbone",
    "xe.body",
    "xe.epochs",
    "xe.learning_rate",
    "xe-end-to-end.teachers",
];

/// One of a list.
pub fn any_of<T: Clone + std::fmt::Debug + 'static>(choices: &[T]) -> impl Strategy<Value = T> + use<T> {
    select(choices.to_vec())
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any_of(&WORDS).prop_map(str::to_owned),
        2 => any_of(&NASTY).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ]
}

/// Any JSON, with the API's own words among its keys and texts.
fn any_json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((word(), inner), 0..6).prop_map(|fields| Value::from(Map::from_iter(fields))),
        ]
    })
}

/// Those for training name files in this folder.
fn valid_bodies(folder: &Path) -> Vec<Value> {
    vec![
        json!({ "image": STANDARD.encode(png(20, 10)), "beam_size": 3, "max_length": 10, "candidates": 2 }),
        json!({ "image": format!("data:image/png;base64,{}", STANDARD.encode(png(10, 20))) }),
        json!({ "caption": "A dog." }),
        json!({ "caption": null }),
        json!({ "ids": ["0198c0de-0000-7000-8000-000000000000"] }),
        json!({ "ids": [], "format": "csv", "query": "dog", "from": "2026-01-01", "until": "2026-12-31" }),
        json!({ "models": ["default"] }),
        json!({ "name": "A name" }),
        json!({ "force": true }),
        run(folder, []),
        json!({ "models": ["default"], "dataset": folder.join("dataset.json"), "images": folder, "split": "both" }),
    ]
}

/// A run on the files of this folder, with some values of its recipe changed.
pub fn run(folder: &Path, changes: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let mut settings = json!({ "data.dataset": folder.join("dataset.json"), "data.images": folder });
    changes.into_iter().for_each(|(key, value)| settings[key] = value);
    json!({ "recipe": "photos14k", "phases": ["features"], "device": "cpu", "settings": settings, "start": false })
}

/// A run whose recipe has anybody's values.
fn any_run(folder: &Path) -> impl Strategy<Value = Value> + use<> {
    let folder = folder.to_owned();
    vec((any_of(&RECIPE_KEYS), leaf()), 0..4).prop_map(move |changes| run(&folder, changes))
}

/// Any JSON, a valid body, or a valid one's text with changed bytes.
pub fn json_body(folder: &Path) -> impl Strategy<Value = Vec<u8>> + use<> {
    let text = |value: Value| value.to_string().into_bytes();
    let changed = move |(body, mutations): (Value, Vec<Mutation>)| {
        let mut bytes = text(body);
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        bytes
    };
    let valid = valid_bodies(folder);
    prop_oneof![
        any_json().prop_map(text),
        select(valid.clone()).prop_map(text),
        any_run(folder).prop_map(text),
        (select(valid), mutations()).prop_map(changed),
    ]
}

/// What an address can hold: anything else never reaches a server.
pub const URI_TEXT: &str = "([A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2}|\\.\\./){0,40}";

/// A well-formed query string of odd names and values, or any text that an address can hold.
pub fn query_string() -> impl Strategy<Value = String> {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pair = (word(), word()).prop_map(move |(name, value)| format!("{}={}", encoded(&name), encoded(&value)));
    prop_oneof![3 => vec(pair, 0..5).prop_map(|pairs| pairs.join("&")), 1 => URI_TEXT]
}

/// A multipart form, whole or with changed bytes.
pub fn form() -> impl Strategy<Value = Vec<u8>> {
    let photo = png(30, 20);
    let part = (word(), any::<bool>(), word());
    (vec(part, 0..5), prop_oneof![Just(Vec::new()), mutations()]).prop_map(move |(parts, mutations)| {
        let parts: Vec<_> = parts
            .iter()
            .map(|(name, file, value)| if *file { Part::Image(value, &photo) } else { Part::Text(name, value) })
            .collect();
        let mut body = multipart(&parts);
        mutations.iter().for_each(|mutation| mutation.apply(&mut body));
        body
    })
}
