//! What is asked of jobs, checked: recipes and their values, names, figures, samples, photos.

use super::site::{STOPPABLE, Site};
use super::support::web::png;
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};
use std::path::Path;

#[tokio::test]
async fn a_recipe_is_refused_in_its_own_words() {
    let site = Site::with(STOPPABLE).await;
    let refused = async |request: Value| site.post("/jobs", request).await.problem(422, "invalid-option");
    let with = |settings: Value| json!({"recipe": "photos14k", "settings": settings});
    assert!(refused(with(json!({"xe.batch_size": 0}))).await.contains("xe.batch_size must be at least 1"));
    assert!(refused(with(json!({"xe.batchsize": 1}))).await.contains("batchsize"));
    assert!(refused(with(json!({"data.images": "/etc"}))).await.contains("training.roots"));
    assert!(refused(with(json!({"xe.body": "language + checkpoint:/etc"}))).await.contains("training.roots"));
    assert!(refused(json!({"recipe": "mine"})).await.contains("`mine`"));
    assert!(refused(json!({"recipe": "job:none"})).await.contains("`job:none`"));
    assert!(refused(json!({"recipe": "paper", "phases": ["xxe"]})).await.contains("scst-end-to-end"));
    assert!(refused(json!({"recipe": "paper", "name": "two\nlines"})).await.contains("one line"));
    assert!(refused(json!({"recipe": "paper", "colour": 1})).await.contains("colour"));
    let left = std::fs::read_dir(site.path("runs")).map_or(0, Iterator::count);
    assert_eq!((left, site.get("/jobs").await["jobs"].clone()), (0, json!([])), "nothing is left of them");
}

#[tokio::test]
async fn a_clone_begins_with_the_recipe_of_another_run() {
    let site = Site::with("started 0; finished completed").await;
    let settings = json!({"xe.batch_size": 32, "data.images": site.path("").display().to_string()});
    let request = json!({"recipe": "photos14k", "settings": settings, "phases": ["features"]});
    let first = site.post("/jobs", request).await.json();
    let first = first["id"].as_str().expect("an id");
    let recipe = site.get(&format!("/jobs/{first}/recipe")).await;
    assert!(recipe["toml"].as_str().is_some_and(|toml| toml.contains("batch_size = 32")), "{recipe}");
    let changed = |recipe: &Value, key: &str| {
        recipe["differences"].as_array().expect("a list").iter().find(|found| found["key"] == key).cloned()
    };
    assert_eq!(changed(&recipe, "xe.batch_size").expect("differs")["default"], 24);
    assert_eq!(recipe["former"], Value::Null);

    let request = json!({"recipe": format!("job:{first}"), "settings": {"xe.epochs": 1}, "phases": ["features"]});
    let second = site.post("/jobs", request).await.json();
    assert_eq!((&second["recipe"], &second["cloned_from"]), (&json!("photos14k"), &json!(first)));
    let recipe = site.get(&format!("/jobs/{}/recipe", second["id"].as_str().expect("an id"))).await;
    assert_eq!(changed(&recipe, "xe.batch_size"), None);
    assert_eq!(changed(&recipe, "xe.epochs").expect("differs")["value"], 1);
    assert_eq!(recipe["former"], json!({"id": first, "name": "photos14k"}));
}

#[tokio::test]
async fn what_was_measured_before_the_start_is_known_of_the_run() {
    let measured = r#"
case "$*" in *--check*)
    echo '{"findings":[],"phases":[{"name":"features","seconds":12.5},{"name":"xe","seconds":null}]}'
    exit ;;
esac
started 0; finished completed
"#;
    let site = Site::with(measured).await;
    let request = |device: &str, seed: u64| json!({"recipe": "photos14k", "settings": {"seed": seed}, "phases": ["features"], "device": device});
    let mut check = request("cpu", 7);
    check["measure"] = json!(true);
    assert_eq!(site.post("/jobs/check", check).await.status, 200);
    let seconds =
        async |request: Value| site.post("/jobs", request).await.json()["phases"][1]["expected_seconds"].clone();
    assert_eq!(seconds(request("cpu", 7)).await, 12.5);
    assert_eq!(seconds(request("cpu", 8)).await, Value::Null, "that is another run");
    assert_eq!(seconds(request("cuda", 7)).await, Value::Null, "that is another device");
}

#[tokio::test]
async fn names_can_be_changed() {
    let site = Site::with("started 0; finished completed").await;
    let id = site.create().await;
    let edit = async |name: &str| site.ask(Method::PATCH, &format!("/jobs/{id}"), Some(json!({"name": name}))).await;
    assert_eq!(edit(" Second try ").await.json()["name"], "Second try");
    edit("").await.problem(422, "invalid-option");
    let gone = site.ask(Method::PATCH, "/jobs/none", Some(json!({"name": "x"}))).await;
    gone.problem(404, "not-found");
}

#[tokio::test]
async fn a_checkpoints_model_keeps_its_name_when_the_run_gets_another() {
    let site = Site::with("started 0; finished completed").await;
    let id = site.create().await;
    make_checkpoint(&site.folder(&id).await, "xe");
    let model = async || site.get(&format!("/jobs/{id}/checkpoints")).await["checkpoints"][0]["model"].clone();
    let before = model().await;
    assert_eq!(before, format!("a-run-{}-xe-state-00000004", &id[id.len() - 6..]));
    let renamed = site.ask(Method::PATCH, &format!("/jobs/{id}"), Some(json!({"name": "Second try"}))).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text());
    assert_eq!(model().await, before);
}

#[tokio::test]
async fn checkpoints_that_have_seen_captions_alone_give_no_model() {
    let site = Site::with("started 0; finished completed").await;
    let id = site.create().await;
    let folder = site.folder(&id).await;
    ["language", "xe"].iter().for_each(|phase| make_checkpoint(&folder, phase));
    let listed = site.get(&format!("/jobs/{id}/checkpoints")).await;
    let servable = |place: usize| (&listed["checkpoints"][place]["phase"], &listed["checkpoints"][place]["servable"]);
    assert_eq!(servable(0), (&json!("language"), &json!(false)));
    assert_eq!(servable(1), (&json!("xe"), &json!(true)));
}

/// As far as it is listed.
fn make_checkpoint(run: &Path, phase: &str) {
    let checkpoint = run.join(phase).join("state-00000004");
    std::fs::create_dir_all(&checkpoint).expect("writable");
    let progress = json!({"recipe": "", "phase": phase, "iteration": 4, "best": null, "finished": false});
    std::fs::write(checkpoint.join("progress.json"), progress.to_string()).expect("writable");
}

#[tokio::test]
async fn what_the_server_cannot_read_is_no_fault_of_who_wants_it_judged() {
    let site = Site::with("started 0; finished completed").await;
    let id = site.create().await;
    site.state(&id, "completed").await;
    std::fs::write(site.path("dataset.json"), "{}").expect("writable");
    let judge = async |name: &str| {
        let checkpoint = json!({"job": id, "phase": "xe", "name": name});
        let (dataset, images) = (site.path("dataset.json"), site.path(""));
        site.post("/evaluations", json!({"checkpoints": [checkpoint], "dataset": dataset, "images": images})).await
    };
    let folder = site.folder(&id).await;
    make_checkpoint(&folder, "xe");
    judge("state-00000005").await.problem(422, "invalid-option");
    std::fs::remove_file(folder.join("recipe.toml")).expect("was there");
    let failed = judge("state-00000004").await.problem(500, "internal");
    assert!(!failed.contains("recipe.toml"), "{failed}");
    let left = std::fs::read_dir(site.path("runs")).expect("a folder").count();
    assert_eq!(left, 1, "nothing is left of them");
}

#[tokio::test]
async fn figures_come_by_phase_and_name() {
    let figures = r#"
started 0
for i in 1 2 3 4 5 6 7 8; do tell '"metric","phase":"features","iteration":'$i',"name":"loss","value":'$i'.0'; done
tell '"evaluation","phase":"features","iteration":8,"images":4,"metrics":{"CIDEr-D":0.5,"SPICE":null}'
finished completed
"#;
    let site = Site::with(figures).await;
    let id = site.create().await;
    let job = site.state(&id, "completed").await;
    assert_eq!((&job["newest_cider"], &job["best_cider"]), (&json!(0.5), &json!(0.5)));
    let series = site.get(&format!("/jobs/{id}/series?names=loss,CIDEr-D,SPICE&points=2")).await;
    let series = series["series"].as_array().expect("series");
    assert_eq!(series.len(), 2, "{series:?}");
    assert_eq!((&series[0]["name"], &series[1]["name"]), (&json!("CIDEr-D"), &json!("loss")));
    let numbers = |point: &Value| [0, 2, 3, 4].map(|place| point[place].as_f64().expect("a number"));
    assert_eq!(numbers(&series[1]["points"][0]), [4., 2.5, 1., 4.]);
    assert_eq!(numbers(&series[1]["points"][1]), [8., 6.5, 5., 8.]);
    let bad = site.ask(Method::GET, &format!("/jobs/{id}/series?points=0"), None).await;
    assert!(bad.problem(422, "invalid-option").contains("`points`"));
}

#[tokio::test]
async fn samples_come_by_photo_with_the_photo_and_nothing_else() {
    let samples = r#"
started 0
sample() { tell '"sample","phase":"features","iteration":'$1',"image":'$2',"file":"'$3'","caption":"A '$1'.","references":["A dog."]'; }
sample 4 7 dog.png; sample 4 8 ../secret.png; sample 8 7 dog.png
finished completed
"#;
    let site = Site::with(samples).await;
    std::fs::create_dir(site.path("photos")).expect("writable");
    std::fs::write(site.path("photos/dog.png"), png(40, 30)).expect("writable");
    std::fs::write(site.path("secret.png"), png(40, 30)).expect("writable");
    let settings = json!({"data.images": site.path("photos").display().to_string()});
    let request = json!({"recipe": "photos14k", "settings": settings, "phases": ["features"]});
    let id = site.post("/jobs", request).await.json()["id"].as_str().expect("an id").to_owned();
    site.state(&id, "completed").await;
    let samples = site.get(&format!("/jobs/{id}/samples")).await["samples"].clone();
    assert_eq!((&samples[0]["image"], &samples[0]["references"]), (&json!(7), &json!(["A dog."])));
    let caption =
        |iteration: u64| json!({"phase": "features", "iteration": iteration, "caption": format!("A {iteration}.")});
    assert_eq!(samples[0]["captions"], json!([caption(4), caption(8)]));

    let photo = async |image: &str| site.ask(Method::GET, &format!("/jobs/{id}/samples/{image}/photo"), None).await;
    let dog = photo("7").await;
    assert_eq!((dog.status.as_u16(), dog.header("content-type")), (200, "image/jpeg"));
    image::load_from_memory(&dog.body).expect("a picture");
    photo("8").await.problem(404, "not-found");
    photo("9").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_stop_that_is_not_understood_is_refused_in_our_own_words() {
    let site = Site::with(STOPPABLE).await;
    let refused = site.post("/jobs/none/stop", json!({"forc": true})).await;
    assert!(refused.problem(422, "invalid-option").contains("forc"), "{}", refused.text());
    site.ask(Method::POST, "/jobs/none/stop", None).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_forced_stop_does_not_become_a_gentle_one_for_want_of_a_type() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    site.at_work(&id).await;
    let force = json!({"force": true}).to_string();
    let chunked = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(force.clone())]));
    for body in [Body::from(force), chunked] {
        let untyped = Request::post(format!("/api/admin/jobs/{id}/stop")).header(header::COOKIE, site.cookie());
        let refused = site.app.send(untyped.body(body).expect("a request")).await;
        let detail = refused.problem(415, "unsupported-media-type");
        assert!(detail.contains("Content-Type") && detail.contains("application/json"), "{detail}");
    }
    assert_eq!(site.get(&format!("/jobs/{id}")).await["state"], "running", "nothing was asked of it");
    assert_eq!(site.ask(Method::POST, &format!("/jobs/{id}/stop"), None).await.json()["state"], "stopping");
    site.state(&id, "cancelled").await;
}

#[tokio::test]
async fn jobs_are_for_admins() {
    let site = Site::with(STOPPABLE).await;
    assert_eq!(site.app.get("/api/admin/jobs").await.status, 401);
    let key = site.store.create_key("An app").await.expect("a key").secret;
    let with_key = async |key: String| {
        let request = axum::http::Request::get("/api/admin/jobs").header("authorization", format!("Bearer {key}"));
        site.app.send(request.body(axum::body::Body::empty()).expect("a request")).await
    };
    with_key(key).await.problem(403, "forbidden");
    let admins = site.store.create_admin_key("A nightly run").await.expect("a key");
    assert_eq!(with_key(admins.secret.clone()).await.status, 200);
    assert!(site.store.revoke_key(&admins.key.id).await.expect("revokes"));
    with_key(admins.secret).await.problem(401, "unauthorized");
}
