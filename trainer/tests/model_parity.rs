//! Every activation of the tiny model against the original's, within 1e-4.

mod support;

use support::{CHECKPOINT, assert_close, integers, reference_json, reference_tensors, tiny_model};
use tch::{Device, no_grad};
use trainer::model::Backbone;
use trainer::model::masks::{DecoderMasks, token_mask};

#[test]
fn swin_stages_and_features() {
    let tiny = tiny_model(CHECKPOINT);
    let reference = reference_tensors("tiny_model/tensors.safetensors");
    let Backbone::Swin(swin) = &tiny.model.backbone else { panic!("the tiny model has a Swin backbone") };
    no_grad(|| {
        let mut x = swin.patch_embed.forward(&reference["image"]);
        assert_close("patch embedding", &x, &reference["swin_patch_embed"]);
        for (index, stage) in swin.layers.iter().enumerate() {
            x = stage.forward_t(&x, false);
            assert_close(&format!("stage {index}"), &x, &reference[&format!("swin_stage_{index}")]);
        }
        let features = tiny.model.backbone.forward_t(&reference["image"], false);
        assert_close("features", &features, &reference["swin_features"]);
    });
}

#[test]
fn features_are_the_same_without_the_prepared_bias() {
    let tiny = tiny_model(CHECKPOINT);
    let reference = reference_tensors("tiny_model/tensors.safetensors");
    let fresh = trainer::model::CaptioningModel::new(
        &tch::nn::VarStore::new(Device::Cpu).root(),
        &tiny.config,
        trainer::model::Dropouts::default(),
    );
    // An unprepared model of the same weights, as training uses it.
    let store = tch::nn::VarStore::new(Device::Cpu);
    let unprepared =
        trainer::model::CaptioningModel::new(&store.root(), &tiny.config, trainer::model::Dropouts::default());
    let weights = tiny.store.variables().into_iter().collect();
    trainer::checkpoint::load_named(&store, &weights).expect("the same architecture");
    no_grad(|| {
        let features = unprepared.backbone.forward_t(&reference["image"], false);
        assert_close("features, unprepared", &features, &reference["swin_features"]);
        let random = fresh.backbone.forward_t(&reference["image"], false);
        assert!(
            (random - &reference["swin_features"]).abs().max().double_value(&[]) > 0.1,
            "random weights must differ"
        );
    });
}

#[test]
fn encoder_layer_and_output() {
    let tiny = tiny_model(CHECKPOINT);
    let reference = reference_tensors("tiny_model/tensors.safetensors");
    let encoder = &tiny.model.body.encoder;
    no_grad(|| {
        let input = reference["swin_features"].apply(&encoder.input_linear);
        assert_close("first layer's input", &input, &reference["encoder_layer_0_input"]);
        let output = encoder.encoders[0].forward_t(&input, None, false);
        assert_close("first layer's output", &output, &reference["encoder_layer_0_output"]);
        let encoded = encoder.forward_t(&reference["swin_features"], None, false);
        assert_close("encoder output", &encoded, &reference["encoder_output"]);
    });
}

#[test]
fn decoder_scores_of_padded_captions() {
    let tiny = tiny_model(CHECKPOINT);
    let reference = reference_tensors("tiny_model/tensors.safetensors");
    let pads = integers(&reference_json("tiny_model/expected.json")["target_num_pads"]);
    let target = &reference["target"];
    let words = target.narrow(1, 0, target.size()[1] - 1);
    let encoded = &reference["encoder_output"];
    let masks = DecoderMasks::padded(&pads, words.size()[1], &[0, 0], encoded.size()[1], Device::Cpu);
    let scores = no_grad(|| tiny.model.body.decoder.forward_t(&words, encoded, &masks, false));
    assert_close("decoder scores", &scores, &reference["decoder_logits"]);
}

#[test]
fn features_of_different_lengths() {
    let tiny = tiny_model(CHECKPOINT);
    let reference = reference_tensors("tiny_model/tensors.safetensors");
    let expected = reference_json("tiny_model/expected.json");
    let (feature_pads, caption_pads) =
        (integers(&expected["feature_input_num_pads"]), integers(&expected["target_num_pads"]));
    let features = &reference["feature_input"];
    let tokens = features.size()[1];
    let target = &reference["target"];
    let words = target.narrow(1, 0, target.size()[1] - 1);
    no_grad(|| {
        let mask = token_mask(&feature_pads, tokens, Device::Cpu);
        let encoded = tiny.model.body.encoder.forward_t(features, Some(&mask), false);
        assert_close("padded encoder output", &encoded, &reference["feature_encoder_output_pad0_2"]);
        let masks = DecoderMasks::padded(&caption_pads, words.size()[1], &feature_pads, tokens, Device::Cpu);
        let scores = tiny.model.body.decoder.forward_t(&words, &encoded, &masks, false);
        assert_close("scores over padded features", &scores, &reference["feature_decoder_logits_pad0_2"]);
    });
}
