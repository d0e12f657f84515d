//! Language learned of captions alone, before the first picture is seen.

mod support;

use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use support::made_dataset::MadeDataset;
use tch::Device;
use trainer::training::check::Level;
use trainer::training::events::Line;
use trainer::training::{Event, Events, Outcome, Recipe, Run, TrainError, check, package_checkpoint};

const LANGUAGE: &str = r#"
[[phase]]
name = "language"
step = "cross-entropy"
sees_captions = true
captions_per_image = 2
epochs = 60
batch_size = 4
learning_rate = 4e-3
warmup_iterations = 5
"#;

/// The made dataset's recipe with a phase of language before the others, whose words `xe` begins with.
fn recipe(made: &MadeDataset, settings: &[&str]) -> Recipe {
    let text = made.recipe(1).replacen("[[phase]]", &format!("{LANGUAGE}\n[[phase]]"), 1);
    let settings: Vec<String> =
        ["xe.body=language"].iter().chain(settings).map(|&setting| setting.to_owned()).collect();
    Recipe::parse(&text, &settings).expect("is one")
}

fn heard(recipe: &Recipe, made: &MadeDataset, phases: &[&str]) -> Vec<Line> {
    let (heard, stop): (Rc<RefCell<Vec<Line>>>, _) = (Rc::default(), AtomicBool::new(false));
    let (mut events, copy) = (Events::default(), Rc::clone(&heard));
    events.listen(Box::new(move |line| copy.borrow_mut().push(line.clone())));
    let folder = made.path("run");
    let run = Run::open(recipe, &folder, Device::Cpu, &stop).expect("opens");
    assert_eq!(run.run(phases.iter().copied(), &mut events).expect("trains"), Outcome::Completed);
    std::fs::write(folder.join("recipe.toml"), toml::to_string(recipe).expect("serialises")).expect("writable");
    heard.take()
}

#[test]
fn language_is_learned_without_pictures_and_taken_on() {
    let made = MadeDataset::new();
    let recipe = recipe(&made, &[]);
    std::fs::rename(made.path("images"), made.path("elsewhere")).expect("renames");
    let lines = heard(&recipe, &made, &["language"]);
    let cider = lines.iter().filter_map(|line| match &line.event {
        Event::Evaluation { metrics, .. } => metrics.get("CIDEr-D").copied(),
        _ => None,
    });
    // The first caption of a picture is seen, the second, which here says the same, is what should be said. Three words
    // have no 4-grams, so that 7.5 of 10 is all right.
    let best = cider.fold(0., f64::max);
    assert!(best > 7.4, "{best} of 7.5");
    let shown = lines.iter().filter(|line| matches!(line.event, Event::Sample { .. })).count();
    assert_eq!(shown, 0, "beside pictures that it has not seen");
    let run = made.path("run");
    assert!(!run.join("language/model").exists(), "there is no model without a backbone");
    let refused = package_checkpoint(&run, "language", "best", false, &made.path("model")).expect_err("as well");
    assert!(matches!(refused, TrainError::NoBackbone(_)), "{refused}");

    std::fs::rename(made.path("elsewhere"), made.path("images")).expect("renames");
    heard(&recipe, &made, &["features", "xe"]);
    assert!(run.join("xe/model").exists());
}

#[test]
fn more_captions_are_those_for_training_of_other_images_in_known_words() {
    let made = MadeDataset::new();
    let image = |id: i64, file: &str, split: &str, captions: &[&str]| {
        let captions: Vec<_> = captions.iter().map(|caption| json!({"raw": caption})).collect();
        json!({"cocoid": id, "filename": file, "split": split, "sentences": captions})
    };
    let images = [
        image(1, "a.jpg", "train", &["A red disc.", "A green disc."]),
        image(2, "b.jpg", "restval", &["A blue disc.", "A blue giraffe."]),
        image(3, "c.jpg", "train", &["Two giraffes."]),
        image(4, "d.jpg", "val", &["A red disc."]),
        image(5, "e.jpg", "test", &["A red disc."]),
        image(6, "red-disc.jpg", "train", &["A red disc."]), // a validation image by another name
    ];
    let path = made.path("captions.json");
    std::fs::write(&path, json!({"images": images}).to_string()).expect("writable");
    let more = format!("data.captions={}", path.display());
    let recipe = recipe(&made, &[&more, "language.batch_size=1", "language.epochs=1"]);

    let report = check(&recipe, &made.path("run"), Device::Cpu, ["language"], None).expect("checks");
    assert!(report.findings.iter().all(|finding| finding.level != Level::Error), "{:?}", report.findings);
    assert_eq!(report.phases[0].iterations, 2);
    let left_out = |message: &str| message.starts_with("2 of 5 captions in ") && message.contains("giraffe");
    assert!(report.findings.iter().any(|finding| finding.level == Level::Info && left_out(&finding.message)));
    let lines = heard(&recipe, &made, &["language"]);
    let started = lines.iter().find_map(|line| match line.event {
        Event::Started { per_epoch, .. } => Some(per_epoch),
        _ => None,
    });
    assert_eq!(started, Some(2), "a.jpg and b.jpg");
    let told = lines.iter().filter(|line| matches!(&line.event, Event::Log { message } if left_out(message)));
    assert_eq!(told.count(), 1);
}
