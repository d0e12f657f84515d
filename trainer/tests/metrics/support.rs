//! Fixtures as captions and numbers, and comparisons with them.
#![allow(dead_code)]

use serde_json::Value;
use tch::Tensor;
use trainer::metrics::{Bootstrap, Candidate, CiderReward, EvaluationSettings, Jars, Report, Scores};
use trainer::metrics::{TokenizedCandidate, evaluate, tokenize_all};
use trainer::training::self_critical::{baselines, self_critical_loss};

/// A caption with its references.
pub struct Case {
    pub caption: String,
    pub references: Vec<String>,
}

/// `[{"candidate": "…", "references": ["…"]}]`
pub fn cases(entries: &[Value]) -> Vec<Case> {
    let case = |entry: &Value| Case { caption: text(&entry["candidate"]), references: texts(&entry["references"]) };
    entries.iter().map(case).collect()
}

pub fn candidates(cases: &[Case]) -> Vec<Candidate<'_>> {
    cases.iter().map(|case| Candidate { caption: &case.caption, references: &case.references }).collect()
}

pub fn tokens_of(entry: &Value) -> TokenizedCandidate {
    TokenizedCandidate { caption: text(&entry["candidate"]), references: texts(&entry["references"]) }
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

pub fn texts(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(text).collect()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

pub fn settings(jars: Option<Jars>) -> EvaluationSettings {
    EvaluationSettings { bootstrap: Bootstrap { resamples: 200, seed: 1 }, jars }
}

pub fn report(cases: &[Case]) -> Report {
    evaluate(&candidates(cases), &settings(None)).expect("every caption has references")
}

pub fn assert_tokens(cases: &[Case], expected: &[TokenizedCandidate]) {
    let tokenized = tokenize_all(&candidates(cases)).expect("every caption has references");
    assert_eq!(tokenized.len(), expected.len());
    for (ours, theirs) in tokenized.iter().zip(expected) {
        assert_eq!(ours, theirs);
    }
}

/// Panics with the figures unless corpus and images agree with `{"corpus": …, "per_image": […]}`.
pub fn assert_scores(metric: &str, ours: &Scores, theirs: &Value, tolerance: f64) {
    let corpus = theirs["corpus"].as_f64().expect("a number");
    assert!((ours.corpus - corpus).abs() <= tolerance, "{metric}: {} instead of {corpus}", ours.corpus);
    assert_close(metric, &ours.per_image, &numbers(&theirs["per_image"]), tolerance);
}

pub fn assert_close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (place, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() <= tolerance, "{what} of {place}: {ours} instead of {theirs}");
    }
}

/// A batch of `images`, captions `sampled` for them, and the `rewards`, `baselines` and `loss` of the original.
pub fn assert_reward(references: &[Vec<String>], expected: &Value) {
    let lists = |name: &str| expected[name].as_array().expect("a list").iter();
    let images: Vec<usize> = numbers(&expected["images"]).iter().map(|&image| image as usize).collect();
    let sampled: Vec<Vec<Vec<String>>> =
        lists("sampled").map(|captions| captions.as_array().expect("a list").iter().map(texts).collect()).collect();
    let reward = CiderReward::new(references, "EOS").expect("every image has captions");
    let rewards = reward.rewards(&images, &sampled).expect("the images are there");
    assert_eq!(rewards.len(), lists("rewards").len());
    for (rewards, (their_rewards, their_baselines)) in rewards.iter().zip(lists("rewards").zip(lists("baselines"))) {
        assert_close("reward", rewards, &numbers(their_rewards), 1e-6);
        assert_close("baseline", &baselines(rewards).collect::<Vec<_>>(), &numbers(their_baselines), 1e-6);
    }
    let log_probs: Vec<f32> = lists("log_probabilities").flat_map(numbers).map(|number| number as f32).collect();
    let loss = self_critical_loss(&Tensor::from_slice(&log_probs), &rewards).double_value(&[]);
    // Training computes it in float32, the original's figure is a float64.
    assert_close("loss", &[loss], &[expected["loss"].as_f64().expect("a number")], 1e-5);
}
