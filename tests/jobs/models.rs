//! Models deleted on their page: those that nobody uses, and no others.

use super::site::{STOPPABLE, Site};
use super::support::web::Answered;
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;

/// With a model `old` that is not in service.
async fn site(script: &str) -> Site {
    let site = Site::changed(script, |config| {
        config.model.directory = config.training.roots[0].join("models");
        std::fs::create_dir_all(config.model.directory.join("old")).expect("writable");
        std::fs::write(config.model.directory.join("old/config.json"), "{}").expect("writable");
    })
    .await;
    site.app.models.active().ready().await.expect("the fake model loads");
    site
}

/// Sends a form of the page, as a browser or as a program does.
async fn send(site: &Site, path: &str, fields: &'static str, accept: &str) -> Answered {
    let form = Request::post(path).header(header::COOKIE, site.cookie());
    let form = form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").header(header::ACCEPT, accept);
    site.app.send(form.body(Body::from(fields)).expect("a request")).await
}

#[tokio::test]
async fn a_model_that_nobody_uses_can_be_deleted_and_what_is_refused_is_said_on_the_page() {
    let site = site(STOPPABLE).await;
    for (path, fields, words) in [
        ("/admin/models", "", "Select one or more models first."),
        ("/admin/models", "models=none", "There is no model `none`."),
        ("/admin/models/delete", "delete=default", "that can be deleted"),
        ("/admin/models/delete", "", "that can be deleted"),
    ] {
        let refused = send(&site, path, fields, "text/html").await;
        assert_eq!(refused.status, 422, "{path} {fields}");
        assert!(refused.text().contains(words) && refused.text().contains("<h1>Models</h1>"), "{}", refused.text());
    }
    let deleted = send(&site, "/admin/models/delete", "delete=old", "text/html").await;
    assert_eq!((deleted.status.as_u16(), deleted.header("location")), (303, "/admin/models"));
    assert!(!site.path("models/old").exists());
    assert_eq!(std::fs::read_dir(site.path("models")).expect("a folder").count(), 0, "nothing is left of it");
}

#[tokio::test]
async fn a_model_that_an_evaluation_needs_is_kept_until_that_has_ended() {
    let judge = r#"
tell '"started","phase":"captions","step":"evaluation","iteration":0,"iterations":20,"per_epoch":20'
while [ ! -e "$dir/go-on" ]; do sleep 0.05; done
tell '"finished","phase":"captions","reason":"completed","outcome":"completed","kind":null'
"#;
    let site = site(judge).await;
    std::fs::write(site.path("dataset.json"), "{}").expect("writable");
    let evaluate = async |name: &str, model: &str| {
        let (dataset, images) = (site.path("dataset.json"), site.path(""));
        let request = json!({"name": name, "models": [model], "dataset": dataset, "images": images, "device": "cpu"});
        let job = site.post("/evaluations", request).await.json();
        job["id"].as_str().expect("an id").to_owned()
    };
    let first = evaluate("The first", "old").await;
    let (second, other) = (evaluate("The second", "old").await, evaluate("Another", "default").await);
    site.state(&first, "running").await;
    let delete = async |accept: &'static str| send(&site, "/admin/models/delete", "delete=old", accept).await;

    let detail = delete("*/*").await.problem(409, "model-in-use");
    assert!(detail.contains("`The second` (queued), `The first` (running)") && !detail.contains("Another"), "{detail}");
    let page = delete("text/html").await;
    assert_eq!(page.status, 409);
    assert!(page.text().contains("<h1>Models</h1>") && page.text().contains("The second"), "{}", page.text());

    assert_eq!(site.post(&format!("/jobs/{second}/stop"), json!({})).await.json()["state"], "cancelled");
    let detail = delete("*/*").await.problem(409, "model-in-use");
    assert!(detail.contains("The first") && !detail.contains("The second"), "{detail}");
    assert!(site.path("models/old/config.json").exists());

    site.let_go_on(&first).await;
    site.state(&first, "completed").await;
    assert_eq!(delete("*/*").await.status, 303);
    assert!(!site.path("models/old").exists());
    site.let_go_on(&other).await;
    site.state(&other, "completed").await;
}
