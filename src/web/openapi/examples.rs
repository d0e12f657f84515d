//! Examples of bodies: what to send, and what comes back.

use serde_json::{Value, json};

/// What `docs/API.md` shows as the answer to a photo.
fn answer(text: &str) -> Option<Value> {
    let block = text.split("```json\n").nth(1)?.split("```").next()?;
    serde_json::from_str(block).ok()
}

/// Puts an example into each schema of a body. `text` is `docs/API.md`.
pub(super) fn describe(document: &mut Value, text: &str) {
    let ids = ["01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e"];
    let examples = [
        ("Answer", answer(text).unwrap_or_default()),
        ("JsonUpload", json!({ "image": SMALL_PNG, "beam_size": 3, "candidates": 1 })),
        ("RequestedOptions", json!({ "beam_size": 2 })),
        ("Edit", json!({ "caption": "My dog Bello in the park." })),
        ("CaptionIds", json!({ "ids": ids })),
        ("Export", json!({ "format": "csv", "query": "dog" })),
        ("KeyRequest", json!({ "name": "Photo app" })),
        ("JobRequest", json!({ "recipe": "photos14k", "settings": { "xe.batch_size": 32 }, "device": "auto" })),
        (
            "EvaluationRequest",
            json!({ "models": ["default"], "dataset": "/data/dataset.json", "images": "/data/images" }),
        ),
        ("JobEdit", json!({ "name": "Second try" })),
        ("StopRequest", json!({ "force": false })),
        ("ActivationRequest", json!({ "models": ["default"] })),
    ];
    for (schema, example) in examples {
        document["components"]["schemas"][schema]["examples"] = json!([example]);
    }
}

/// Eight by eight orange pixels.
const SMALL_PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4UaGBFTEMLQkAUtVaASL5fhoAAAAASUVORK5CYII=";
