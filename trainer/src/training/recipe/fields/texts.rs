//! What the fields of a recipe are called and mean.

mod phase;

pub(super) use phase::PHASE;

use super::FieldKind::{self, Choice, File, Folder, Integer, List};
use serde_json::Value;

/// The steps of a phase whose texts say nothing else.
const TRAINING: &[&str] = &["cross-entropy", "self-critical"];

/// What is to be said of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    pub key: &'static str,
    pub label: &'static str,
    pub help: &'static str,
    pub unit: &'static str,
    pub kind: FieldKind,
    /// Those that do not depend on the recipe.
    pub choices: &'static [&'static str],
    /// The steps whose phases have it; none for what is no phase's.
    pub steps: &'static [&'static str],
    pub advanced: bool,
    /// Left out of the form where the recipe leaves it out.
    pub only_if_present: bool,
    /// The value that a recipe means by leaving the key out, as JSON.
    pub absent: &'static str,
    /// No number of the paper's: how often a run is saved or looked at, what fits into memory.
    pub ours: bool,
}

impl Text {
    const fn new(key: &'static str, kind: FieldKind, label: &'static str, help: &'static str) -> Text {
        Text {
            key,
            label,
            help,
            unit: "",
            kind,
            choices: &[],
            steps: TRAINING,
            advanced: false,
            only_if_present: false,
            absent: "null",
            ours: false,
        }
    }

    const fn unit(self, unit: &'static str) -> Text {
        Text { unit, ..self }
    }

    const fn choices(self, choices: &'static [&'static str]) -> Text {
        Text { choices, ..self }
    }

    const fn of(self, steps: &'static [&'static str]) -> Text {
        Text { steps, ..self }
    }

    const fn advanced(self) -> Text {
        Text { advanced: true, ..self }
    }

    const fn only_if_present(self) -> Text {
        Text { only_if_present: true, ..self }
    }

    const fn ours(self) -> Text {
        Text { ours: true, ..self }
    }

    /// What a recipe means that leaves the key out.
    const fn or(self, absent: &'static str) -> Text {
        Text { absent, ..self }
    }

    /// The value of a key that is not there.
    pub(super) fn when_absent(&self) -> Value {
        serde_json::from_str(self.absent).unwrap_or_default()
    }
}

pub(super) const RUN: &[Text] = &[Text::new(
    "seed",
    Integer,
    "Seed",
    "Everything that is random follows from it: the same seed, recipe and data give the same run.",
)
.advanced()];

pub(super) const DATA: &[Text] = &[
    Text::new("dataset", File, "Dataset", "Captions and splits, a JSON file in Karpathy's layout."),
    Text::new("images", Folder, "Photos", "The folder that the dataset's file names are relative to."),
    Text::new(
        "captions",
        File,
        "More captions",
        "Captions of other photos, in the same layout, for phases that see captions in place of photos.",
    )
    .advanced(),
    Text::new("vocabulary", File, "Vocabulary", "A list of words; without one, the words of the training captions.")
        .advanced(),
    Text::new(
        "min_occurrences",
        Integer,
        "Rarest word",
        "Words that the training captions have less often are unknown to the model.",
    )
    .unit("occurrences")
    .advanced(),
];

pub(super) const WEIGHTS: &[Text] = &[
    Text::new(
        "backbone",
        File,
        "Backbone weights",
        "Trained on image classification; phases whose backbone is “pretrained” start from this file.",
    ),
    Text::new(
        "body",
        File,
        "Captioner weights",
        "A trained captioner to go on from; phases whose body is “pretrained” start from this file.",
    )
    .advanced(),
];

pub(super) const MODEL: &[Text] = &[
    Text::new(
        "backbone",
        Choice,
        "Backbone",
        "The network that looks at the photo. Its weights must be of the same kind.",
    )
    .choices(&["swin", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]),
    Text::new("image_size", Integer, "Photo size", "Photos are resized to this square.").unit("pixels"),
    Text::new(
        "d_model",
        Integer,
        "Width",
        "Numbers that stand for each word and image region; a multiple of the heads.",
    )
    .advanced(),
    Text::new("num_encoder_layers", Integer, "Encoder layers", "Static expansion layers that read the photo.")
        .advanced(),
    Text::new("num_decoder_layers", Integer, "Decoder layers", "Dynamic expansion layers that write the caption.")
        .advanced(),
    Text::new("num_heads", Integer, "Attention heads", "Of the decoder looking at the photo.").advanced(),
    Text::new("d_ff", Integer, "Feed-forward width", "Width of the layers between the expansions.").advanced(),
    Text::new(
        "encoder_expansion_lengths",
        List,
        "Static expansion lengths",
        "Lengths that the photo's regions are spread to, all at once.",
    )
    .advanced(),
    Text::new(
        "decoder_expansion_length",
        Integer,
        "Dynamic expansion length",
        "Places that every word of the caption is spread to.",
    )
    .advanced(),
    Text::new("swin_patch_size", Integer, "Swin: patch", "Side of the squares that a photo is cut into.")
        .unit("pixels")
        .advanced()
        .only_if_present(),
    Text::new("swin_embed_dim", Integer, "Swin: channels", "Of the first stage; each further one has twice as many.")
        .advanced()
        .only_if_present(),
    Text::new("swin_depths", List, "Swin: blocks", "Of each stage.").advanced().only_if_present(),
    Text::new("swin_num_heads", List, "Swin: heads", "Of each stage.").advanced().only_if_present(),
    Text::new("swin_window_size", Integer, "Swin: window", "Side of an attention window.")
        .unit("patches")
        .advanced()
        .only_if_present(),
    Text::new("swin_mlp_ratio", Integer, "Swin: widening", "Width of the feed-forward layers over the channels.")
        .advanced()
        .only_if_present(),
];
