//! What the fields of a recipe are called and mean.

use super::FieldKind::{self, Boolean, Choice, File, Folder, Integer, List, Number};
use serde_json::Value;

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

const ALL: &[&str] = &["features", "cross-entropy", "self-critical"];
const TRAINING: &[&str] = &["cross-entropy", "self-critical"];
const FEATURES: &[&str] = &["features"];
const CROSS_ENTROPY: &[&str] = &["cross-entropy"];
const SELF_CRITICAL: &[&str] = &["self-critical"];

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

pub(super) const PHASE: &[Text] = &[
    Text::new("kind", Choice, "Number format", "Of the features on disk: float16 takes half the space.")
        .choices(&["float16", "float32"])
        .of(FEATURES),
    Text::new(
        "views",
        Integer,
        "Views",
        "Of each training photo: the plain one, and others mirrored and cropped, for phases that vary photos.",
    )
    .of(FEATURES)
    .advanced()
    .or("1")
    .ours(),
    Text::new(
        "features",
        Choice,
        "Features of",
        "The phase whose stored features are read. Without, photos are, and the backbone is trained too.",
    )
    .advanced(),
    Text::new("backbone", Choice, "Backbone from", "Where its weights come from: a file, or a phase that trained it.")
        .of(ALL)
        .advanced(),
    Text::new(
        "body",
        Choice,
        "Captioner from",
        "Where the weights of encoder and decoder come from; fresh ones if empty.",
    )
    .advanced(),
    Text::new("epochs", Integer, "Epochs", "How often the whole training set is seen.").unit("epochs"),
    Text::new(
        "batch_size",
        Integer,
        "Batch size",
        "What goes through the model at once. Lower it when the GPU runs out of memory.",
    )
    .of(ALL),
    Text::new(
        "captions_per_image",
        Integer,
        "Captions a photo",
        "Taken together: with 5, a photo is read and encoded once for its five captions, which is faster.",
    )
    .unit("captions")
    .of(CROSS_ENTROPY)
    .or("1"),
    Text::new("accumulate", Integer, "Batches a step", "Their gradients together make one step of the optimiser."),
    Text::new("learning_rate", Number, "Learning rate", "At its highest, after the warm-up."),
    Text::new("min_learning_rate", Number, "Lowest learning rate", "It does not fall below this after the warm-up.")
        .advanced(),
    Text::new("warmup_iterations", Integer, "Warm-up", "The learning rate rises during these.").unit("iterations"),
    Text::new("anneal", Number, "Annealing", "What the learning rate is multiplied by, again and again."),
    Text::new("anneal_every_epochs", Integer, "Anneal every", "Epochs between two such multiplications.")
        .unit("epochs"),
    Text::new("dropouts.encoder", Number, "Dropout: encoder", "Share of numbers blanked inside the encoder.")
        .advanced(),
    Text::new("dropouts.decoder", Number, "Dropout: decoder", "Share of numbers blanked inside the decoder.")
        .advanced(),
    Text::new(
        "dropouts.encoder_input",
        Number,
        "Dropout: features",
        "Share of numbers blanked in what the encoder reads.",
    )
    .advanced(),
    Text::new("dropouts.decoder_input", Number, "Dropout: words", "Share of numbers blanked in the word embeddings.")
        .advanced(),
    Text::new(
        "dropouts.other",
        Number,
        "Dropout: outputs",
        "Share of numbers blanked in the outputs of encoder and decoder.",
    )
    .advanced(),
    Text::new("dropouts.drop_path", Number, "Drop path", "Largest share of the backbone's blocks that are skipped.")
        .advanced(),
    Text::new(
        "label_smoothing",
        Number,
        "Label smoothing",
        "What the target leaves to all other words together, so that the model is less sure of itself.",
    )
    .of(CROSS_ENTROPY)
    .advanced(),
    Text::new(
        "temperature",
        Number,
        "Temperature",
        "Of the drawn captions: below 1 they keep to likely words, and differ less from each other.",
    )
    .of(SELF_CRITICAL)
    .advanced()
    .or("1.0")
    .ours(),
    Text::new("samples", Integer, "Captions drawn", "Of each photo; each is compared with the mean of the others.")
        .unit("captions")
        .of(SELF_CRITICAL),
    Text::new("sample_length", Integer, "Longest drawn caption", "Words after which a drawn caption is cut.")
        .unit("words")
        .of(SELF_CRITICAL)
        .advanced(),
    Text::new(
        "precision",
        Choice,
        "Precision",
        "What matrices are multiplied in. bfloat16 is faster where the hardware has it; tf32 is for GPUs only.",
    )
    .choices(&["float32", "tf32", "bfloat16"])
    .advanced()
    .or("\"float32\"")
    .ours(),
    Text::new(
        "checkpoint_activations",
        Boolean,
        "Save memory",
        "Computes the backbone's activations twice instead of keeping them, where the backbone is trained: slower.",
    )
    .advanced()
    .or("false")
    .ours(),
    Text::new(
        "freeze_batch_norm",
        Boolean,
        "Freeze batch norms",
        "Keeps the means and variances of an EfficientNet where it is trained: small batches tell them badly.",
    )
    .advanced()
    .or("true")
    .ours(),
    Text::new(
        "augment",
        Boolean,
        "Vary photos",
        "Mirrors one photo of two, with left and right exchanged in its captions, and crops a little. Features need views for it.",
    )
    .advanced()
    .or("false")
    .ours(),
    Text::new(
        "frozen_segments",
        Integer,
        "Frozen pieces of the backbone",
        "The stem and first blocks, this many together, are left as they are where the backbone is trained: a step costs less.",
    )
    .advanced()
    .or("0")
    .ours(),
    Text::new("clip_gradients", Number, "Longest gradient", "Longer ones are shortened to this; none if empty.")
        .advanced()
        .ours(),
    Text::new(
        "save_every_minutes",
        Number,
        "Checkpoint every",
        "Besides those at the ends of epochs. What a crash can cost at most.",
    )
    .unit("minutes")
    .advanced()
    .ours(),
    Text::new("keep_checkpoints", Integer, "Checkpoints kept", "The newest ones, besides the best.").advanced().ours(),
    Text::new(
        "evaluate_every",
        Integer,
        "Evaluate every",
        "Besides the evaluations at the ends of epochs; never if empty.",
    )
    .unit("iterations")
    .advanced()
    .ours(),
    Text::new(
        "evaluation_images",
        Integer,
        "Photos of an evaluation",
        "Validation photos that are captioned; 0 for none.",
    )
    .unit("photos")
    .ours(),
    Text::new(
        "evaluation_batch_size",
        Integer,
        "Evaluation batch size",
        "Photos captioned together in an evaluation; 16 if empty. Lower it when an evaluation runs out of memory.",
    )
    .advanced()
    .ours(),
    Text::new("beam_size", Integer, "Beams of an evaluation", "Wordings that are weighed at once.").advanced().ours(),
];
