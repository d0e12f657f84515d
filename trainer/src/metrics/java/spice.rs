//! SPICE 1.0, which reads a JSON file, writes another, and ends.

use super::process::LineProcess;
use super::{Jars, Unavailable, unexpected};
use crate::metrics::TokenizedCandidate;
use serde::Deserialize;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The program, in the folder of [`Jars`].
pub const JAR: &str = "spice/spice-1.0.jar";
/// The parser that the program needs and that is distributed apart from it.
pub const PARSER: [&str; 2] = ["spice/lib/stanford-corenlp-3.6.0.jar", "spice/lib/stanford-corenlp-3.6.0-models.jar"];

/// Options for Java 9 and later. Java 8, which would end at such an option among its arguments, ignores the variable.
const JAVA_OPTIONS: &str = "JDK_JAVA_OPTIONS";
/// Packages of Java whose insides SPICE's serialisation reads, which Java 16 and later refuse unless they are opened.
const OPENED: [&str; 6] = ["java.lang", "java.util", "java.math", "java.util.concurrent", "java.net", "java.text"];

/// One image of the answer; the program does not keep their order.
#[derive(Debug, Deserialize)]
struct Answer {
    image_id: usize,
    scores: Categories,
}

#[derive(Debug, Deserialize)]
struct Categories {
    #[serde(rename = "All")]
    all: Figures,
}

#[derive(Debug, Deserialize)]
struct Figures {
    /// The F-score; null where it is not a number.
    f: Option<f64>,
}

/// SPICE of each image; the corpus' is their mean.
///
/// # Errors
/// Why there are no scores.
pub fn scores(jars: &Jars, candidates: &[TokenizedCandidate]) -> Result<Vec<f64>, Unavailable> {
    let jar = super::absolute(&jars.require(JAR)?)?;
    for file in PARSER {
        jars.require(file)?;
    }
    let work = tempfile::tempdir()?;
    let (input, output, cache) =
        (work.path().join("input.json"), work.path().join("output.json"), work.path().join("cache"));
    fs::create_dir(&cache)?;
    fs::write(&input, question(candidates))?;
    let mut command = Command::new(&jars.java);
    command.args(["-Xmx8G", "-Dfile.encoding=UTF-8", "-jar"]).arg(&jar).arg(&input);
    command.arg("-cache").arg(&cache).arg("-out").arg(&output).args(["-subset", "-silent"]);
    command.env(JAVA_OPTIONS, java_options()).current_dir(jar.parent().unwrap_or(Path::new(".")));
    LineProcess::start(command, jars.timeout)?.finish()?;
    let answer =
        fs::read_to_string(&output).map_err(|_| Unavailable::Ended { last_words: "it wrote no answer".to_owned() })?;
    read_answer(&answer, candidates.len())
}

/// What the variable says already, and that [`OPENED`] are open.
fn java_options() -> OsString {
    let mut options = std::env::var_os(JAVA_OPTIONS).unwrap_or_default();
    for package in OPENED {
        options.push(format!(" --add-opens=java.base/{package}=ALL-UNNAMED"));
    }
    options
}

/// `[{"image_id": 0, "test": "a dog", "refs": ["the dog"]}, …]`
fn question(candidates: &[TokenizedCandidate]) -> String {
    let items = candidates.iter().enumerate().map(|(place, candidate)| {
        serde_json::json!({ "image_id": place, "test": candidate.caption, "refs": candidate.references })
    });
    serde_json::Value::from_iter(items).to_string()
}

fn read_answer(text: &str, images: usize) -> Result<Vec<f64>, Unavailable> {
    let answers: Vec<Answer> =
        serde_json::from_str(text).map_err(|_| unexpected("a list of images with scores", text))?;
    let mut scores = vec![None; images];
    for answer in answers {
        if let Some(score) = scores.get_mut(answer.image_id) {
            *score = answer.scores.all.f;
        }
    }
    let all: Option<Vec<f64>> = scores.into_iter().collect();
    all.ok_or_else(|| unexpected("a score of every image", text))
}
