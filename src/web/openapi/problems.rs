//! Every problem that the API tells of, and which operations can end in it.

mod table;

use serde_json::{Value, json};
use table::{Documented, PROBLEMS};

/// Puts the problems into the document: as responses, as the values of `code`, and as a table for people.
pub(super) fn describe(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
            let ends = PROBLEMS.iter().filter(|problem| problem.ends(&id, method, path));
            add_responses(&mut operation["responses"], ends);
        }
    }
    let codes: Vec<&str> = PROBLEMS.iter().map(|problem| problem.code).collect();
    document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] = json!(codes);
    let text = document["info"]["description"].as_str().unwrap_or_default();
    document["info"]["description"] = json!(format!("{text}\n{}", table()));
}

impl Documented {
    fn example(&self) -> Value {
        json!({
            "summary": self.title,
            "value": {
                "type": format!("urn:expansionnet:problem:{}", self.code),
                "code": self.code,
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "request_id": "01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e",
            },
        })
    }
}

/// One response a status, with an example for each problem.
fn add_responses<'p>(responses: &mut Value, problems: impl Iterator<Item = &'p Documented>) {
    for problem in problems {
        let response = &mut responses[problem.status.to_string()];
        if response.is_null() {
            *response = json!({
                "description": "",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                    "examples": {},
                } },
            });
        }
        let described = response["description"].as_str().unwrap_or_default();
        let described = [described, problem.title].into_iter().filter(|text| !text.is_empty());
        response["description"] = json!(described.collect::<Vec<_>>().join(". Or: "));
        response["content"]["application/problem+json"]["examples"][problem.code] = problem.example();
    }
}

/// The problems as a table in Markdown.
fn table() -> String {
    let rows =
        PROBLEMS.iter().map(|problem| format!("| {} | `{}` | {} |\n", problem.status, problem.code, problem.title));
    let head = "## Problems\n\n| status | code | title |\n|---|---|---|\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}
