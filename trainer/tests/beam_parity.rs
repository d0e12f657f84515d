//! Beam search against the original's: identical tokens, log-probabilities within 1e-4.

mod support;

use serde_json::Value;
use support::recompute::RecomputingDecoder;
use support::{CHECKPOINT, TOLERANCE, Tiny, drawn, floats, integers, reference_json, reference_tensors, tiny_model};
use tch::{Tensor, no_grad};
use trainer::decoding::{
    Beam, BeamSearchOptions, Ensemble, IncrementalDecoder, JoinedProjections, StepDecoder, beam_search,
};

const SOS: i64 = 2;
const EOS: i64 = 0;

fn encode(tiny: &Tiny, image: &Tensor) -> Tensor {
    no_grad(|| {
        let features = tiny.model.backbone.forward_t(image, false);
        tiny.model.body.encoder.forward_t(&features, None, false)
    })
}

fn search<D: StepDecoder>(
    decoder: &D,
    source: &D::Source,
    images: usize,
    beam_size: usize,
    max_length: usize,
) -> Vec<Vec<Beam>> {
    no_grad(|| beam_search(decoder, source, images, SOS, EOS, &BeamSearchOptions { beam_size, max_length }))
        .expect("the search runs")
}

/// `expected` has `tokens` and `logprobs` by image and beam, the latter padded with zeros.
fn assert_beams(what: &str, found: &[Vec<Beam>], expected: &Value) {
    for (image, beams) in found.iter().enumerate() {
        let all = expected["tokens"][image].as_array().expect("beams");
        assert_eq!(beams.len(), all.len(), "{what}, image {image}: all beams are returned");
        for (rank, beam) in beams.iter().enumerate() {
            assert_eq!(beam.tokens, integers(&all[rank]), "{what}, image {image}, beam {rank}");
            for (ours, theirs) in beam.log_probs.iter().zip(floats(&expected["logprobs"][image][rank])) {
                assert!(
                    (f64::from(*ours) - theirs).abs() <= TOLERANCE,
                    "{what}, image {image}, beam {rank}: {ours} is not {theirs}"
                );
            }
        }
    }
}

#[test]
fn every_beam_of_every_search() {
    let tiny = tiny_model(CHECKPOINT);
    let encoded = encode(&tiny, &reference_tensors("tiny_model/tensors.safetensors")["image"]);
    let joined = JoinedProjections::of(&tiny.model.body.decoder);
    let decoder = IncrementalDecoder::new(&tiny.model.body.decoder, &joined);
    let expected = reference_json("tiny_model/expected.json");
    for beam_size in [1, 3, 5] {
        for max_length in [8, 20] {
            let name = format!("beam{beam_size}_maxlen{max_length}");
            let found = search(&decoder, &encoded, 2, beam_size, max_length);
            assert_eq!(found.len(), 2);
            assert_beams(&name, &found, &expected["beam_search"][&name]);
        }
    }
}

#[test]
fn the_ensemble_averages_probabilities() {
    let models = [tiny_model(CHECKPOINT), tiny_model("second_model.pth")];
    let image = &reference_tensors("tiny_model/tensors.safetensors")["image"];
    let encodings: Vec<Tensor> = models.iter().map(|tiny| encode(tiny, image)).collect();
    let joined = models.each_ref().map(|tiny| JoinedProjections::of(&tiny.model.body.decoder));
    let decoders =
        models.iter().zip(&joined).map(|(tiny, joined)| IncrementalDecoder::new(&tiny.model.body.decoder, joined));
    let found = search(&Ensemble(decoders.collect()), &encodings, 2, 3, 12);
    assert_beams("ensemble", &found, &reference_json("tiny_model/expected.json")["ensemble_beam3_maxlen12"]);
}

#[test]
fn a_batch_gives_what_each_image_gives_alone() {
    let tiny = tiny_model(CHECKPOINT);
    let encoded = drawn(3, || Tensor::randn([7, 9, 32], (tch::Kind::Float, tch::Device::Cpu))) * 2.;
    let joined = JoinedProjections::of(&tiny.model.body.decoder);
    let decoder = IncrementalDecoder::new(&tiny.model.body.decoder, &joined);
    let together = search(&decoder, &encoded, 7, 4, 20);
    let lengths: Vec<usize> = together.iter().map(|beams| beams[0].tokens.len()).collect();
    assert!(lengths.iter().min() < lengths.iter().max(), "the images should finish at different times: {lengths:?}");
    for (image, beams) in together.iter().enumerate() {
        let alone = search(&decoder, &encoded.narrow(0, image as i64, 1), 1, 4, 20).remove(0);
        assert_same(beams, &alone);
    }
}

#[test]
fn incremental_decoding_equals_recomputing() {
    let tiny = tiny_model(CHECKPOINT);
    let mut decoder_of_random_weights = tiny_model(CHECKPOINT);
    for seed in 0..4 {
        let encodings = drawn(seed, || {
            randomize(&mut decoder_of_random_weights);
            [(); 2].map(|()| Tensor::randn([3, 9, 32], (tch::Kind::Float, tch::Device::Cpu)))
        });
        for (tiny, encoded) in [&tiny, &decoder_of_random_weights].into_iter().zip(encodings) {
            let joined = JoinedProjections::of(&tiny.model.body.decoder);
            let incremental = IncrementalDecoder::new(&tiny.model.body.decoder, &joined);
            let recomputing = RecomputingDecoder(&tiny.model.body.decoder);
            for (beam_size, max_length) in [(1, 20), (2, 3), (3, 2), (5, 20)] {
                let ours = search(&incremental, &encoded, 3, beam_size, max_length);
                let oracle = search(&recomputing, &encoded, 3, beam_size, max_length);
                ours.iter().zip(&oracle).for_each(|(ours, oracle)| assert_same(ours, oracle));
            }
        }
    }
}

/// Fresh weights, large enough that the words differ from step to step.
fn randomize(tiny: &mut Tiny) {
    no_grad(|| {
        for mut variable in tiny.store.trainable_variables() {
            let fresh = variable.randn_like() * 0.3;
            variable.copy_(&fresh);
        }
    });
}

fn assert_same(ours: &[Beam], theirs: &[Beam]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours.tokens, theirs.tokens);
        for (a, b) in ours.log_probs.iter().zip(&theirs.log_probs) {
            assert!((a - b).abs() < 1e-4, "{a} is not {b}");
        }
    }
}
