//! Captions drawn word by word from the model's distribution: what self-critical training compares.

use super::step::StepDecoder;
use tch::{Kind, TchError, Tensor};

/// How many captions to draw, and how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingOptions {
    /// Captions of each image.
    pub samples: usize,
    /// Words drawn at most, EOS included and SOS not.
    pub max_words: usize,
    /// What scores are divided by before they become probabilities: below 1, likely words become likelier.
    pub temperature: f64,
}

/// Draws captions for every image of `source`: tokens by `[images][samples]`, SOS first, EOS last
/// unless the length limit came first. Randomness is libtorch's.
///
/// # Errors
/// What libtorch says, e.g. of memory.
pub fn sample<D: StepDecoder>(
    decoder: &D,
    source: &D::Source,
    images: usize,
    sos: i64,
    eos: i64,
    options: &SamplingOptions,
) -> Result<Vec<Vec<Vec<i64>>>, TchError> {
    let (samples, max_words) = (options.samples.max(1), options.max_words.max(1));
    let draw = |log_probs: &Tensor, count| draw(log_probs, count, options.temperature);
    let mut state = decoder.start(source, 1, max_words as i64)?;
    let first = draw(&decoder.step(&mut state, &vec![sos; images])?, samples)?;
    let mut captions: Vec<Vec<i64>> = first.into_iter().map(|word| vec![sos, word]).collect();
    // From the second word on each caption is an image of its own to the decoder, so that it leaves when it ends.
    let mut batch: Vec<usize> = ongoing(&captions, 0..captions.len(), eos);
    keep(decoder, &mut state, batch.iter().map(|&caption| caption / samples))?;
    for _ in 1..max_words {
        if batch.iter().all(|&caption| ends(&captions[caption], eos)) {
            break;
        }
        let last: Vec<i64> = batch.iter().filter_map(|&caption| captions[caption].last().copied()).collect();
        let words = draw(&decoder.step(&mut state, &last)?, 1)?;
        for (&caption, word) in batch.iter().zip(words) {
            if !ends(&captions[caption], eos) {
                captions[caption].push(word);
            }
        }
        let still = ongoing(&captions, batch.iter().copied(), eos);
        if still.len() * 8 <= batch.len() * 7 {
            // Leaving costs a copy of those who stay, so that a few leave together.
            keep(decoder, &mut state, (0..batch.len()).filter(|&place| !ends(&captions[batch[place]], eos)))?;
            batch = still;
        }
    }
    Ok(captions.chunks(samples).map(<[_]>::to_vec).collect())
}

/// Those of `captions` that have not ended.
fn ongoing(captions: &[Vec<i64>], of: impl Iterator<Item = usize>, eos: i64) -> Vec<usize> {
    of.filter(|&caption| !ends(&captions[caption], eos)).collect()
}

/// Goes on with one row for each of these images of the decoder's batch.
fn keep<D: StepDecoder>(
    decoder: &D,
    state: &mut D::State,
    images: impl Iterator<Item = usize>,
) -> Result<(), TchError> {
    let images: Vec<i64> = images.map(|image| image as i64).collect();
    if images.is_empty() {
        return Ok(());
    }
    decoder.reorder(state, &images, &vec![vec![0]; images.len()])
}

/// `count` words of each row of `log_probs` `[rows, vocab]`, by their probabilities at a temperature.
fn draw(log_probs: &Tensor, count: usize, temperature: f64) -> Result<Vec<i64>, TchError> {
    let (rows, words) = log_probs.size2()?;
    let cumulated = log_probs.f_div_scalar(temperature)?.f_exp()?.f_cumsum(-1, Kind::Double)?;
    let points = Tensor::f_rand([rows, count as i64], (Kind::Double, log_probs.device()))?;
    let points = points * cumulated.f_narrow(1, words - 1, 1)?;
    // The first word whose cumulated probability exceeds the point, which no word of probability 0 can be.
    let drawn = points.f_searchsorted(&cumulated, false, true, "right", None::<Tensor>)?;
    Vec::try_from(drawn.f_clamp_max(words - 1)?.f_flatten(0, 1)?)
}

/// SOS is no end, even where a model has the same word for both.
fn ends(caption: &[i64], eos: i64) -> bool {
    caption.len() > 1 && caption.last() == Some(&eos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const SOS: i64 = 0;
    const EOS: i64 = 1;
    const A: i64 = 2;
    const B: i64 = 3;

    /// From SOS: A or B evenly. From A: A 0.5, EOS 0.5. From B: EOS. Notes the rows of each step.
    struct Chain {
        rows: RefCell<Vec<usize>>,
    }

    impl StepDecoder for Chain {
        type Source = ();
        type State = ();

        fn start(&self, _: &(), _: i64, _: i64) -> Result<(), TchError> {
            Ok(())
        }

        fn step(&self, _: &mut (), tokens: &[i64]) -> Result<Tensor, TchError> {
            self.rows.borrow_mut().push(tokens.len());
            let next = |token: &i64| match *token {
                SOS => [0., 0., 0.5, 0.5],
                A => [0., 0.5, 0.5, 0.],
                _ => [0., 1., 0., 0.],
            };
            let rows: Vec<f64> = tokens.iter().flat_map(|token| next(token).map(f64::ln)).collect();
            Ok(Tensor::from_slice(&rows).view([-1, 4]))
        }

        fn reorder(&self, _: &mut (), _: &[i64], _: &[Vec<i64>]) -> Result<(), TchError> {
            Ok(())
        }
    }

    fn draw(images: usize, samples: usize, max_words: usize) -> (Vec<Vec<Vec<i64>>>, Vec<usize>) {
        tch::manual_seed(11);
        let chain = Chain { rows: RefCell::default() };
        let options = SamplingOptions { samples, max_words, temperature: 1. };
        let captions = sample(&chain, &(), images, SOS, EOS, &options).expect("the chain can't fail");
        (captions, chain.rows.into_inner())
    }

    #[test]
    fn captions_follow_the_distribution() {
        let (captions, _) = draw(1, 4000, 3);
        let share =
            |caption: &[i64]| captions[0].iter().filter(|drawn| drawn.as_slice() == caption).count() as f64 / 4000.;
        for (caption, probability) in
            [(vec![SOS, B, EOS], 0.5), (vec![SOS, A, EOS], 0.25), (vec![SOS, A, A, EOS], 0.125)]
        {
            assert!((share(&caption) - probability).abs() < 0.03, "{caption:?}: {}", share(&caption));
        }
        assert!(share(&[SOS, A, A, A]) > 0.1, "the limit cuts captions that have not ended");
    }

    #[test]
    fn a_low_temperature_keeps_to_likely_words() {
        tch::manual_seed(12);
        let log_probs = Tensor::from_slice(&[0.2f64, 0.8]).log().view([1, 2]);
        for (temperature, probability) in [(1., 0.2), (0.5, 0.04 / 0.68), (2., 1. / 3.)] {
            let drawn = super::draw(&log_probs, 4000, temperature).expect("draws");
            let share = drawn.iter().filter(|&&word| word == 0).count() as f64 / 4000.;
            assert!((share - probability).abs() < 0.03, "{share} at {temperature}");
        }
    }

    #[test]
    fn finished_images_leave_the_batch() {
        let (captions, rows) = draw(6, 2, 12);
        assert!(captions.iter().flatten().all(|caption| caption[0] == SOS && caption.len() <= 13));
        assert_eq!(rows[..2], [6, 12]);
        assert!(rows[1..].is_sorted_by(|earlier, later| earlier >= later), "{rows:?}");
        assert!(rows.last() < Some(&12), "{rows:?}");
    }
}
