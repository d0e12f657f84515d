//! Recipes to begin with, values changed in them, and what differs between two of them.

use super::folders::confine;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use trainer::training::Recipe;
use trainer::training::recipe::{PAPER, RecipeError};

/// The recipe's file in a run's folder.
pub use trainer::training::recipe::FILE;

/// A recipe that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// For requests.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The recipe.
    pub toml: &'static str,
}

/// In the order in which they are offered.
pub const SHIPPED: [Shipped; 3] = [
    Shipped {
        name: "photos14k",
        title: "A small captioner",
        description: "EfficientNet-lite2 and a small body, for some thousand photos on two CPU cores or one GPU.",
        toml: include_str!("../../recipes/photos14k.toml"),
    },
    Shipped {
        name: "photos14k-distilled",
        title: "The bundled captioner",
        description: "The same small captioner, learned of others, with rewards: half an hour on a large GPU, a day on two CPU cores.",
        toml: include_str!("../../recipes/photos14k-distilled.toml"),
    },
    Shipped {
        name: "paper",
        title: "The paper's model",
        description: "Swin-L and the full body with the paper's numbers, for COCO on a large GPU.",
        toml: PAPER,
    },
];

/// Where `cargo xtask backbones` puts the weights that shipped recipes begin with: for every admin, whatever the roots.
const BACKBONES: &str = ".backbones";

/// Why there is no such recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeFault {
    /// Not shipped.
    #[error("there is no recipe `{0}`")]
    Unknown(String),
    /// A value is none of a recipe.
    #[error("{key}: {value} is no value of a recipe")]
    Value {
        /// Its key.
        key: String,
        /// What came.
        value: Value,
    },
    /// The recipe's own message.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A path leads where admins may choose nothing from.
    #[error("{key}: {} must lie in one of the folders of training.roots (or weights in that of the runs)", path.display())]
    Outside {
        /// Its key.
        key: String,
        /// Where it leads.
        path: PathBuf,
    },
}

/// A shipped recipe's text.
///
/// # Errors
/// [`RecipeFault::Unknown`].
pub fn shipped(name: &str) -> Result<&'static str, RecipeFault> {
    let found = SHIPPED.iter().find(|shipped| shipped.name == name);
    found.map(|shipped| shipped.toml).ok_or_else(|| RecipeFault::Unknown(name.to_owned()))
}

/// A recipe with values set, its paths absolute, so that a server in another folder can go on with it, and below the
/// roots; weights may be those of `runs`, too.
///
/// # Errors
/// See [`RecipeFault`].
pub fn with_values(
    toml: &str,
    values: &Map<String, Value>,
    roots: &[PathBuf],
    runs: &Path,
) -> Result<Recipe, RecipeFault> {
    let is_none = |value: &Value| value.is_null() || value == "";
    let (none, set): (Vec<_>, Vec<_>) = values.iter().partition(|(_, value)| is_none(value));
    let settings = set.into_iter().map(|(key, value)| setting(key, value)).collect::<Result<Vec<_>, _>>()?;
    let mut recipe = Recipe::parse(&without(toml, none.into_iter().map(|(key, _)| key.as_str()))?, &settings)?;
    let of_weights = [roots, &[PathBuf::from(BACKBONES), runs.to_owned()]].concat();
    recipe.change_checkpoints(|key, path| inside(&of_weights, key, path))?;
    let Recipe { data, weights, .. } = &mut recipe;
    let files = [
        ("data.dataset", Some(&mut data.dataset)),
        ("data.images", Some(&mut data.images)),
        ("data.captions", data.captions.as_mut()),
        ("data.vocabulary", data.vocabulary.as_mut()),
        ("weights.backbone", weights.backbone.as_mut()),
        ("weights.body", weights.body.as_mut()),
    ];
    for (key, path) in files {
        let Some(path) = path else { continue };
        *path = inside(if key.starts_with("weights.") { &of_weights } else { roots }, key, path)?;
    }
    // A folder's name may be one that recipes read otherwise.
    let text = toml::to_string(&recipe).map_err(|error| RecipeError::Format(error.to_string()))?;
    Ok(Recipe::parse(&text, &[])?)
}

/// The path made absolute, if it leads below one of the folders.
fn inside(folders: &[PathBuf], key: &str, path: &Path) -> Result<PathBuf, RecipeFault> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // What is not there is no secret, and the check says so; but it must not lead out once it is there.
    let outside = match path.exists() {
        true => confine(folders, &path).is_none(),
        false => path.components().any(|part| part == Component::ParentDir) || is_led_out(folders, &path),
    };
    match outside {
        true => Err(RecipeFault::Outside { key: key.to_owned(), path }),
        false => Ok(path),
    }
}

/// Whether what there is of a path to something that is not there goes by a link out of the folders, or to nowhere.
fn is_led_out(folders: &[PathBuf], path: &Path) -> bool {
    let Some(there) = path.ancestors().find(|part| part.symlink_metadata().is_ok()) else { return false };
    there.canonicalize().map_or(true, |led| led != there && confine(folders, there).is_none())
}

/// The recipe without the values of these keys.
fn without<'k>(toml: &str, keys: impl Iterator<Item = &'k str>) -> Result<String, RecipeFault> {
    let fault = |error: &dyn std::fmt::Display| RecipeFault::Recipe(RecipeError::Format(error.to_string()));
    let mut table: toml::Table = toml.parse().map_err(|error: toml::de::Error| fault(&error))?;
    for key in keys {
        let mut path = key.split('.');
        let first = path.next().unwrap_or_default();
        let is_phase = |phase: &toml::Value| phase.get("name").and_then(toml::Value::as_str) == Some(first);
        let phases = table.get("phase").and_then(toml::Value::as_array);
        let phase = phases.and_then(|phases| phases.iter().position(is_phase));
        let mut path: Vec<&str> = path.collect();
        let last = path.pop().unwrap_or(first);
        let top = match phase {
            Some(phase) => table.get_mut("phase").and_then(|phases| phases.get_mut(phase)),
            None => table.get_mut(first),
        };
        let place = path.into_iter().try_fold(top, |place, key| Some(place?.get_mut(key))).flatten();
        if let Some(place) = place.and_then(toml::Value::as_table_mut) {
            place.remove(last);
        }
    }
    toml::to_string(&table).map_err(|error| fault(&error))
}

/// `key=value` as the command line takes it; texts in quotes, so that `1` stays one.
fn setting(key: &str, value: &Value) -> Result<String, RecipeFault> {
    let fault = || RecipeFault::Value { key: key.to_owned(), value: value.clone() };
    let sound = !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
    if !sound || value.is_object() {
        return Err(fault());
    }
    let value = toml::Value::try_from(value).map_err(|_| fault())?;
    Ok(format!("{key}={value}"))
}

/// Every value by its key: `seed`, `data.images`, `xe.dropouts.encoder`.
pub fn flatten(recipe: &Recipe) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    if let Ok(Value::Object(mut sections)) = serde_json::to_value(recipe) {
        let phases = sections.remove("phase");
        for (phase, values) in recipe.phases.iter().zip(phases.as_ref().and_then(Value::as_array).into_iter().flatten())
        {
            put(&mut flat, phase.name(), values);
        }
        sections.iter().for_each(|(key, value)| put(&mut flat, key, value));
    }
    flat
}

fn put(flat: &mut BTreeMap<String, Value>, key: &str, value: &Value) {
    match value {
        Value::Object(inner) => inner.iter().for_each(|(name, value)| put(flat, &format!("{key}.{name}"), value)),
        value => {
            flat.insert(key.to_owned(), value.clone());
        }
    }
}

/// A value that is not the one that the recipe began with.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// As it is.
    #[schema(value_type = Object)]
    pub value: Value,
    /// As it was.
    #[schema(value_type = Object)]
    pub default: Value,
    /// In the paper's recipe; null where it has no such key.
    #[schema(value_type = Object)]
    pub paper: Value,
}

/// What differs from the recipe that this one began with.
pub fn differences(recipe: &Recipe, begun_with: &str) -> Vec<Difference> {
    let read = |text: &str| Recipe::parse(text, &[]).map(|recipe| flatten(&recipe)).unwrap_or_default();
    let (now, before, paper) = (flatten(recipe), read(begun_with), read(PAPER));
    let keys = now.keys().chain(before.keys().filter(|key| !now.contains_key(*key)));
    let of = |values: &BTreeMap<String, Value>, key: &str| values.get(key).cloned().unwrap_or(Value::Null);
    keys.filter(|key| now.get(*key) != before.get(*key))
        .map(|key| Difference {
            key: key.clone(),
            value: of(&now, key),
            default: of(&before, key),
            paper: of(&paper, key),
        })
        .collect()
}

/// The recipe in a run's folder.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn of_run(folder: &Path) -> Result<Recipe, RecipeError> {
    Recipe::read(&folder.join(FILE), &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use trainer::training::Phase;

    fn small(values: Value) -> Result<Recipe, RecipeFault> {
        let toml = shipped("photos14k").expect("is shipped");
        with_values(toml, values.as_object().expect("values"), &[], Path::new("/none"))
    }

    #[test]
    fn shipped_recipes_are_sound_and_have_absolute_paths_once_used() {
        for shipped in SHIPPED {
            Recipe::parse(shipped.toml, &[]).expect(shipped.name);
        }
        let recipe = small(json!({})).expect("a recipe");
        assert!(recipe.data.dataset.is_absolute() && recipe.weights.backbone.is_some_and(|path| path.is_absolute()));
        assert!(matches!(shipped("other"), Err(RecipeFault::Unknown(_))));
    }

    #[test]
    fn values_are_set_by_key_and_only_they_differ() {
        let values = json!({
            "xe.batch_size": 32, "seed": 7, "data.dataset": "/none/1", "xe.learning_rate": 1e-5, "xe.dropouts.other": 0
        });
        let recipe = small(values).expect("a recipe");
        assert_eq!((recipe.seed, recipe.data.dataset.as_path()), (7, Path::new("/none/1")));
        let differences = differences(&recipe, shipped("photos14k").expect("is shipped"));
        let found = differences.iter().find(|difference| difference.key == "xe.batch_size").expect("differs");
        assert_eq!((&found.value, &found.default, &found.paper), (&json!(32), &json!(24), &json!(48)));
        assert!(differences.iter().all(|difference| difference.key != "xe.epochs"));
    }

    #[test]
    fn texts_stay_texts_and_nothing_is_none() {
        let values = json!({"data.images": "/x\"\nseed = 1", "data.vocabulary": "", "xe.dropouts.other": null});
        let recipe = small(values).expect("a recipe");
        assert_eq!(recipe.data.images, Path::new("/x\"\nseed = 1"));
        assert_eq!((recipe.seed, recipe.data.vocabulary.as_ref()), (775_533, None));
        let Some(Phase::CrossEntropy(xe)) = recipe.phase("xe") else { panic!("there is such a phase") };
        assert_eq!((xe.dropouts.other, xe.dropouts.encoder), (0., 0.2));
    }

    #[test]
    fn what_is_wrong_is_told_in_the_recipes_own_words() {
        let said = |values: Value| small(values).expect_err("is refused").to_string();
        assert!(said(json!({"xe.batch_size": 0})).starts_with("xe.batch_size must be at least 1"));
        assert!(said(json!({"xe.batchsize": 1})).contains("unknown field `batchsize`"));
        assert!(said(json!({"seed": {"a": 1}})).starts_with("seed: {"));
        assert!(said(json!({"data.dataset": null})).contains("missing field `dataset`"));
        assert!(said(json!({"a=b": 1})).contains("is no value"));
        assert!(said(json!({"data.images": "/etc"})).contains("training.roots"));
        assert!(
            said(json!({"xe.body": "language + checkpoint:/etc/hosts"})).starts_with("xe.body: /etc/hosts must lie")
        );
        assert!(said(json!({"xe-end-to-end.teachers": "checkpoint:/etc"})).starts_with("xe-end-to-end.teachers: /etc"));
    }

    #[test]
    fn weights_may_be_those_of_former_runs() {
        let runs = tempfile::tempdir().expect("a temporary folder");
        let model = runs.path().join("a-run/xe/model");
        std::fs::create_dir_all(&model).expect("writable");
        let values = json!({"xe.body": format!("checkpoint:{}", model.display())});
        let toml = shipped("photos14k").expect("is shipped");
        let with = |runs: &Path| with_values(toml, values.as_object().expect("values"), &[], runs);
        let recipe = with(runs.path()).expect("they lie there");
        assert_eq!(json!(flatten(&recipe)["xe.body"]), values["xe.body"]);
        assert!(matches!(with(Path::new("/none")), Err(RecipeFault::Outside { key, .. }) if key == "xe.body"));
    }

    #[test]
    fn a_path_that_is_not_there_yet_cannot_lead_out_later() {
        let runs = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink("/etc", runs.path().join("link")).expect("writable");
        let toml = shipped("photos14k").expect("is shipped");
        let asked = |path: &str| {
            let values = json!({"features.backbone": format!("checkpoint:{}/{path}", runs.path().display())});
            with_values(toml, values.as_object().expect("values"), &[], runs.path())
        };
        std::os::unix::fs::symlink("/none/weights", runs.path().join("dangling")).expect("writable");
        for path in ["later/../../../../../../../../etc/hosts", "link/hosts", "link/not-yet", "dangling"] {
            assert!(matches!(asked(path), Err(RecipeFault::Outside { .. })), "{path}");
        }
        assert!(asked("later/xe/model").is_ok());
    }
}
