//! Shapes that the document describes and no single type of the program has.
#![expect(dead_code, reason = "these are read by the macro that describes them, and by nobody else")]

use super::super::answer::Answer;
use super::super::problem::ProblemJson;
use utoipa::ToSchema;

/// A file as it is.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(in crate::web) struct Binary(Vec<u8>);

/// A form with photos; options hold for all of them.
#[derive(ToSchema)]
pub(in crate::web) struct UploadForm {
    /// The files; each part may have a file name.
    image: Vec<Binary>,
    /// Addresses of photos, where the server fetches them.
    url: Option<Vec<String>>,
    /// Beams of the search, at most `captioning.max_beam_size`.
    #[schema(minimum = 1)]
    beam_size: Option<usize>,
    /// Longest caption in tokens, start and end included, at most the model's own.
    #[schema(minimum = 2)]
    max_length: Option<usize>,
    /// Captions in the answer, at most `beam_size`.
    #[schema(minimum = 1)]
    candidates: Option<usize>,
    /// Id of the model that must be in service.
    model: Option<String>,
}

/// An export as JSON.
#[derive(ToSchema)]
pub(in crate::web) struct ExportedCaptions {
    /// Newest first.
    captions: Vec<Answer>,
}

/// One photo gives its caption, several give results in their order.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::web) enum CaptionAnswer<'a> {
    One(Box<Answer>),
    Several { results: Vec<PhotoResult<'a>> },
}

/// What became of one of several photos.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::web) enum PhotoResult<'a> {
    Caption(Box<Answer>),
    Problem(ProblemJson<'a>),
}

/// A model that is loaded: the library's `ModelInfo`.
#[derive(ToSchema)]
pub(in crate::web) struct ServedModel {
    /// The folder's name; of an ensemble, its members' with `+` between them.
    id: String,
    /// The names of the folders: one, or those of an ensemble.
    members: Vec<String>,
    /// SHA-256 of what was loaded.
    revision: String,
    backbone: String,
    /// Side of the square input in pixels.
    image_size: u32,
    /// Words known.
    vocab_size: usize,
    /// Weights.
    parameters: u64,
    /// Longest caption in tokens, start and end included.
    max_length: usize,
    /// `cpu` or `cuda:0`.
    device: String,
    /// `float32` or `bfloat16`.
    precision: String,
}
