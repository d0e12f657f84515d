//! Who may do what, as `router.rs` guards it.

use serde_json::{Value, json};

/// Puts the ways to say who asks into the document, and which of them each operation takes.
pub(super) fn describe(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "An API key" },
        "key": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key" },
        "session": {
            "type": "apiKey", "in": "cookie", "name": "expansionnet_session", "description": "From the sign-in page",
        },
    });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (_, operation) in item.as_object_mut().into_iter().flatten() {
            operation["security"] = security(path);
        }
    }
}

/// An empty requirement is that of nobody: where the settings leave a part open.
fn security(path: &str) -> Value {
    if path.starts_with("/api/admin/") {
        // The key of an admin's program.
        json!([{ "bearer": [] }, { "key": [] }, { "session": [] }])
    } else if path.starts_with("/api/") || path == "/metrics" {
        json!([{}, { "bearer": [] }, { "key": [] }, { "session": [] }])
    } else {
        json!([])
    }
}
