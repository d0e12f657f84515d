//! Beam search of the paper's body with the cache and without: `cargo xtask bench decoding`.

#[path = "../tests/support/recompute.rs"]
mod recompute;
mod support;

use recompute::RecomputingDecoder;
use support::{Alternative, compare, device};
use tch::nn::VarStore;
use tch::{Kind, Tensor, no_grad};
use trainer::decoding::{BeamSearchOptions, IncrementalDecoder, JoinedProjections, StepDecoder, beam_search};
use trainer::model::{Dropouts, ExpansionNet, ModelConfig};

const SOS: i64 = 1;
/// No word: every search runs to its length limit.
const NEVER: i64 = -1;

fn main() {
    let config = ModelConfig::expansionnet_v2_large();
    let store = VarStore::new(device());
    let body = ExpansionNet::new(&store.root(), &config, Dropouts::default());
    let joined = JoinedProjections::of(&body.decoder);
    let recomputing = RecomputingDecoder(&body.decoder);
    let cached = IncrementalDecoder::new(&body.decoder, &joined);
    for (images, max_length, rounds) in [(1, 20, 9), (1, 74, 5), (8, 20, 5), (8, 74, 3)] {
        let encoded = Tensor::randn([images, 144, config.d_model], (Kind::Float, device()));
        let alternatives = vec![
            Alternative { name: "recomputing", run: Box::new(|| search(&recomputing, &encoded, max_length)) },
            Alternative { name: "cached", run: Box::new(|| search(&cached, &encoded, max_length)) },
        ];
        compare(&format!("beam 5, {images} image(s), {max_length} tokens"), rounds, alternatives);
    }
}

fn search<D: StepDecoder<Source = Tensor>>(decoder: &D, encoded: &Tensor, max_length: usize) {
    let images = encoded.size()[0] as usize;
    let options = BeamSearchOptions { beam_size: 5, max_length };
    no_grad(|| beam_search(decoder, encoded, images, SOS, NEVER, &options)).expect("the search runs");
}
