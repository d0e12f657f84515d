//! Self-critical training against the original's loss, and against its step-by-step form.

mod support;

use support::recompute::RecomputingDecoder;
use support::{CHECKPOINT, Tiny, drawn, reference_json, reference_tensors, tiny_model_to_train};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use trainer::data::Inputs;
use trainer::decoding::{SamplingOptions, StepDecoder};
use trainer::model::Dropouts;
use trainer::training::{Network, roll_out, self_critical_loss};

const SOS: i64 = 2;
const EOS: i64 = 0;
const OPTIONS: SamplingOptions = SamplingOptions { samples: 5, max_words: 12, temperature: 1. };

fn to_train(dropouts: Dropouts) -> (VarStore, Network) {
    let Tiny { store, model, .. } = tiny_model_to_train(CHECKPOINT, dropouts);
    (store, Network::from(model))
}

fn images() -> Inputs {
    Inputs::unpadded(reference_tensors("tiny_model/tensors.safetensors")["image"].shallow_clone())
}

/// Made-up rewards, another for each caption.
fn rewards(captions: &[Vec<Vec<i64>>]) -> Vec<Vec<f64>> {
    let reward = |image: usize, caption: &Vec<i64>| caption.iter().sum::<i64>() as f64 / 50. + image as f64;
    captions.iter().enumerate().map(|(i, captions)| captions.iter().map(|c| reward(i, c)).collect()).collect()
}

#[test]
fn loss_of_the_original_s_batch() {
    let fixture = reference_json("scst_loss.json");
    let rewards: Vec<Vec<f64>> = serde_json::from_value(fixture["reward"].clone()).expect("numbers");
    let sums: Vec<f32> = serde_json::from_value(fixture["log_prob_sums"].clone()).expect("numbers");
    let loss = self_critical_loss(&Tensor::from_slice(&sums), &rewards).double_value(&[]);
    let expected = fixture["loss"].as_f64().expect("a number");
    assert!((loss - expected).abs() < 1e-5, "{loss} is not {expected}");
}

/// The original's form: the whole caption so far is decoded at every step, with gradients.
fn step_by_step(network: &Network, inputs: &Inputs, captions: &[Vec<Vec<i64>>], temperature: f64) -> Tensor {
    let encoded = network.encode(inputs, true);
    let decoder = RecomputingDecoder(network.decoder());
    let rows: Vec<&Vec<i64>> = captions.iter().flatten().collect();
    let longest = rows.iter().map(|row| row.len()).max().expect("captions");
    let mut state = decoder.start(&encoded, OPTIONS.samples as i64, longest as i64).expect("starts");
    let mut sums = Tensor::zeros([rows.len() as i64], (Kind::Float, Device::Cpu));
    for time in 0..longest - 1 {
        let word = |time: usize| rows.iter().map(|row| row.get(time).copied().unwrap_or(EOS)).collect::<Vec<_>>();
        let log_probs = decoder.step(&mut state, &word(time)).expect("steps") / temperature;
        let log_probs = log_probs.log_softmax(-1, Kind::Float);
        let drawn = log_probs.gather(1, &Tensor::from_slice(&word(time + 1)).unsqueeze(1), false).squeeze_dim(1);
        let within: Vec<f32> = rows.iter().map(|row| f32::from(u8::from(time + 1 < row.len()))).collect();
        sums += drawn * Tensor::from_slice(&within);
    }
    sums
}

#[test]
fn one_pass_has_the_loss_and_gradients_of_the_step_by_step_form() {
    for temperature in [1., 0.5] {
        is_as_step_by_step(temperature);
    }
}

fn is_as_step_by_step(temperature: f64) {
    let (store, network) = to_train(Dropouts::default());
    let options = SamplingOptions { temperature, ..OPTIONS };
    let rollout = drawn(5, || roll_out(&network, &images(), SOS, EOS, &options, true)).expect("rolls out");
    let rewards = rewards(&rollout.captions);
    let lengths: Vec<usize> = rollout.captions.iter().flatten().map(Vec::len).collect();
    assert!(lengths.iter().any(|&length| length != lengths[0]), "captions of different lengths: {lengths:?}");
    let loss = self_critical_loss(&rollout.log_probs, &rewards);
    loss.backward();

    let (oracle_store, oracle) = to_train(Dropouts::default());
    let oracle_loss = self_critical_loss(&step_by_step(&oracle, &images(), &rollout.captions, temperature), &rewards);
    oracle_loss.backward();

    let (ours, theirs) = (loss.double_value(&[]), oracle_loss.double_value(&[]));
    assert!((ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.), "{ours} is not {theirs}");
    let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    for (name, variable) in store.variables() {
        let (ours, theirs) = (variable.grad(), oracle_store.variables()[&name].grad());
        // A padded position's word vector is looked at by nobody: no gradient in one form, zero in the other.
        let theirs = if theirs.defined() { theirs } else { ours.zeros_like() };
        let difference = largest(&(&ours - &theirs));
        assert!(difference <= 1e-4 * largest(&theirs).max(1e-2), "{name}: gradients differ by {difference}");
    }
}

#[test]
fn dropout_acts_on_the_scores_of_the_drawn_captions() {
    let (_store, plain) = to_train(Dropouts::default());
    let (_store, dropping) = to_train(Dropouts { decoder: 0.3, ..Dropouts::default() });
    let difference = |network: &Network| {
        let rollout = drawn(5, || roll_out(network, &images(), SOS, EOS, &OPTIONS, true)).expect("rolls out");
        let without = step_by_step(&plain, &images(), &rollout.captions, 1.);
        (rollout.log_probs - without).abs().max().double_value(&[])
    };
    assert!(difference(&plain) < 1e-4);
    assert!(difference(&dropping) > 1e-2);
}
