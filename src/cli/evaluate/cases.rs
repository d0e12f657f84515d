//! Captions with their references, as they are judged: from a file of ours, or COCO's two files.

use crate::cli::remark;
use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::Path;
use trainer::metrics::{Candidate, EvaluationSettings, Report, evaluate};

/// A caption and what people wrote of the same image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) id: Id,
    pub(super) candidate: String,
    pub(super) references: Vec<String>,
}

/// What an image goes by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(i64),
    Name(String),
}

impl fmt::Display for Id {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Id::Number(number) => write!(to, "{number}"),
            Id::Name(name) => to.write_str(name),
        }
    }
}

/// An entry of a results file, and of the annotations.
#[derive(Deserialize)]
struct CocoCaption {
    image_id: Id,
    caption: String,
}

#[derive(Deserialize)]
struct CocoAnnotations {
    annotations: Vec<CocoCaption>,
}

impl Case {
    /// Reads `[{"id", "candidate", "references"}, …]`.
    pub(super) fn read_all(file: &Path) -> anyhow::Result<Vec<Case>> {
        let cases: Vec<Case> = read_json(file)?;
        check(file, &cases)?;
        Ok(cases)
    }

    /// Reads captions and references of COCO's layouts; images that have no result are left out, as
    /// pycocoevalcap leaves them out where it is asked for the images of the results.
    pub(super) fn read_coco(results: &Path, annotations: &Path) -> anyhow::Result<Vec<Case>> {
        let candidates: Vec<CocoCaption> = read_json(results)?;
        let mut references: HashMap<Id, Vec<String>> = HashMap::new();
        for CocoCaption { image_id, caption } in read_json::<CocoAnnotations>(annotations)?.annotations {
            references.entry(image_id).or_default().push(caption);
        }
        let with_references = candidates.into_iter().map(|CocoCaption { image_id: id, caption: candidate }| Case {
            references: references.get(&id).cloned().unwrap_or_default(),
            id,
            candidate,
        });
        let cases: Vec<Case> = with_references.collect();
        check(results, &cases)?;
        let without_result = references.len() - cases.len();
        if without_result > 0 {
            remark(format_args!(
                "{without_result} images of {} have no result and are left out",
                annotations.display()
            ));
        }
        Ok(cases)
    }
}

/// Every image once, and with references.
fn check(file: &Path, cases: &[Case]) -> anyhow::Result<()> {
    let mut seen = HashSet::with_capacity(cases.len());
    for case in cases {
        if !seen.insert(&case.id) {
            bail!("{}: the image {} stands there twice", file.display(), case.id);
        }
        if case.references.is_empty() {
            bail!("{}: the image {} has no references to compare its caption with", file.display(), case.id);
        }
    }
    Ok(())
}

/// Every metric of the captions.
pub(super) fn judge(cases: &[Case], metrics: &EvaluationSettings) -> anyhow::Result<Report> {
    let candidates = cases.iter().map(|case| Candidate { caption: &case.candidate, references: &case.references });
    let candidates: Vec<Candidate> = candidates.collect();
    Ok(evaluate(&candidates, metrics)?)
}

pub(super) fn read_json<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = fs::read(file).with_context(|| file.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| format!("{} is laid out otherwise", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("writable");
        path
    }

    #[test]
    fn both_layouts_give_the_same_cases() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let own = r#"[{"id": 7, "candidate": "a dog", "references": ["A dog.", "Dogs"], "scores": {"BLEU-1": 1}}]"#;
        let results = r#"[{"image_id": 7, "caption": "a dog"}]"#;
        let annotations = r#"{"info": {}, "images": [], "annotations": [{"id": 1, "image_id": 7, "caption": "A dog."},
            {"id": 2, "image_id": 8, "caption": "A cat."}, {"id": 3, "image_id": 7, "caption": "Dogs"}]}"#;
        let (results, annotations) = (file(&folder, "r.json", results), file(&folder, "a.json", annotations));
        let cases = Case::read_all(&file(&folder, "own.json", own)).expect("is one");
        assert_eq!(cases, Case::read_coco(&results, &annotations).expect("are two"));
        assert_eq!((cases[0].id.to_string(), cases[0].references.len()), ("7".into(), 2));
    }

    #[test]
    fn files_that_cannot_be_judged_are_refused_with_the_image() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let reason = |text: &str| {
            let error = Case::read_all(&file(&folder, "own.json", text)).expect_err("cannot be judged");
            format!("{error:#}")
        };
        let one = r#"{"id": "x.jpg", "candidate": "a", "references": ["b"]}"#;
        assert!(reason(&format!("[{one}, {one}]")).ends_with("the image x.jpg stands there twice"));
        assert!(reason(&format!("[{}]", one.replace(r#""b""#, ""))).contains("the image x.jpg has no references"));
        assert!(reason(&one.replace("candidate", "caption")).contains("own.json is laid out otherwise"));
    }
}
