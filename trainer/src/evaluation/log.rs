//! Every caption as it was made: one JSON object a line, the first of which says where they come from.

use super::EvaluationError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What an image's caption depends on, apart from the beam size: only captions of the same origin go
/// into one log. Which images are captioned may change from run to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// SHA-256 (hex) of the model, or of the ensemble.
    pub model: String,
    /// Number format of the backbone.
    pub precision: String,
    /// Longest caption in tokens.
    pub max_length: usize,
    /// Whether captions that say a thing twice gave way to others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrepeated_first: bool,
    /// SHA-256 (hex) of the dataset's file.
    pub dataset: String,
    /// The folder of the images, or the file of their features.
    pub input: PathBuf,
    /// The file of the features, where there is one; logs from before it was kept are taken without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FileStamp>,
}

/// What tells a file from one that has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileStamp {
    /// In bytes.
    pub length: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

impl FileStamp {
    /// The stamp of a file as it is now.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(file: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(file)?;
        Ok(FileStamp { length: metadata.len(), modified: metadata.modified()? })
    }
}

impl Origin {
    /// What differs, for a person; empty where captions of the two go into one log.
    fn difference(&self, other: &Origin) -> String {
        let differences = [
            ("another model", self.model != other.model),
            ("another precision", self.precision != other.precision),
            ("another longest caption", self.max_length != other.max_length),
            ("another order of captions", self.unrepeated_first != other.unrepeated_first),
            ("another dataset", self.dataset != other.dataset),
            ("other images or features", self.input != other.input),
            ("a file of features that has changed", self.features_changed(other)),
        ];
        let differing = differences.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name);
        differing.collect::<Vec<_>>().join(", ")
    }

    /// Whether the features at the same place are others by now.
    fn features_changed(&self, other: &Origin) -> bool {
        self.input == other.input && self.features.is_some() && self.features != other.features
    }
}

/// The best caption of an image by a search with so many beams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The image's number in the dataset.
    pub image: i64,
    /// Beams of the search.
    pub beam_size: usize,
    /// Sentence case, full stop.
    pub caption: String,
    /// Mean log-probability per token.
    pub score: f64,
}

/// The captions made so far, in memory and on disk.
#[derive(Debug)]
pub struct CaptionLog {
    path: PathBuf,
    file: File,
    captions: HashMap<(i64, usize), Prediction>,
}

impl CaptionLog {
    /// Opens a log to go on with it, or makes it. A last line that was cut off by a kill is dropped.
    ///
    /// # Errors
    /// When its captions are of another origin, it is damaged or in use, or the disk refuses.
    pub fn open(path: &Path, origin: &Origin) -> Result<Self, EvaluationError> {
        let failed = io_error(path);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(&failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => EvaluationError::InUse { path: path.to_owned() },
            TryLockError::Error(error) => failed(error),
        })?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(&failed)?;
        text.truncate(text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
        file.set_len(text.len() as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(&failed)?;

        let mut log = CaptionLog { path: path.to_owned(), file, captions: HashMap::new() };
        match text.is_empty() {
            true => log.write(&[origin])?,
            false => log.read(&text, origin)?,
        }
        Ok(log)
    }

    /// Reads whole lines.
    fn read(&mut self, text: &[u8], origin: &Origin) -> Result<(), EvaluationError> {
        let damaged = |line: usize, error: serde_json::Error| EvaluationError::Log {
            path: self.path.clone(),
            line: line + 1,
            reason: error.to_string(),
        };
        let mut lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).enumerate();
        if let Some((number, line)) = lines.next() {
            let theirs: Origin = serde_json::from_slice(line).map_err(|error| damaged(number, error))?;
            let difference = theirs.difference(origin);
            if !difference.is_empty() {
                return Err(EvaluationError::OtherOrigin { path: self.path.clone(), difference });
            }
        }
        for (number, line) in lines {
            let prediction: Prediction = serde_json::from_slice(line).map_err(|error| damaged(number, error))?;
            self.captions.insert((prediction.image, prediction.beam_size), prediction);
        }
        Ok(())
    }

    /// The caption of an image, if it was made.
    pub fn get(&self, image: i64, beam_size: usize) -> Option<&Prediction> {
        self.captions.get(&(image, beam_size))
    }

    /// Appends captions, all at once.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append(&mut self, predictions: Vec<Prediction>) -> Result<(), EvaluationError> {
        self.write(&predictions)?;
        let keyed = predictions.into_iter().map(|prediction| ((prediction.image, prediction.beam_size), prediction));
        self.captions.extend(keyed);
        Ok(())
    }

    fn write(&mut self, lines: &[impl Serialize]) -> Result<(), EvaluationError> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| io_error(&self.path)(error.into()))?;
            text.push(b'\n');
        }
        self.file.write_all(&text).map_err(io_error(&self.path))
    }
}

/// What the system said of a file.
pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> EvaluationError {
    move |source| EvaluationError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            model: "12ab".into(),
            precision: "float32".into(),
            max_length: 20,
            unrepeated_first: false,
            dataset: "34cd".into(),
            input: "images".into(),
            features: None,
        }
    }

    fn prediction(image: i64, beam_size: usize) -> Prediction {
        Prediction { image, beam_size, caption: format!("Number {image}."), score: -0.1 }
    }

    fn log() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("captions.jsonl");
        let mut log = CaptionLog::open(&path, &origin()).expect("made");
        log.append(vec![prediction(7, 1), prediction(7, 3)]).expect("written");
        (folder, path)
    }

    #[test]
    fn a_line_cut_off_by_a_kill_is_written_again() {
        let (_folder, path) = log();
        let whole = fs::read(&path).expect("readable");
        for cut in [1, 10] {
            fs::write(&path, &whole[..whole.len() - cut]).expect("writable");
            let mut log = CaptionLog::open(&path, &origin()).expect("opens");
            assert_eq!((log.get(7, 1), log.get(7, 3)), (Some(&prediction(7, 1)), None));
            log.append(vec![prediction(7, 3)]).expect("written");
            assert_eq!(fs::read(&path).expect("readable"), whole);
        }
        fs::write(&path, &whole[..5]).expect("writable");
        assert_eq!(CaptionLog::open(&path, &origin()).expect("made anew").get(7, 1), None);
    }

    #[test]
    fn captions_of_another_origin_are_refused_with_what_differs() {
        let (_folder, path) = log();
        let other = Origin { model: "56ef".into(), max_length: 30, ..origin() };
        let error = CaptionLog::open(&path, &other).expect_err("another").to_string();
        assert!(error.contains("(another model, another longest caption)"), "{error}");
        fs::write(&path, [fs::read(&path).expect("readable"), b"{}\n".to_vec()].concat()).expect("writable");
        let error = CaptionLog::open(&path, &origin()).expect_err("damaged").to_string();
        assert!(error.contains("line 4: missing field `image`"), "{error}");
    }

    #[test]
    fn features_that_were_replaced_are_of_another_origin() {
        let stamp = FileStamp { length: 8, modified: SystemTime::UNIX_EPOCH };
        let with = |stamp| Origin { features: Some(stamp), ..origin() };
        let (folder, old) = log();
        CaptionLog::open(&old, &with(stamp)).expect("is from before stamps were kept");

        let path = folder.path().join("stamped.jsonl");
        for _ in 0..2 {
            CaptionLog::open(&path, &with(stamp)).expect("the same features");
        }
        let error = CaptionLog::open(&path, &with(FileStamp { length: 9, ..stamp })).expect_err("others").to_string();
        assert!(error.contains("(a file of features that has changed)"), "{error}");
    }

    #[test]
    fn two_runs_do_not_write_one_log() {
        let (_folder, path) = log();
        let _one = CaptionLog::open(&path, &origin()).expect("opens");
        let error = CaptionLog::open(&path, &origin()).expect_err("in use").to_string();
        assert!(error.ends_with("is being written by another evaluation"), "{error}");
    }
}
