//! How good captions are: BLEU, ROUGE-L and CIDEr-D computed here, METEOR and SPICE by their Java
//! programs, and the reward of self-critical training.
//!
//! All of them agree with pycocoevalcap. [`tokenizer`] makes words of captions, [`ngrams`] counts them,
//! [`bleu`], [`rouge`] and [`cider`] compare the counts, [`java`] asks the two programs, and
//! [`report`] is all of it for a set of captions, with confidence intervals by [`bootstrap`].

pub mod artefacts;
pub mod bleu;
pub mod bootstrap;
pub mod cider;
pub mod corpus;
pub mod java;
pub mod ngrams;
pub mod report;
pub mod reward;
pub mod rouge;
pub mod tokenizer;

pub use artefacts::Artefacts;
pub use bleu::BleuStatistics;
pub use bootstrap::{Bootstrap, Interval};
pub use cider::DocumentFrequencies;
pub use corpus::{Candidate, Corpus, TokenizedCandidate, tokenize_all};
pub use java::{Jars, Unavailable};
pub use ngrams::{NGrams, Words};
pub use report::{EvaluationSettings, Report, Scores, evaluate};
pub use reward::{CiderReward, RewardError};
