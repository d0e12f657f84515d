//! Words and their ids.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The words a model knows; a word's id is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    ids: HashMap<String, i64>,
    sos: i64,
    eos: i64,
    pad: Option<i64>,
    unk: Option<i64>,
    file: VocabularyFile,
}

/// `vocab.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct VocabularyFile {
    idx2word: Vec<String>,
    #[serde(default = "sos")]
    sos: String,
    #[serde(default = "eos")]
    eos: String,
    #[serde(default = "pad")]
    pad: String,
    #[serde(default = "unk")]
    unk: String,
}

/// The original's `demo_coco_tokens.pickle`.
#[derive(Debug, Deserialize)]
struct VocabularyPickle {
    idx2word_list: Vec<String>,
    sos_str: String,
    eos_str: String,
}

fn sos() -> String {
    "SOS".into()
}

fn eos() -> String {
    "EOS".into()
}

fn pad() -> String {
    "PAD".into()
}

fn unk() -> String {
    "UNK".into()
}

/// Why a vocabulary can't be used.
#[derive(Debug, thiserror::Error)]
pub enum VocabularyError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no vocabulary.
    #[error("{path} is no vocabulary: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
    /// A word stands in the list twice.
    #[error("the word `{0}` stands in the vocabulary twice")]
    Duplicate(String),
    /// A word for the start, the end or the like is not in the list.
    #[error("the vocabulary lacks the word `{0}`")]
    MissingWord(String),
}

impl Vocabulary {
    /// Reads `vocab.json`, or the original's pickle (whose contents are parsed, never executed).
    pub fn read(path: &Path) -> Result<Self, VocabularyError> {
        let bytes = std::fs::read(path).map_err(|source| VocabularyError::Io { path: path.to_owned(), source })?;
        let format = |reason: String| VocabularyError::Format { path: path.to_owned(), reason };
        let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let file = if is_json {
            serde_json::from_slice(&bytes).map_err(|error| format(error.to_string()))?
        } else {
            let pickle: VocabularyPickle =
                pytorch_reader::PytorchReader::load_config(path, None).map_err(|error| format(error.to_string()))?;
            VocabularyFile {
                idx2word: pickle.idx2word_list,
                sos: pickle.sos_str,
                eos: pickle.eos_str,
                pad: pad(),
                unk: unk(),
            }
        };
        Self::from_file(file)
    }

    /// A vocabulary of these words, which must contain `SOS` and `EOS`.
    pub fn from_words(words: Vec<String>) -> Result<Self, VocabularyError> {
        Self::from_file(VocabularyFile { idx2word: words, sos: sos(), eos: eos(), pad: pad(), unk: unk() })
    }

    fn from_file(file: VocabularyFile) -> Result<Self, VocabularyError> {
        let mut ids = HashMap::with_capacity(file.idx2word.len());
        for (id, word) in file.idx2word.iter().enumerate() {
            if ids.insert(word.clone(), id as i64).is_some() {
                return Err(VocabularyError::Duplicate(word.clone()));
            }
        }
        let find = |word: &String| ids.get(word).copied().ok_or_else(|| VocabularyError::MissingWord(word.clone()));
        let (sos, eos) = (find(&file.sos)?, find(&file.eos)?);
        let (pad, unk) = (ids.get(&file.pad).copied(), ids.get(&file.unk).copied());
        Ok(Vocabulary { words: file.idx2word.clone(), ids, sos, eos, pad, unk, file })
    }

    /// The contents of `vocab.json`.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.file)
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no words (never true of one that was read).
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Id of the start of a caption.
    pub fn sos(&self) -> i64 {
        self.sos
    }

    /// Id of the end of a caption.
    pub fn eos(&self) -> i64 {
        self.eos
    }

    /// Id of what fills captions up.
    ///
    /// # Errors
    /// When there is none, so that no captions can be learned of.
    pub fn pad(&self) -> Result<i64, VocabularyError> {
        self.pad.ok_or_else(|| VocabularyError::MissingWord(self.file.pad.clone()))
    }

    /// Id of what stands for unknown words.
    ///
    /// # Errors
    /// As [`Vocabulary::pad`].
    pub fn unk(&self) -> Result<i64, VocabularyError> {
        self.unk.ok_or_else(|| VocabularyError::MissingWord(self.file.unk.clone()))
    }

    /// Id of a word.
    pub fn id(&self, word: &str) -> Option<i64> {
        self.ids.get(word).copied()
    }

    /// The word of an id.
    pub fn word(&self, id: i64) -> Option<&str> {
        self.words.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    /// Tokens as a sentence for people: no SOS, up to EOS, sentence case, full stop; empty without words.
    pub fn sentence(&self, tokens: &[i64]) -> String {
        let words: Vec<&str> = tokens
            .iter()
            .filter(|&&token| token != self.sos)
            .take_while(|&&token| token != self.eos)
            .filter_map(|&token| self.word(token))
            .collect();
        let joined = words.join(" ").to_lowercase();
        let mut letters = joined.chars();
        match letters.next() {
            Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        let words = ["PAD", "SOS", "EOS", "UNK", "a", "dog", "runs"];
        Vocabulary::from_words(words.map(String::from).to_vec()).expect("has SOS and EOS")
    }

    #[test]
    fn sentences_have_a_capital_and_a_full_stop() {
        assert_eq!(vocabulary().sentence(&[1, 4, 5, 6, 2]), "A dog runs.");
        assert_eq!(vocabulary().sentence(&[1, 5, 2, 6]), "Dog.");
        assert_eq!(vocabulary().sentence(&[1, 2]), "");
        assert_eq!(vocabulary().sentence(&[1, 5, 99, -1]), "Dog.");
    }

    #[test]
    fn broken_vocabularies_are_refused_with_the_word() {
        let words = |list: &[&str]| Vocabulary::from_words(list.iter().map(|&word| word.to_owned()).collect());
        assert!(words(&["SOS", "a", "a", "EOS"]).unwrap_err().to_string().contains("`a`"));
        assert!(words(&["SOS", "a"]).unwrap_err().to_string().contains("`EOS`"));
    }

    #[test]
    fn json_round_trip() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("vocab.json");
        std::fs::write(&path, vocabulary().to_json().expect("serialises")).expect("writable");
        assert_eq!(Vocabulary::read(&path).expect("reads back"), vocabulary());
        std::fs::write(&path, b"{\"words\": 1}").expect("writable");
        assert!(Vocabulary::read(&path).unwrap_err().to_string().contains("idx2word"));
    }
}
