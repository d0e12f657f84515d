//! Captions drawn word by word from the model's distribution: what self-critical training compares.

use super::step::StepDecoder;
use tch::TchError;

/// How many captions to draw, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplingOptions {
    /// Captions of each image.
    pub samples: usize,
    /// Words drawn at most, EOS included and SOS not.
    pub max_words: usize,
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
    let mut state = decoder.start(source, samples as i64, max_words as i64)?;
    let mut captions = vec![vec![vec![sos]; samples]; images];
    let mut ongoing: Vec<usize> = (0..images).collect();
    for word in 0..max_words {
        // At the first step the samples of an image are still one row.
        let (rows, drawn) = if word == 0 { (1, samples) } else { (samples, 1) };
        let last: Vec<i64> = ongoing.iter().flat_map(|&image| last_tokens(&captions[image][..rows])).collect();
        let probabilities = decoder.step(&mut state, &last)?.exp();
        let words = Vec::<i64>::try_from(probabilities.f_multinomial(drawn as i64, true)?.f_flatten(0, -1)?)?;

        let mut still = Vec::with_capacity(ongoing.len());
        for (index, (&image, words)) in ongoing.iter().zip(words.chunks(samples)).enumerate() {
            for (caption, &word) in captions[image].iter_mut().zip(words) {
                if !ends(caption, eos) {
                    caption.push(word);
                }
            }
            if !captions[image].iter().all(|caption| ends(caption, eos)) {
                still.push(index);
            }
        }
        if still.is_empty() || word + 1 == max_words {
            break;
        }
        if word == 0 || still.len() < ongoing.len() {
            let own = |row| if word == 0 { 0 } else { row };
            let parents = vec![(0..samples as i64).map(own).collect::<Vec<_>>(); still.len()];
            let kept: Vec<i64> = still.iter().map(|&index| index as i64).collect();
            decoder.reorder(&mut state, &kept, &parents)?;
            ongoing = still.into_iter().map(|index| ongoing[index]).collect();
        }
    }
    Ok(captions)
}

fn last_tokens(captions: &[Vec<i64>]) -> impl Iterator<Item = i64> {
    captions.iter().filter_map(|caption| caption.last().copied())
}

/// SOS is no end, even where a model has the same word for both.
fn ends(caption: &[i64], eos: i64) -> bool {
    caption.len() > 1 && caption.last() == Some(&eos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tch::Tensor;

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
        let options = SamplingOptions { samples, max_words };
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
    fn finished_images_leave_the_batch() {
        let (captions, rows) = draw(6, 2, 12);
        assert!(captions.iter().flatten().all(|caption| caption[0] == SOS && caption.len() <= 13));
        assert_eq!(rows[..2], [6, 12]);
        assert!(rows[1..].is_sorted_by(|earlier, later| earlier >= later), "{rows:?}");
        assert!(rows.last() < Some(&12), "{rows:?}");
    }
}
