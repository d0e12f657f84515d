//! Every value of a recipe as a field of a form: what it is called, what it means, and what the paper took.

mod texts;

use super::{PAPER, PRETRAINED, Phase, Recipe, TrainingPhase};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::LazyLock;
use texts::{DATA, MODEL, PHASE, RUN, Text, WEIGHTS};

/// One value of a recipe, for a form.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// What `--set` calls it: `xe.batch_size`.
    pub key: String,
    /// Where it belongs: `run`, `data`, `weights`, `model` or a phase's name.
    pub group: String,
    /// What it is called.
    pub label: &'static str,
    /// What it means, and what to mind.
    pub help: &'static str,
    /// What it is counted in; empty where it is a mere number or no number.
    pub unit: &'static str,
    /// How it is typed in.
    pub kind: FieldKind,
    /// What may be chosen, where it is a choice. An empty one is none.
    pub choices: Vec<String>,
    /// Of little interest to most.
    pub advanced: bool,
    /// The recipe's value; null where it has none.
    pub value: Value,
    /// The paper's value; null where it has none.
    pub paper: Value,
}

/// How a value is typed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Whole numbers, an array.
    List,
    /// A file on the server.
    File,
    /// A folder on the server.
    Folder,
    /// One of [`Field::choices`].
    Choice,
    /// Yes or no.
    Boolean,
    /// A name, as the dataset has it.
    Name,
}

/// The values of a recipe, in the order of its file.
pub fn fields(recipe: &Recipe) -> Vec<Field> {
    static OF_PAPER: LazyLock<Option<Recipe>> = LazyLock::new(|| Recipe::parse(PAPER, &[]).ok());
    let paper = OF_PAPER.as_ref();
    let mut fields = section("run", "", RUN, recipe, paper);
    for (name, texts) in [("data", DATA), ("weights", WEIGHTS), ("model", MODEL)] {
        let section_of = |recipe: &Recipe| values(recipe).remove(name).unwrap_or_default();
        fields.extend(section(name, name, texts, &section_of(recipe), paper.map(section_of).as_ref()));
    }
    for (index, phase) in recipe.phases.iter().enumerate() {
        let like = paper.and_then(|paper| counterpart(phase, &paper.phases));
        let mut of_phase = section(phase.name(), phase.name(), &applicable(phase), phase, like);
        for field in of_phase.iter_mut().filter(|field| field.choices.is_empty() && field.kind == FieldKind::Choice) {
            field.choices = origins(&field.key, &recipe.phases[..index]);
        }
        fields.extend(of_phase);
    }
    fields
}

/// The fields of one table. Where the recipe leaves a size of another backbone out, so does the form.
fn section(
    group: &str,
    prefix: &str,
    texts: &[Text],
    of: &impl Serialize,
    paper: Option<&impl Serialize>,
) -> Vec<Field> {
    let (own, paper) = (values(of), paper.map(values).unwrap_or_default());
    let shown = texts.iter().filter(|text| !text.only_if_present || own.contains_key(text.key));
    shown
        .map(|text| Field {
            key: if prefix.is_empty() { text.key.to_owned() } else { format!("{prefix}.{}", text.key) },
            group: group.to_owned(),
            label: text.label,
            help: text.help,
            unit: text.unit,
            kind: text.kind,
            choices: text.choices.iter().map(|&choice| choice.to_owned()).collect(),
            advanced: text.advanced,
            value: own.get(text.key).cloned().unwrap_or_else(|| text.when_absent()),
            paper: match text.kind {
                FieldKind::File | FieldKind::Folder => Value::Null,
                _ if text.ours => Value::Null,
                _ => paper
                    .get(text.key)
                    .cloned()
                    .unwrap_or_else(|| if paper.is_empty() { Value::Null } else { text.when_absent() }),
            },
        })
        .collect()
}

/// The texts of a phase's own kind of step.
fn applicable(phase: &Phase) -> Vec<Text> {
    let step = phase.step();
    PHASE.iter().filter(|text| text.steps.contains(&step)).copied().collect()
}

/// The paper's phase that this one is like: of the same name, else of the same kind.
fn counterpart<'a>(phase: &Phase, paper: &'a [Phase]) -> Option<&'a Phase> {
    let end_to_end = |phase: &Phase| phase.training().is_some_and(TrainingPhase::end_to_end);
    let alike = |other: &&Phase| phase.step() == other.step() && end_to_end(phase) == end_to_end(other);
    let mut same_kind = paper.iter().filter(alike);
    same_kind.clone().find(|other| other.name() == phase.name()).or_else(|| same_kind.next())
}

/// Where weights or features can come from: nowhere (an empty text), files, the phases before.
fn origins(key: &str, earlier: &[Phase]) -> Vec<String> {
    let features = key.ends_with(".features");
    let suits = |phase: &&Phase| matches!(phase, Phase::Features(_)) == features;
    let phases = earlier.iter().filter(suits).map(|phase| phase.name().to_owned());
    let files = (!features).then(|| PRETRAINED.to_owned());
    std::iter::once(String::new()).chain(files).chain(phases).collect()
}

/// Keys and values of a table, those of tables inside as `dropouts.encoder`.
fn values(of: &impl Serialize) -> Map<String, Value> {
    let mut flat = Map::new();
    if let Ok(Value::Object(table)) = serde_json::to_value(of) {
        for (key, value) in table {
            match value {
                Value::Object(inner) if key == "dropouts" => {
                    flat.extend(inner.into_iter().map(|(name, value)| (format!("{key}.{name}"), value)));
                }
                value => drop(flat.insert(key, value)),
            }
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PHOTOS: &str = include_str!("../../../../recipes/photos14k.toml");

    fn of(text: &str) -> Vec<Field> {
        fields(&Recipe::parse(text, &[]).expect("is one"))
    }

    fn field<'a>(fields: &'a [Field], key: &str) -> &'a Field {
        fields.iter().find(|field| field.key == key).unwrap_or_else(|| panic!("no field {key}"))
    }

    /// What a table of a recipe may hold, in the words of its own error.
    fn keys_of(table: &str) -> Vec<String> {
        let refused = Recipe::parse(PAPER, &[format!("{table}.nothing=1")]).expect_err("there is no such key");
        let message = refused.to_string();
        let expected = message.split_once("expected").unwrap_or_else(|| panic!("{message}")).1;
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn no_value_of_a_recipe_is_forgotten() {
        let texts = |steps: &[&str]| -> Vec<&str> {
            let of_step = |text: &&Text| steps.iter().any(|step| text.steps.contains(step));
            PHASE.iter().filter(of_step).map(|text| text.key).collect()
        };
        let keys = |texts: &[Text]| -> Vec<&'static str> { texts.iter().map(|text| text.key).collect() };
        let training = texts(&["cross-entropy", "self-critical"]);
        let dropouts: Vec<&str> = training.iter().filter_map(|key| key.strip_prefix("dropouts.")).collect();
        for (table, known) in [
            ("data", keys(DATA)),
            ("weights", keys(WEIGHTS)),
            ("features", texts(&["features"])),
            ("xe", training.clone()),
            ("xe.dropouts", dropouts),
        ] {
            for key in keys_of(table) {
                let inside = |known: &&str| **known == key || known.starts_with(&format!("{key}."));
                assert!(key == "name" || known.iter().any(inside), "{table}.{key} has no text");
            }
        }
        // Sizes that the captions decide are in no recipe.
        let model = values(&crate::model::ModelConfig::expansionnet_v2_large());
        let decided = ["max_sequence_length", "vocab_size"];
        let all = model.keys().all(|key| decided.contains(&key.as_str()) || keys(MODEL).contains(&key.as_str()));
        assert!(all, "{:?}", model.keys());
    }

    #[test]
    fn fields_have_the_recipes_values() {
        for text in [PAPER, PHOTOS] {
            let recipe = Recipe::parse(text, &[]).expect("is one");
            let fields = fields(&recipe);
            let model = values(&values(&recipe)["model"]);
            assert!(model.iter().all(|(key, value)| &field(&fields, &format!("model.{key}")).value == value));
            let Some(Phase::CrossEntropy(xe)) = recipe.phase("xe") else { panic!("there is such a phase") };
            assert_eq!(field(&fields, "xe.evaluation_images").value, json!(xe.evaluation_images));
            assert_eq!(field(&fields, "xe.dropouts.other").value, json!(xe.dropouts.other));
            assert_eq!(field(&fields, "seed").value, json!(recipe.seed));
        }
    }

    #[test]
    fn a_phase_stands_beside_the_papers_of_its_kind() {
        let fields = of(PHOTOS);
        let rate = field(&fields, "xe.learning_rate");
        assert_eq!((&rate.value, &rate.paper, rate.kind), (&json!(5e-4), &json!(2e-4), FieldKind::Number));
        assert_eq!(field(&fields, "scst-end-to-end.learning_rate").paper, json!(2e-6));
        assert_eq!(field(&fields, "xe.dropouts.encoder").paper, json!(0.3));
        assert_eq!(field(&fields, "model.d_model").paper, json!(512));
        assert_eq!(field(&fields, "data.dataset").paper, Value::Null);
        assert_eq!(field(&fields, "xe.evaluation_images").paper, Value::Null);
        assert!(fields.iter().all(|field| field.key != "model.swin_depths"), "the backbone is another");
        assert_eq!(field(&of(PAPER), "model.swin_depths").value, json!([2, 2, 18, 2]));
    }

    #[test]
    fn weights_and_features_come_from_phases_before() {
        let fields = of(PAPER);
        assert_eq!(field(&fields, "xe.features").choices, ["", "features"]);
        assert_eq!(field(&fields, "scst.body").choices, ["", "pretrained", "xe", "xe-end-to-end"]);
        assert_eq!(field(&fields, "features.kind").choices, ["float16", "float32"]);
    }

    #[test]
    fn steps_have_their_own_fields() {
        let keys = |text| of(text).into_iter().map(|field| field.key).collect::<Vec<_>>();
        let has = |key: &str| keys(PAPER).iter().any(|other| other == key);
        assert!(has("scst.samples") && !has("xe.samples"));
        assert!(has("xe.label_smoothing") && !has("scst.label_smoothing"));
        assert!(has("features.batch_size") && !has("features.epochs"));
    }

    #[test]
    fn every_text_says_something() {
        for text in [RUN, DATA, WEIGHTS, MODEL, PHASE].into_iter().flatten() {
            assert!(!text.label.is_empty() && text.help.ends_with('.'), "{}", text.key);
        }
    }
}
