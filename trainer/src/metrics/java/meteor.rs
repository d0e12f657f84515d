//! METEOR 1.5, which keeps running and answers line by line.

use super::process::LineProcess;
use super::{Jars, Unavailable, unexpected};
use crate::metrics::{Scores, TokenizedCandidate};
use std::process::Command;

/// The program, in the folder of [`Jars`].
pub const JAR: &str = "meteor/meteor-1.5.jar";
/// Paraphrases, without which the program scores lower instead of failing.
const PARAPHRASES: &str = "meteor/data/paraphrase-en.gz";

/// A running METEOR: reading its paraphrases takes seconds, a caption then a millisecond.
pub struct Meteor {
    process: LineProcess,
}

/// METEOR of these captions, by a program started for them.
///
/// # Errors
/// Why there are no scores.
pub fn scores(jars: &Jars, candidates: &[TokenizedCandidate]) -> Result<Scores, Unavailable> {
    Meteor::start(jars)?.scores(candidates)
}

impl Meteor {
    /// Starts the program.
    ///
    /// # Errors
    /// When its files or Java are missing.
    pub fn start(jars: &Jars) -> Result<Self, Unavailable> {
        let jar = super::absolute(&jars.require(JAR)?)?;
        jars.require(PARAPHRASES)?;
        let mut command = Command::new(&jars.java);
        // Its figures are those of English with points, whatever the language of the machine.
        command.args(["-Xmx2G", "-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US", "-jar"]);
        command.arg(&jar).args(["-", "-", "-stdio", "-l", "en", "-norm"]);
        if let Some(folder) = jar.parent() {
            command.current_dir(folder);
        }
        Ok(Meteor { process: LineProcess::start(command, jars.timeout)? })
    }

    /// METEOR of the corpus and of each image.
    ///
    /// # Errors
    /// When the program ends, keeps silent, or answers something else; it is of no use then.
    pub fn scores(&mut self, candidates: &[TokenizedCandidate]) -> Result<Scores, Unavailable> {
        for candidate in candidates {
            self.process.send(score_line(candidate))?;
        }
        let mut evaluation = String::from("EVAL");
        for _ in candidates {
            evaluation.push_str(" ||| ");
            evaluation.push_str(self.process.answer()?.trim());
        }
        self.process.send(evaluation)?;
        let per_image = candidates.iter().map(|_| self.figure()).collect::<Result<_, _>>()?;
        Ok(Scores { corpus: self.figure()?, interval: None, per_image })
    }

    fn figure(&mut self) -> Result<f64, Unavailable> {
        let answer = self.process.answer()?;
        let figure = answer.trim().parse().ok().filter(|figure: &f64| figure.is_finite());
        figure.ok_or_else(|| unexpected("a figure", &answer))
    }
}

/// `SCORE ||| reference ||| … ||| candidate`
fn score_line(candidate: &TokenizedCandidate) -> String {
    let caption = candidate.caption.replace("|||", "").replace("  ", " ");
    format!("SCORE ||| {} ||| {caption}", candidate.references.join(" ||| "))
}
