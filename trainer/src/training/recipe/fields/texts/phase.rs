//! What the fields of a phase are called and mean.

use super::super::FieldKind::{Boolean, Choice, Integer, Name, Number};
use super::Text;

const ALL: &[&str] = &["features", "cross-entropy", "self-critical"];
const FEATURES: &[&str] = &["features"];
const CROSS_ENTROPY: &[&str] = &["cross-entropy"];
const SELF_CRITICAL: &[&str] = &["self-critical"];

pub(in super::super) const PHASE: &[Text] = &[
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
    Text::new("backbone", Choice, "Backbone from", "Where its weights come from: a file, or a phase that trained it; the mean of several in a recipe’s file.")
        .of(ALL)
        .advanced(),
    Text::new(
        "body",
        Choice,
        "Captioner from",
        "Where the weights of encoder and decoder come from, or the mean of several; fresh ones if empty.",
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
        "Mirrors one photo of two, with left and right exchanged in its captions, and crops. Features need views for it.",
    )
    .advanced()
    .or("false")
    .ours(),
    Text::new(
        "smallest_crop",
        Number,
        "Smallest crop",
        "The shortest side of a photo that is varied, as a part of the whole; of less, captions speak of what is not seen.",
    )
    .of(ALL)
    .advanced()
    .or("0.85")
    .ours(),
    Text::new(
        "colour",
        Number,
        "Other light",
        "How much brightness, contrast and saturation of varied photos become more or less at most; 0 for not at all.",
    )
    .of(ALL)
    .advanced()
    .or("0")
    .ours(),
    Text::new(
        "image_size",
        Integer,
        "Size in training",
        "The side of photos in this phase, if not the model's: cropped ones may be smaller, which costs less. EfficientNet only.",
    )
    .unit("pixels")
    .advanced()
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
    Text::new(
        "sees_captions",
        Boolean,
        "Captions in place of photos",
        "Learns language alone: the encoder reads words of one caption where it would read a photo's features.",
    )
    .of(CROSS_ENTROPY)
    .advanced()
    .or("false")
    .ours(),
    Text::new(
        "filepath",
        Name,
        "Photos of",
        "The dataset's folder (filepath) whose photos alone are learned of and evaluated; all if empty.",
    )
    .advanced()
    .ours(),
    Text::new(
        "teachers",
        Name,
        "Teachers",
        "Trained models whose votes on each word are learned too: phases before, or checkpoint: and a path, joined by “ + ”.",
    )
    .of(CROSS_ENTROPY)
    .advanced()
    .ours(),
    Text::new("teachers_weight", Number, "Weight of the teachers", "Their share of what is learned, against people's words.")
        .of(CROSS_ENTROPY)
        .advanced()
        .or("0.5")
        .ours(),
    Text::new(
        "ema_decay",
        Number,
        "Moving average of the weights",
        "How much of it stays at each step: 0.999 averages over a thousand steps or so. It is what is judged and kept as \
         the model; 0 is none.",
    )
    .or("0")
    .advanced()
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
