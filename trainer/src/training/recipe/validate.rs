//! What a recipe's values must be, beyond their types.

use super::phases::half;
use super::{CHECKPOINT, FeaturesPhase, PRETRAINED, Phase, Recipe, RecipeError, TrainingPhase, each_origin};
use crate::data::augmentation::{Variety, Views};

type Checked = Result<(), RecipeError>;

pub(super) fn validate(recipe: &Recipe) -> Checked {
    at_least("data.min_occurrences", recipe.data.min_occurrences as f64, 1.)?;
    for (index, phase) in recipe.phases.iter().enumerate() {
        let earlier = &recipe.phases[..index];
        let name = phase.name();
        let legal = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        let unique = earlier.iter().all(|other| other.name() != name);
        let sound = unique && !name.is_empty() && name.chars().all(legal);
        require(sound, "phase.name", "must be letters, digits, `-` and `_`, another for each phase")?;
        match phase {
            Phase::Features(phase) => features(recipe, phase, earlier)?,
            Phase::CrossEntropy(phase) => training(recipe, phase, earlier)?,
            Phase::SelfCritical(phase) => {
                let images = !phase.sees_captions;
                let must = "is for a phase whose step is `cross-entropy`";
                require(images, &format!("{name}.sees_captions"), must)?;
                require(phase.teachers.is_none(), &format!("{name}.teachers"), must)?;
                training(recipe, phase, earlier)?;
                at_least(&format!("{name}.samples"), phase.samples as f64, 2.)?;
                at_least(&format!("{name}.sample_length"), phase.sample_length as f64, 1.)?;
            }
        }
    }
    Ok(())
}

fn features(recipe: &Recipe, phase: &FeaturesPhase, earlier: &[Phase]) -> Checked {
    at_least(&format!("{}.batch_size", phase.name), phase.batch_size as f64, 1.)?;
    at_least(&format!("{}.views", phase.name), phase.views as f64, 1.)?;
    varied(&phase.name, phase.variety())?;
    let given = recipe.weights.backbone.is_some();
    origin(&format!("{}.backbone", phase.name), ("backbone", &phase.backbone), earlier, given, |phase| {
        phase.end_to_end()
    })
}

fn training(recipe: &Recipe, phase: &TrainingPhase, earlier: &[Phase]) -> Checked {
    let key = |key: &str| format!("{}.{key}", phase.name);
    starts(recipe, phase, earlier)?;
    for (name, value) in [
        ("epochs", phase.epochs as f64),
        ("batch_size", phase.batch_size as f64),
        ("captions_per_image", phase.captions_per_image as f64),
        ("accumulate", phase.accumulate as f64),
        ("anneal_every_epochs", phase.anneal_every_epochs as f64),
        ("keep_checkpoints", phase.keep_checkpoints as f64),
        ("beam_size", phase.beam_size as f64),
        ("evaluation_batch_size", phase.evaluation_batch_size() as f64),
    ] {
        at_least(&key(name), value, 1.)?;
    }
    let dropouts = phase.dropouts;
    for (name, value) in [
        ("dropouts.encoder", dropouts.encoder),
        ("dropouts.decoder", dropouts.decoder),
        ("dropouts.encoder_input", dropouts.encoder_input),
        ("dropouts.decoder_input", dropouts.decoder_input),
        ("dropouts.other", dropouts.other),
        ("dropouts.drop_path", dropouts.drop_path),
        ("label_smoothing", phase.label_smoothing),
        ("ema_decay", phase.ema_decay),
    ] {
        require((0. ..1.).contains(&value), &key(name), "must lie in 0 to 1, 1 excluded")?;
    }
    for (name, value) in [
        ("learning_rate", phase.learning_rate),
        ("anneal", phase.anneal),
        ("temperature", phase.temperature),
        ("clip_gradients", phase.clip_gradients.unwrap_or(1.)),
    ] {
        require(value > 0. && value.is_finite(), &key(name), "must be more than 0")?;
    }
    varied(&phase.name, phase.variety())?;
    if let Some(size) = phase.image_size {
        let fits = phase.end_to_end() && !matches!(recipe.model.backbone.as_deref(), None | Some("swin"));
        require(fits, &key("image_size"), "is for a phase that trains an EfficientNet, on images")?;
        at_least(&key("image_size"), size as f64, 32.)?;
    }
    let photos = phase.filepath.is_none() || !phase.sees_captions;
    require(photos, &key("filepath"), "is for a phase that sees photos or their features")?;
    let alone = phase.features.is_none() && phase.backbone.is_none() && !phase.augment;
    let must = "is for a phase without `features`, `backbone` and `augment`";
    require(alone || !phase.sees_captions, &key("sees_captions"), must)?;
    let recomputes = !phase.checkpoint_activations || phase.end_to_end();
    require(recomputes, &key("checkpoint_activations"), "is for a phase that trains the backbone, on images")?;
    if let (Views::Stored(1), Some(features)) = (recipe.views_of(phase), &phase.features) {
        let must = format!("needs features of other views too: set {features}.views to 2 or more");
        require(false, &key("augment"), &must)?;
    }
    let freezes = phase.frozen_segments == 0 || phase.end_to_end();
    require(freezes, &key("frozen_segments"), "is for a phase that trains the backbone, on images")?;
    let minutes = phase.save_every_minutes;
    require(minutes > 0. && minutes < 1e6, &key("save_every_minutes"), "must be more than 0 and less than 1e6")?;
    require(phase.min_learning_rate >= 0., &key("min_learning_rate"), "must be at least 0")
}

/// Where features and weights come from.
fn starts(recipe: &Recipe, phase: &TrainingPhase, earlier: &[Phase]) -> Checked {
    let key = |key: &str| format!("{}.{key}", phase.name);
    if let Some(features) = &phase.features {
        let exists = earlier.iter().any(|phase| matches!(phase, Phase::Features(phase) if &phase.name == features));
        require(exists, &key("features"), "must be an earlier phase whose step is `features`")?;
    }
    if let Some(backbone) = &phase.backbone {
        let given = recipe.weights.backbone.is_some();
        origin(&key("backbone"), ("backbone", backbone), earlier, given, |phase| phase.end_to_end())?;
    }
    if let Some(body) = &phase.body {
        origin(&key("body"), ("body", body), earlier, recipe.weights.body.is_some(), |_| true)?;
    }
    if let Some(teachers) = &phase.teachers {
        let backbone_of = |features: &str| {
            let mut all = earlier.iter().filter(|phase| phase.name() == features);
            all.find_map(|phase| if let Phase::Features(phase) = phase { Some(phase.backbone.as_str()) } else { None })
        };
        // Of anything else than it was trained on, a teacher says what comes to its mind.
        let sees_this = |trained: &TrainingPhase| match &phase.features {
            Some(features) => {
                let backbone = backbone_of(features);
                backbone == Some(&trained.name) || backbone == trained.features.as_deref().and_then(backbone_of)
            }
            None => trained.features.is_none() && trained.sees_captions == phase.sees_captions,
        };
        let given = recipe.weights.body.is_some() && (recipe.weights.backbone.is_some() || !phase.end_to_end());
        origin(&key("teachers"), ("teachers", teachers), earlier, given, sees_this)?;
    }
    let share = phase.teachers_weight;
    require(share > 0. && share <= 1., &key("teachers_weight"), "must be more than 0 and at most 1")?;
    let of_teachers = share == half() || phase.teachers.is_some();
    require(of_teachers, &key("teachers_weight"), "is for a phase with `teachers`")
}

fn varied(phase: &str, Variety { smallest_crop, colour }: Variety) -> Checked {
    let sound = smallest_crop > 0. && smallest_crop <= 1.;
    require(sound, &format!("{phase}.smallest_crop"), "must be more than 0 and at most 1")?;
    require((0. ..=1.).contains(&colour), &format!("{phase}.colour"), "must lie in 0 to 1")
}

/// Weights of a part come from a file under `[weights]`, or from an earlier phase that trained them, or from several.
fn origin(
    key: &str,
    (part, origins): (&str, &str),
    earlier: &[Phase],
    given: bool,
    trains: impl Fn(&TrainingPhase) -> bool,
) -> Checked {
    let trained = |phase: &Phase, name: &str| match phase {
        Phase::CrossEntropy(phase) | Phase::SelfCritical(phase) => phase.name == name && trains(phase),
        Phase::Features(_) => false,
    };
    each_origin(origins).try_for_each(|origin| match origin.strip_prefix(CHECKPOINT) {
        Some(path) => require(!path.is_empty(), key, "names no path after `checkpoint:`"),
        None if origin == PRETRAINED => {
            let files = if part == "teachers" { "body (and weights.backbone)" } else { part };
            require(given, key, &format!("is `pretrained`, so that weights.{files} must name a file"))
        }
        None => {
            let phase =
                if part == "teachers" { "learns of the same features, photos or captions" } else { "trains it" };
            let must = format!("must be `pretrained`, an earlier phase that {phase}, or `checkpoint:` and a path");
            require(earlier.iter().any(|phase| trained(phase, origin)), key, &must)
        }
    })
}

fn at_least(key: &str, value: f64, least: f64) -> Checked {
    require(value >= least, key, &format!("must be at least {least}"))
}

fn require(holds: bool, key: &str, must: &str) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(RecipeError::Invalid { key: key.to_owned(), must: must.to_owned() }),
    }
}
