//! Loss, gradients and the optimiser's path against the original's.

mod support;

use serde_json::Value;
use support::{CHECKPOINT, Tiny, drawn, fixture, floats, integers};
use support::{reference_json, reference_tensors, tiny_model_to_train};
use tch::nn::VarStore;
use tch::{Kind, Tensor};
use trainer::data::Inputs;
use trainer::model::Dropouts;
use trainer::model::precision::multiplying_in;
use trainer::training::{LabelSmoothing, Network, RAdam, Schedule, cross_entropy};
use trainer::vocabulary::Vocabulary;

const RELATIVE_TOLERANCE: f64 = 1e-4;
/// Differences count in relation to this at least: a bias of attention keys has no effect on the
/// softmax, so that its gradient is rounding alone (1e-8).
const SMALLEST: f64 = 1e-3;

/// The fixture's batch: two images, each with a caption.
struct Batch {
    inputs: Inputs,
    tokens: Tensor,
    pads: Vec<i64>,
    labels: LabelSmoothing,
}

fn batch(expected: &Value) -> Batch {
    let tensors = reference_tensors("tiny_model/tensors.safetensors");
    let vocabulary = Vocabulary::read(&fixture("tiny_model/vocab.json")).expect("the fixture reads");
    Batch {
        inputs: Inputs::unpadded(tensors["image"].shallow_clone()),
        tokens: tensors["target"].shallow_clone(),
        pads: integers(&expected["target_num_pads"]),
        labels: LabelSmoothing { smoothing: 0.1, pad: vocabulary.id("PAD").expect("has PAD") },
    }
}

fn to_train(dropouts: Dropouts) -> (VarStore, Network) {
    let Tiny { store, model, .. } = tiny_model_to_train(CHECKPOINT, dropouts);
    (store, Network::from(model))
}

fn loss(network: &Network, batch: &Batch, train: bool) -> Tensor {
    cross_entropy(network, &batch.inputs, &batch.tokens, &batch.pads, &batch.labels, train)
}

fn assert_near(what: &str, ours: f64, theirs: f64) {
    let difference = (ours - theirs).abs() / theirs.abs().max(SMALLEST);
    assert!(difference <= RELATIVE_TOLERANCE, "{what}: {ours} is not {theirs} (relative {difference:.1e})");
}

#[test]
fn loss_and_the_gradient_of_every_parameter() {
    let expected = reference_json("tiny_model/expected.json");
    let batch = batch(&expected);
    let (store, network) = to_train(Dropouts::default());
    let loss = loss(&network, &batch, true);
    assert_near("loss", loss.double_value(&[]), expected["label_smoothing_loss"].as_f64().expect("a number"));
    loss.backward();

    let norms = expected["grad_norms"].as_object().expect("an object");
    let variables = store.variables();
    assert_eq!(variables.len(), norms.len());
    for (name, norm) in norms {
        let gradient = variables[name.as_str()].grad().norm().double_value(&[]);
        assert_near(name, gradient, norm.as_f64().expect("a number"));
    }
}

#[test]
fn captions_that_share_an_image_have_the_loss_and_gradients_of_pairs() {
    let batch = batch(&reference_json("tiny_model/expected.json"));
    let rows = |rows: &[i64]| batch.tokens.index_select(0, &Tensor::from_slice(rows));
    let images = |images: &[i64]| Inputs::unpadded(batch.inputs.tensor.index_select(0, &Tensor::from_slice(images)));
    let (pads, length) = (|rows: &[usize]| rows.iter().map(|&row| batch.pads[row]).collect(), batch.tokens.size()[1]);
    let pairs = Batch { inputs: images(&[0, 0, 1]), tokens: rows(&[0, 1, 1]), pads: pads(&[0, 1, 1]), ..batch };
    // The second image has one caption, and a row of padding in place of another.
    let padding = Tensor::full([1, length], batch.labels.pad, (Kind::Int64, tch::Device::Cpu));
    let tokens = Tensor::cat(&[&pairs.tokens, &padding], 0);
    let grouped = Batch { inputs: images(&[0, 1]), tokens, pads: [&pairs.pads[..], &[length]].concat(), ..pairs };

    let [of_pairs, of_groups] = [&pairs, &grouped].map(|batch| {
        let (store, network) = to_train(Dropouts::default());
        let loss = loss(&network, batch, true);
        loss.backward();
        (loss.double_value(&[]), store.variables())
    });
    assert_near("loss", of_groups.0, of_pairs.0);
    for (name, variable) in of_pairs.1 {
        let (theirs, ours) = (variable.grad(), of_groups.1[&name].grad());
        let difference = (&ours - &theirs).norm().double_value(&[]);
        let norm = theirs.norm().double_value(&[]);
        assert!(difference <= RELATIVE_TOLERANCE * norm.max(SMALLEST), "{name}: {difference} of {norm}");
    }
}

#[test]
fn twenty_four_steps_of_radam() {
    let expected = reference_json("tiny_model/expected.json");
    let batch = batch(&expected);
    let radam = &expected["radam"];
    let number = |key: &str| radam[key].as_f64().expect("a number");
    let schedule = Schedule {
        learning_rate: number("base_lr"),
        min_learning_rate: number("min_lr"),
        warmup_iterations: number("warmup_iters") as u64,
        anneal: number("anneal_coeff"),
        anneal_every_epochs: number("anneal_every_epoch") as u64,
    };
    let (rates, losses) = (floats(&radam["learning_rate_per_step"]), floats(&radam["loss_before_step"]));
    assert_eq!((rates.len(), losses.len()), (24, 24));

    let (store, network) = to_train(Dropouts::default());
    let mut optimiser = RAdam::new(&store);
    for (step, (theirs, their_loss)) in rates.iter().zip(&losses).enumerate() {
        let rate = schedule.at(step as u64, number("batches_per_epoch") as u64);
        assert_near(&format!("learning rate {step}"), rate, *theirs);
        let loss = loss(&network, &batch, true);
        assert_near(&format!("loss {step}"), loss.double_value(&[]), *their_loss);
        optimiser.zero_gradients();
        loss.backward();
        optimiser.step(rate);
    }
}

#[test]
fn bfloat16_stays_beside_float32() {
    let batch = batch(&reference_json("tiny_model/expected.json"));
    let curve = |kind: Option<Kind>| -> Vec<f64> {
        let (store, network) = to_train(Dropouts::default());
        let mut optimiser = RAdam::new(&store);
        let step = |_| {
            let loss = multiplying_in(kind, || {
                let loss = loss(&network, &batch, true);
                network.backward(&loss);
                loss
            });
            optimiser.step(2e-4);
            optimiser.zero_gradients();
            loss.double_value(&[])
        };
        (0..30).map(step).collect()
    };
    let (float32, bfloat16) = (curve(None), curve(Some(Kind::BFloat16)));
    for (step, (float32, bfloat16)) in float32.iter().zip(&bfloat16).enumerate() {
        println!("step {step}: {float32:.4} {bfloat16:.4}");
        assert!((float32 - bfloat16).abs() < 0.04 * float32, "step {step}: {bfloat16} beside {float32}");
    }
    assert_ne!(float32, bfloat16, "products are rounded");
    assert!(bfloat16[29] < 0.6 * bfloat16[0], "it learns");
}

#[test]
fn every_dropout_acts_in_training_and_only_there() {
    let expected = reference_json("tiny_model/expected.json");
    let batch = batch(&expected);
    let plain = expected["label_smoothing_loss"].as_f64().expect("a number");
    let one = |set: fn(&mut Dropouts)| {
        let mut dropouts = Dropouts::default();
        set(&mut dropouts);
        dropouts
    };
    let cases = [
        ("encoder", one(|d| d.encoder = 0.3)),
        ("decoder", one(|d| d.decoder = 0.3)),
        ("encoder_input", one(|d| d.encoder_input = 0.3)),
        ("decoder_input", one(|d| d.decoder_input = 0.3)),
        ("other", one(|d| d.other = 0.3)),
        ("drop_path", one(|d| d.drop_path = 0.9)),
    ];
    for (name, dropouts) in cases {
        let (_store, network) = to_train(dropouts);
        let train = drawn(3, || loss(&network, &batch, true)).to_kind(Kind::Double).double_value(&[]);
        assert!((train - plain).abs() > 1e-3, "{name} does nothing: {train}");
        assert_near(name, loss(&network, &batch, false).double_value(&[]), plain);
    }
}
