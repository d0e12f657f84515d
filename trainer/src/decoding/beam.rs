//! Beam search over a batch of images, with the original's rules, returning every beam.
//!
//! A finished beam stays in the race at its log-probability; the search ends when all beams of
//! an image have finished (or at the length limit); beams rank by log-probability per token.

use super::step::StepDecoder;
use tch::{Kind, TchError, Tensor};

/// How far and how wide to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BeamSearchOptions {
    /// Captions kept in the race; 1 is greedy.
    pub beam_size: usize,
    /// Longest caption in tokens, SOS and EOS included; at least 2.
    pub max_length: usize,
}

/// One finished beam.
#[derive(Clone, Debug, PartialEq)]
pub struct Beam {
    /// SOS, words, and EOS unless the length limit came first.
    pub tokens: Vec<i64>,
    /// Log-probability of each token; 0 for SOS.
    pub log_probs: Vec<f32>,
}

impl Beam {
    /// Sum of the log-probabilities.
    pub fn log_prob(&self) -> f32 {
        self.log_probs.iter().sum()
    }

    /// Mean log-probability per token, SOS included: what beams rank by.
    pub fn score(&self) -> f32 {
        self.log_prob() / self.tokens.len() as f32
    }

    fn extended(&self, token: i64, log_prob: f32) -> Beam {
        let mut beam = self.clone();
        beam.tokens.push(token);
        beam.log_probs.push(log_prob);
        beam
    }
}

/// Captions every image of `source`: `[images][beam_size]`, best first.
pub fn beam_search<D: StepDecoder>(
    decoder: &D,
    source: &D::Source,
    images: usize,
    sos: i64,
    eos: i64,
    options: &BeamSearchOptions,
) -> Result<Vec<Vec<Beam>>, TchError> {
    let (beam_size, max_length) = (options.beam_size.max(1), options.max_length.max(2));
    let mut state = decoder.start(source, beam_size as i64, max_length as i64)?;
    let start = Beam { tokens: vec![sos], log_probs: vec![0.] };
    let mut searches: Vec<ImageSearch> =
        (0..images).map(|image| ImageSearch { image, beams: vec![start.clone()] }).collect();
    let mut finished: Vec<Vec<Beam>> = vec![Vec::new(); images];

    for length in 2..=max_length {
        let last_tokens: Vec<i64> = searches.iter().flat_map(ImageSearch::last_tokens).collect();
        let log_probs = decoder.step(&mut state, &last_tokens)?;
        let mut continuations = Continuations::best(&log_probs, beam_size)?;

        let mut survivors = Survivors::default();
        let mut ongoing = Vec::with_capacity(searches.len());
        for (index, mut search) in searches.into_iter().enumerate() {
            let parents = search.advance(&mut continuations, beam_size, eos);
            if length == max_length || search.beams.iter().all(|beam| ends(beam, eos)) {
                let (image, beams) = search.ranked();
                finished[image] = beams;
            } else {
                survivors.images.push(index as i64);
                survivors.parents.push(parents);
                ongoing.push(search);
            }
        }
        searches = ongoing;
        if searches.is_empty() {
            break;
        }
        decoder.reorder(&mut state, &survivors.images, &survivors.parents)?;
    }
    Ok(finished)
}

/// The images that go on, and the rows that their new rows continue.
#[derive(Default)]
struct Survivors {
    images: Vec<i64>,
    parents: Vec<Vec<i64>>,
}

/// The race of one image.
struct ImageSearch {
    image: usize,
    beams: Vec<Beam>,
}

impl ImageSearch {
    fn last_tokens(&self) -> impl Iterator<Item = i64> {
        self.beams.iter().filter_map(|beam| beam.tokens.last().copied())
    }

    /// Replaces the beams by their best continuations; returns the parent of each.
    fn advance(&mut self, continuations: &mut Continuations, beam_size: usize, eos: i64) -> Vec<i64> {
        let mut candidates = Vec::with_capacity(self.beams.len() * beam_size);
        for (parent, beam) in self.beams.iter().enumerate() {
            let words = continuations.next_row();
            let total = beam.log_prob();
            if ends(beam, eos) {
                candidates.push((total, parent, None));
            } else {
                candidates.extend(words.map(|(token, log_prob)| (total + log_prob, parent, Some((token, log_prob)))));
            }
        }
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0)); // stable: ties go to the earlier beam
        candidates.truncate(beam_size);
        let parents = candidates.iter().map(|&(_, parent, _)| parent as i64).collect();
        let extend = |(_, parent, word): &(f32, usize, Option<(i64, f32)>)| match *word {
            Some((token, log_prob)) => self.beams[*parent].extended(token, log_prob),
            None => self.beams[*parent].clone(),
        };
        self.beams = candidates.iter().map(extend).collect();
        parents
    }

    fn ranked(mut self) -> (usize, Vec<Beam>) {
        self.beams.sort_by(|a, b| b.score().total_cmp(&a.score()));
        (self.image, self.beams)
    }
}

fn ends(beam: &Beam, eos: i64) -> bool {
    beam.tokens.len() > 1 && beam.tokens.last() == Some(&eos)
}

/// The best next words of each row, read row by row.
struct Continuations {
    words: Vec<i64>,
    log_probs: Vec<f32>,
    width: usize,
    row: usize,
}

impl Continuations {
    /// The `width` best words of each row of `log_probs` `[rows, vocab_size]`.
    fn best(log_probs: &Tensor, width: usize) -> Result<Self, TchError> {
        let (values, words) = log_probs.f_topk(width as i64, -1, true, true)?;
        Ok(Continuations {
            words: Vec::try_from(words.f_flatten(0, -1)?)?,
            log_probs: Vec::try_from(values.f_to_kind(Kind::Float)?.f_flatten(0, -1)?)?,
            width,
            row: 0,
        })
    }

    fn next_row(&mut self) -> impl Iterator<Item = (i64, f32)> {
        let range = self.row * self.width..(self.row + 1) * self.width;
        self.row += 1;
        self.words[range.clone()].iter().copied().zip(self.log_probs[range].iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model whose next word depends on the last one alone: rows of a table of probabilities.
    struct Chain(Vec<[f64; 4]>);

    impl StepDecoder for Chain {
        type Source = ();
        type State = ();

        fn start(&self, _: &(), _: i64, _: i64) -> Result<(), TchError> {
            Ok(())
        }

        fn step(&self, _: &mut (), tokens: &[i64]) -> Result<Tensor, TchError> {
            let rows: Vec<f64> = tokens.iter().flat_map(|&token| self.0[token as usize].map(f64::ln)).collect();
            Ok(Tensor::from_slice(&rows).view([-1, 4]))
        }

        fn reorder(&self, _: &mut (), _: &[i64], _: &[Vec<i64>]) -> Result<(), TchError> {
            Ok(())
        }
    }

    const SOS: i64 = 0;
    const EOS: i64 = 1;
    const A: i64 = 2;
    const B: i64 = 3;

    /// From SOS: A 0.6, B 0.4. From A: EOS 0.3, A 0.35, B 0.35. From B: EOS 0.9.
    fn chain() -> Chain {
        Chain(vec![[0.0, 0.0, 0.6, 0.4], [0.25; 4], [0.0, 0.3, 0.36, 0.34], [0.0, 0.9, 0.06, 0.04]])
    }

    fn search(beam_size: usize, max_length: usize) -> Vec<Beam> {
        let options = BeamSearchOptions { beam_size, max_length };
        beam_search(&chain(), &(), 1, SOS, EOS, &options).expect("the chain can't fail").remove(0)
    }

    #[test]
    fn greedy_follows_the_likeliest_word() {
        let beams = search(1, 4);
        assert_eq!(beams[0].tokens, [SOS, A, A, A]);
    }

    #[test]
    fn a_wider_beam_finds_the_likelier_sentence() {
        let beams = search(2, 3);
        // SOS B EOS has 0.36 = 0.4 x 0.9, more than 0.216 = 0.6 x 0.36.
        assert_eq!(beams[0].tokens, [SOS, B, EOS]);
        assert!((beams[0].log_prob() - 0.36_f32.ln()).abs() < 1e-6);
        assert!((beams[0].score() - 0.36_f32.ln() / 3.).abs() < 1e-6);
        assert_eq!(beams[1].tokens, [SOS, A, A]);
    }

    #[test]
    fn a_finished_beam_keeps_its_score_and_length() {
        let beams = search(2, 4);
        // At length 3: (B EOS) 0.36, (A A) 0.216. At length 4 the best of (A A) is 0.216 x 0.36.
        assert_eq!(beams[0].tokens, [SOS, B, EOS]);
        assert_eq!(beams[1].tokens.len(), 4);
    }
}
