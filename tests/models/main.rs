//! Models are put into service while the server runs: through the router, with models that say who they are.

mod house;
mod signing;
#[path = "../support/mod.rs"]
mod support;

use axum::http::{Request, StatusCode, header};
use expansionnet::captioning::{ActivateError, ModelState};
use futures_util::FutureExt;
use house::{House, Server, assert_signed, write_model};
use serde_json::{Value, json};
use std::sync::Arc;
use support::web::{Part, png};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_while_models_change_are_neither_lost_nor_mixed() {
    const WAVES: u32 = 10;
    const REQUESTS: u32 = 20;
    let house = House::new();
    let server = Arc::new(house.start().await);
    let mut requests = Vec::new();
    for wave in 0..WAVES {
        for width in (1..=REQUESTS).map(|request| wave * REQUESTS + request) {
            let server = Arc::clone(&server);
            let asked = tokio::spawn(async move { server.caption(width).await });
            requests.push((width, asked));
        }
        let id = ["two", "one"][wave as usize % 2];
        let changed = server.activate(&[id]).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
        assert_eq!((&changed.json()["active"]["id"], server.loaded().await.as_str()), (&json!(id), id));
    }
    assert_eq!(requests.len(), 200);
    for (width, asked) in requests {
        assert_signed(&asked.await.expect("an answer"), width);
    }
}

#[tokio::test]
async fn a_request_ends_with_the_model_that_it_began_with() {
    let (house, keeper) = House::gated();
    let server = house.start().await;
    server.activate(&["held"]).await;
    let held = server.app.models.active();
    let ended = held.ended();
    drop(held);
    let mut begun = Box::pin(server.caption(7));
    let keeper = tokio::select! {
        answer = &mut begun => panic!("nobody let it through: {answer}"),
        keeper = keeper.until_entered() => keeper,
    };
    assert_eq!(server.activate(&["two"]).await.status, StatusCode::OK);
    assert_eq!(server.caption(8).await["model"]["id"], "two");
    keeper.let_through();
    let answer = begun.await;
    assert_eq!(answer["model"]["id"], "held");
    assert_signed(&answer, 7);
    // Nobody holds the old model any more: its thread ends without anybody waiting for it.
    ended.await;
}

#[tokio::test]
async fn the_end_of_a_model_that_was_replaced_is_no_failure_of_the_server() {
    let house = House::new();
    let server = house.start().await;
    let models = server.app.models.clone();
    let mut failed = Box::pin(models.failed());
    for round in 0..20 {
        assert!((&mut failed).now_or_never().is_none());
        let ended = models.active().ended();
        server.activate(&[["two", "one"][round % 2]]).await;
        ended.await;
        // The change and the old model's end are there to be seen at once.
        assert!((&mut failed).now_or_never().is_none(), "after change {round}");
    }
}

#[tokio::test]
async fn a_model_that_does_not_load_changes_nothing() {
    let house = House::new();
    let server = house.start().await;
    std::fs::write(house.folder("fickle").join("cursed"), "").expect("writes");
    let refused = server.activate(&["fickle"]).await;
    assert_eq!(refused.problem(422, "model-unusable"), "Model.safetensors: the weights are cursed.");
    assert_eq!(server.loaded().await, "one");
    assert_signed(&server.caption(3).await, 3);
    let folders = server.folders().await;
    assert_eq!(
        folders["failed"],
        json!({ "models": ["fickle"], "reason": "model.safetensors: the weights are cursed" })
    );
    assert_eq!((&folders["active"]["id"], &folders["loading"]), (&json!("one"), &json!([])));
    assert!(server.page().await.contains("fickle was not put into service"));
    // The next wish clears it.
    assert_eq!(server.activate(&["two"]).await.status, StatusCode::OK);
    assert_eq!(server.folders().await["failed"], Value::Null);
}

#[tokio::test]
async fn one_model_is_loaded_at_a_time_and_the_present_one_serves_meanwhile() {
    let (house, keeper) = House::gated();
    let server = house.start().await;
    let mut slow = Box::pin(server.activate(&["slow"]));
    let keeper = tokio::select! {
        answered = &mut slow => panic!("nobody let it through: {}", answered.text()),
        keeper = keeper.until_entered() => keeper,
    };
    server.activate(&["two"]).await.problem(409, "activation-in-progress");
    let folders = server.folders().await;
    assert_eq!((&folders["active"]["id"], &folders["loading"]), (&json!("one"), &json!(["slow"])));
    let page = server.page().await;
    assert!(page.contains("Loading slow") && page.contains("http-equiv=\"refresh\""), "{page}");
    assert_signed(&server.caption(3).await, 3);
    // Whoever asked may leave: it goes on.
    drop(slow);
    keeper.let_through();
    wait_until_loaded(&server, "slow").await;
    assert_eq!(server.caption(4).await["model"]["id"], "slow");
    assert!(!server.page().await.contains("http-equiv"));
}

/// Waits for the end of an activation that nobody waits for.
async fn wait_until_loaded(server: &Server, id: &str) {
    while server.folders().await["loading"] != json!([]) {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.loaded().await, id);
}

#[tokio::test]
async fn several_models_are_one_ensemble() {
    let house = House::new();
    let server = house.start().await;
    let active = server.activate(&["two", "three"]).await.json();
    assert_eq!(active["active"]["id"], "two+three");
    assert_eq!(active["active"]["members"], json!(["two", "three"]));
    let answer = server.caption(3).await;
    assert_eq!(answer["caption"], "two+three saw 3.");
    let folders = server.folders().await;
    let states: Vec<_> = folders["models"].as_array().expect("models").iter().map(|model| &model["state"]).collect();
    // fickle, held, one, slow, three, two
    assert_eq!(states, ["on_disk", "on_disk", "on_disk", "on_disk", "active", "active"]);
}

#[tokio::test]
async fn selections_that_make_no_sense_are_refused() {
    let house = House::new();
    let server = house.start().await;
    for ids in [&[][..], &["two", "two"], &["one", "two", "three", "slow", "held", "fickle", "a", "b", "c"]] {
        let detail = server.activate(ids).await.problem(422, "invalid-option");
        assert_eq!(detail, "Name from 1 to 8 different models.");
    }
    let request = || Request::post("/api/admin/models/activate").header(header::CONTENT_TYPE, "application/json");
    server.as_admin(request(), "{}").await.problem(422, "invalid-option");
    server.as_admin(request(), "{").await.problem(400, "malformed-request");
    assert_eq!(server.loaded().await, "one");
}

#[tokio::test]
async fn ids_lead_nowhere_but_to_the_models() {
    let house = House::new();
    write_model(&house.root.path().join("outside"));
    write_model(&house.root.path().join("models/one/inner"));
    let server = house.start().await;
    let outside = house.root.path().join("outside").display().to_string();
    for id in
        ["../outside", "one/inner", "one/../../outside", "./two", "two/", "..", ".", "", "none", &outside, "two\0"]
    {
        let detail = server.activate(&[id]).await.problem(422, "model-unusable");
        assert_eq!(detail, format!("There is no model `{id}`."));
    }
    assert_eq!(server.loaded().await, "one");
}

#[tokio::test]
async fn the_choice_holds_after_a_restart() {
    let house = House::new();
    let server = house.start().await;
    server.activate(&["two", "three"]).await;
    let server = house.start_in(server.stop(), house.config()).await;
    assert_eq!(server.loaded().await, "two+three");
    // Other settings count more than the choice made under the former ones.
    let mut config = house.config();
    config.model.path = house.folder("three");
    assert_eq!(house.start_in(server.stop(), config).await.loaded().await, "three");
}

#[tokio::test]
async fn what_a_killed_server_left_of_a_deleted_model_goes_at_the_next_start() {
    let house = House::new();
    let left = house.folder(".deleted-01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e");
    let others = [".deleted-by-hand", ".model-half"].map(|name| house.folder(name));
    write_model(&left);
    others.iter().for_each(|folder| write_model(folder));
    let server = house.start().await;
    assert!(!left.exists() && others.iter().all(|folder| folder.exists()));
    assert_eq!(server.folders().await["models"].as_array().map(Vec::len), Some(6), "as before");
}

#[tokio::test]
async fn a_choice_that_cannot_be_loaded_any_more_gives_way_to_the_settings() {
    let house = House::new();
    let server = house.start().await;
    server.activate(&["two"]).await;
    std::fs::remove_dir_all(house.folder("two")).expect("removable");
    let server = house.start_in(server.stop(), house.config()).await;
    assert_eq!(server.loaded().await, "one", "the folder is gone");
    server.activate(&["fickle"]).await;
    std::fs::write(house.folder("fickle").join("cursed"), "").expect("writes");
    let server = house.start_in(server.stop(), house.config()).await;
    assert_eq!(server.loaded().await, "one", "it does not load any more");
    server.activate(&["three"]).await;
    std::fs::write(house.folder("three").join("enormous"), "").expect("writes");
    let server = house.start_in(server.stop(), house.config()).await;
    assert_eq!(server.loaded().await, "one", "nor does what is too large, in a panic");
}

#[tokio::test]
async fn an_ensemble_of_the_settings_is_loaded_at_the_start() {
    let house = House::new();
    let mut config = house.config();
    config.model.ensemble = vec![house.folder("two")];
    let server = house.start_in(tempfile::tempdir().expect("a temporary folder"), config).await;
    assert_eq!(server.loaded().await, "one+two");
}

#[tokio::test]
async fn a_request_may_ask_for_the_model_in_service_and_no_other() {
    let house = House::new();
    let server = house.start().await;
    let (app, photo) = (&server.app, png(5, 5));
    let by_query = app.post("/api/caption?model=one", "image/png", photo.clone()).await;
    let by_form = app.form("/api/caption", &[Part::Image("a.png", &photo), Part::Text("model", "one")]).await;
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &photo);
    let by_json = json!({ "image": base64, "model": "one" }).to_string();
    let by_json = app.post("/api/caption", "application/json", by_json).await;
    for answered in [by_query, by_form, by_json] {
        assert_eq!(answered.json()["model"]["id"], "one", "{}", answered.text());
    }
    let other = app.post("/api/caption?model=two", "image/png", photo.clone()).await;
    assert_eq!(other.problem(422, "model-not-loaded"), "The model `two` is not loaded; `one` is.");
    server.activate(&["two"]).await;
    let other = app.post("/api/caption?model=two", "image/png", photo.clone()).await;
    assert_eq!(other.json()["model"]["id"], "two");
    app.post("/api/caption?model=one", "image/png", photo).await.problem(422, "model-not-loaded");
}

#[tokio::test]
async fn broken_folders_are_listed_with_the_reason_and_without_a_path() {
    let house = House::new();
    std::fs::write(house.folder("two").join("model.safetensors"), b"\x02\0\0\0\0\0\0\0{").expect("writes");
    std::fs::write(house.folder("three").join("config.json"), "{").expect("writes");
    std::fs::remove_file(house.folder("held").join("vocab.json")).expect("removable");
    let server = house.start().await;
    let folders = server.folders().await;
    let reason = |id: &str| {
        let model = folders["models"].as_array().expect("models").iter().find(|model| model["id"] == id);
        let model = model.expect("it is listed");
        assert_eq!((&model["state"], &model["bytes"]), (&json!("broken"), &json!(0)), "{model}");
        model["reason"].as_str().expect("a reason").to_owned()
    };
    assert_eq!(reason("two"), "model.safetensors: this is no safetensors file");
    assert!(reason("three").starts_with("config.json: "), "{}", reason("three"));
    assert!(reason("held").starts_with("held is no model folder: it has no vocab.json"), "{}", reason("held"));
    let root = house.root.path().display().to_string();
    assert!(!folders.to_string().contains(&root));
    let page = server.page().await;
    assert!(page.contains("Cannot be used: model.safetensors: this is no safetensors file"), "{page}");
    assert!(!page.contains(&root));
}

#[tokio::test]
async fn admins_choose_on_a_page_without_scripts() {
    let house = House::new();
    let server = house.start().await;
    let choose = async |fields: &'static str| {
        let form = Request::post("/admin/models");
        let form = form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        server.as_admin(form, fields).await
    };
    let answered = choose("models=one&only=two").await;
    assert_eq!((answered.status, answered.header("location")), (StatusCode::SEE_OTHER, "/admin/models"));
    wait_until_loaded(&server, "two").await;
    assert!(server.page().await.contains("In service: <strong>two</strong>"));
    choose("models=one&models=three").await;
    wait_until_loaded(&server, "one+three").await;
    assert_eq!(choose("").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn models_are_for_admins_to_change() {
    let house = House::new();
    let server = house.start().await;
    server.app.get("/api/admin/models").await.problem(401, "unauthorized");
    let body = json!({ "models": ["two"] }).to_string();
    let refused = server.app.post("/api/admin/models/activate", "application/json", body).await;
    refused.problem(401, "unauthorized");
    assert_eq!(server.loaded().await, "one");
}

#[tokio::test]
async fn states_and_errors_are_values_too() {
    let house = House::new();
    let server = house.start().await;
    let models = &server.app.models;
    let unknown = models.activate(&["none".to_owned()]).await;
    assert!(matches!(unknown, Err(ActivateError::Unknown(id)) if id == "none"));
    let listed = models.list().await;
    let one = listed.iter().find(|model| model.id == "one").expect("listed");
    assert_eq!((one.state, one.bytes), (ModelState::Active, 10));
}
