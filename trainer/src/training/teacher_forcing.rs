//! Teacher forcing: given captions through the decoder, at the cost of their words and of little padding.
//!
//! Captions differ in length, and the decoder's work grows with the square of the longest. So they are sorted by length
//! and decoded in parts, each as long as its own longest; and only the states of words that are scored leave it.

use super::network::Network;
use crate::device::numbers_on;
use crate::model::masks::DecoderMasks;
use tch::{Device, Kind, Tensor};

/// Captions of a part, about: a CPU's caches like small ones, a GPU large ones.
fn part_size(device: Device) -> usize {
    if device.is_cuda() { 256 } else { 48 }
}

/// Captions as tokens.
pub(super) struct Captions<'a> {
    /// SOS, words, EOS, padding: `[captions, length]`; as many of each image, side by side.
    pub tokens: &'a Tensor,
    /// Padding at the end of each row.
    pub pads: &'a [i64],
    /// Padding at the end of each image's features; empty where nothing is padded.
    pub feature_pads: &'a [i64],
}

/// Words to be scored, of all captions; in no order.
pub(super) struct Scored {
    /// From what each word is to be told: `[words, d_model]`.
    pub states: Tensor,
    /// The words: `[words]`.
    pub words: Tensor,
    /// The row of each word's caption: `[words]`.
    pub rows: Tensor,
}

/// Captions decoded together.
struct Part {
    /// Their rows among all.
    rows: Vec<i64>,
    /// Words to score of each.
    words: Vec<i64>,
}

impl Captions<'_> {
    /// Decodes the captions over the encoder's output `[images, image tokens, d_model]`.
    pub fn decode(&self, network: &Network, encoded: &Tensor, train: bool) -> Scored {
        let device = encoded.device();
        let decoder = network.decoder();
        let memories = decoder.remember(encoded);
        let each = (self.pads.len() as i64 / encoded.size()[0].max(1)).max(1);
        let (mut states, mut words, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for part in self.parts(part_size(device)) {
            let positions = part.words.iter().copied().max().unwrap_or(1);
            let chosen = numbers_on(device, &part.rows);
            let tokens = self.tokens.index_select(0, &chosen);
            let images = chosen.divide_scalar_mode(each, "floor");
            let memories: Vec<_> = memories.iter().map(|memory| memory.of_images(&images)).collect();
            let masks = self.masks(&part, each, positions, encoded);
            let made = decoder.states(&tokens.narrow(1, 0, positions), &memories, &masks, train);

            let scored = numbers_on(device, &part.places(positions));
            states.push(made.flatten(0, 1).index_select(0, &scored));
            words.push(tokens.narrow(1, 1, positions).reshape(-1).index_select(0, &scored));
            rows.push(chosen.index_select(0, &scored.divide_scalar_mode(positions, "floor")));
        }
        let joined = |parts: Vec<Tensor>| Tensor::cat(&parts, 0);
        Scored { states: joined(states), words: joined(words), rows: joined(rows) }
    }

    /// Parts of about the same number of captions, by length. Rows of padding alone are in none; where there is
    /// nothing else, one is, with no word to score.
    fn parts(&self, size: usize) -> Vec<Part> {
        let length = self.tokens.size()[1];
        let mut captions: Vec<(i64, i64)> =
            self.pads.iter().enumerate().map(|(row, pads)| (length - 1 - pads, row as i64)).collect();
        captions.sort_unstable();
        let empty = captions.iter().take_while(|(words, _)| *words < 1).count();
        let captions = &captions[empty.min(captions.len().saturating_sub(1))..];
        let parts = captions.len().div_ceil(size).max(1);
        let part = |captions: &[(i64, i64)]| Part {
            rows: captions.iter().map(|&(_, row)| row).collect(),
            words: captions.iter().map(|&(words, _)| words.max(0)).collect(),
        };
        captions.chunks(captions.len().div_ceil(parts).max(1)).map(part).collect()
    }

    fn masks(&self, part: &Part, each: i64, positions: i64, encoded: &Tensor) -> DecoderMasks {
        let pads: Vec<i64> = part.words.iter().map(|words| positions - words).collect();
        let of_image = |row: &i64| self.feature_pads.get((row / each) as usize).copied().unwrap_or(0);
        let feature_pads: Vec<i64> = part.rows.iter().map(of_image).collect();
        DecoderMasks::padded(&pads, positions, &feature_pads, encoded.size()[1], encoded.device())
    }
}

impl Part {
    /// Where words are scored, counted over `[captions, positions]`.
    fn places(&self, positions: i64) -> Vec<i64> {
        let row = |(row, &words): (usize, &i64)| (0..words).map(move |word| row as i64 * positions + word);
        self.words.iter().enumerate().flat_map(row).collect()
    }
}

/// Sums over the words of each caption: `[words]` to `[captions]`.
pub(super) fn sum_by_caption(of_words: &Tensor, rows: &Tensor, captions: usize) -> Tensor {
    Tensor::zeros([captions as i64], (Kind::Float, of_words.device())).index_add(0, rows, of_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of at most six tokens with these paddings.
    fn parts(pads: &[i64], size: usize) -> Vec<(Vec<i64>, Vec<i64>)> {
        let tokens = Tensor::zeros([pads.len() as i64, 6], (Kind::Int64, Device::Cpu));
        let captions = Captions { tokens: &tokens, pads, feature_pads: &[] };
        captions.parts(size).into_iter().map(|part| (part.rows, part.words)).collect()
    }

    #[test]
    fn parts_are_by_length_and_even() {
        assert_eq!(parts(&[0, 3, 1, 2], 9), [(vec![1, 3, 2, 0], vec![2, 3, 4, 5])]);
        assert_eq!(parts(&[0, 3, 1], 2), [(vec![1, 2], vec![2, 4]), (vec![0], vec![5])]);
        let sizes: Vec<usize> = parts(&[0; 10], 4).iter().map(|(rows, _)| rows.len()).collect();
        assert_eq!(sizes, [4, 4, 2]);
    }

    #[test]
    fn rows_of_padding_alone_are_left_out() {
        assert_eq!(parts(&[6, 0, 6, 4], 9), [(vec![3, 1], vec![1, 5])]);
        assert_eq!(parts(&[6], 9), [(vec![0], vec![0])]);
    }

    #[test]
    fn captions_of_one_image_share_its_padding() {
        // Two captions each of two images with three tokens, the second one's last padded.
        let tokens = Tensor::zeros([4, 2], (Kind::Int64, Device::Cpu));
        let captions = Captions { tokens: &tokens, pads: &[0; 4], feature_pads: &[0, 1] };
        let encoded = Tensor::zeros([2, 3, 1], (Kind::Float, Device::Cpu));
        let masks = captions.masks(&captions.parts(9)[0], 2, 1, &encoded);
        let bias = masks.cross_bias.expect("features are padded").flatten(0, 2);
        let rows = [[0f32, 0., 0.], [0., 0., 0.], [0., 0., -1e4], [0., 0., -1e4]];
        assert_eq!(bias, Tensor::from_slice2(&rows));
    }

    #[test]
    fn scored_places_are_those_of_words() {
        let part = Part { rows: vec![7, 8], words: vec![1, 3] };
        assert_eq!(part.places(3), [0, 3, 4, 5]);
    }

    #[test]
    fn words_are_summed_by_caption() {
        let of_words = Tensor::from_slice(&[1f32, 2., 4.]);
        let sums = sum_by_caption(&of_words, &Tensor::from_slice(&[2i64, 0, 2]), 3);
        assert_eq!(sums, Tensor::from_slice(&[2f32, 0., 5.]));
    }
}
