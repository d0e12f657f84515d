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

/// What the paper reports on COCO's test images (Karpathy's split), in parts of one: a single model, and an ensemble.
pub const PAPER: [(&str, [f64; 2]); 6] = [
    ("BLEU-1", [0.828, 0.835]),
    ("BLEU-4", [0.415, 0.427]),
    ("METEOR", [0.303, 0.306]),
    ("ROUGE-L", [0.605, 0.611]),
    ("CIDEr-D", [1.404, 1.437]),
    ("SPICE", [0.245, 0.247]),
];

pub use artefacts::Artefacts;
pub use bleu::BleuStatistics;
pub use bootstrap::{Bootstrap, Interval};
pub use cider::DocumentFrequencies;
pub use corpus::{Candidate, Corpus, TokenizedCandidate, tokenize_all};
pub use java::{Jars, Unavailable};
pub use ngrams::{NGrams, Words};
pub use report::{EvaluationSettings, Report, Scores, evaluate};
pub use reward::{CiderReward, RewardError};
