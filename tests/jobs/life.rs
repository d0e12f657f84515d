//! The life of a job: stopped, resumed, killed, failed, found again by another server.

use super::site::{STOPPABLE, Site};
use axum::http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The place of `features`, the phase that is selected, among the recipe's.
const FEATURES: usize = 1;

/// Ends the job's process from outside.
async fn kill(site: &Site, id: &str, signal: Signal) {
    let process = site.store.job(id).await.expect("reads").expect("is there").process.expect("at work");
    let pid = process.split(' ').nth(1).and_then(|pid| Pid::from_raw(pid.parse().ok()?)).expect("a number");
    kill_process(pid, signal).expect("it is there");
}

#[tokio::test]
async fn a_job_is_stopped_resumed_and_completed() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    let job = site.at_work(&id).await;
    assert_eq!(
        (&job["state"], &job["kind"], &job["recipe"]),
        (&json!("running"), &json!("train"), &json!("photos14k"))
    );
    assert_eq!(job["actions"], json!(["stop", "force_stop", "clone"]));
    let phase = |job: &Value| job["phases"][FEATURES].clone();
    assert_eq!((&phase(&job)["state"], &phase(&job)["iterations"]), (&json!("running"), &json!(8)));
    assert_eq!(
        (&job["phases"][FEATURES + 1]["selected"], &job["phases"][FEATURES + 1]["state"]),
        (&json!(false), &json!("waiting"))
    );

    let stopped = site.post(&format!("/jobs/{id}/stop"), json!({})).await;
    assert_eq!(stopped.json()["state"], "stopping");
    let job = site.state(&id, "cancelled").await;
    assert_eq!((&phase(&job)["state"], &job["reason"]), (&json!("stopped"), &Value::Null));

    assert_eq!(site.post(&format!("/jobs/{id}/resume"), json!({})).await.status, 200);
    site.wait(&id, "at work again", |job| job["last_sequence"].as_i64() >= Some(4)).await;
    site.let_go_on(&id).await;
    let job = site.state(&id, "completed").await;
    assert_eq!((&phase(&job)["state"], &phase(&job)["iteration"]), (&json!("completed"), &json!(8)));
    assert!(job["started_at"].is_string() && job["ended_at"].is_string());
    site.has_every_event(&id).await;
}

#[tokio::test]
async fn what_a_job_cannot_do_now_is_refused_with_its_state() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    site.at_work(&id).await;
    let refused = async |action: &str| site.post(&format!("/jobs/{id}/{action}"), json!({})).await;
    assert_eq!(refused("resume").await.problem(409, "job-state"), "The job is running: it cannot be resumed now.");
    refused("retry").await.problem(409, "job-state");
    site.ask(Method::DELETE, &format!("/jobs/{id}"), None).await.problem(409, "job-state");

    // Two admins, or one on an old page.
    let (one, other) = tokio::join!(refused("stop"), refused("stop"));
    let statuses = [one.status.as_u16(), other.status.as_u16()];
    assert!(statuses == [200, 409] || statuses == [409, 200], "{statuses:?}");
    site.state(&id, "cancelled").await;
    refused("stop").await.problem(409, "job-state");

    let (one, other) = tokio::join!(refused("resume"), refused("resume"));
    assert!(one.status != other.status, "one of them was first");
    site.wait(&id, "at work again", |job| job["last_sequence"].as_i64() >= Some(4)).await;
    let forced = site.post(&format!("/jobs/{id}/stop"), json!({"force": true})).await;
    assert_eq!(forced.status, 200, "{}", forced.text());
    let job = site.state(&id, "cancelled").await;
    assert_eq!(job["phases"][FEATURES]["state"], "interrupted");
}

#[tokio::test]
async fn a_killed_process_is_noticed_and_its_job_resumed() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    site.at_work(&id).await;
    kill(&site, &id, Signal::KILL).await;
    let job = site.state(&id, "interrupted").await;
    assert_eq!((&job["reason"]["kind"], &job["phases"][FEATURES]["state"]), (&json!("killed"), &json!("interrupted")));
    assert_eq!(job["actions"], json!(["resume", "clone", "delete"]));
    site.let_go_on(&id).await;
    assert_eq!(site.post(&format!("/jobs/{id}/resume"), json!({})).await.status, 200);
    assert_eq!(site.state(&id, "completed").await["reason"], Value::Null);
    site.has_every_event(&id).await;

    let id = site.create().await;
    site.at_work(&id).await;
    kill(&site, &id, Signal::TERM).await;
    let job = site.state(&id, "interrupted").await;
    assert!(job["reason"]["text"].as_str().is_some_and(|text| text.contains("has saved")), "{job}");
}

#[tokio::test]
async fn a_process_goes_on_without_its_server_and_is_found_again() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    site.at_work(&id).await;
    let site = site.restarted().await;
    assert_eq!(site.get(&format!("/jobs/{id}")).await["state"], "running");
    site.let_go_on(&id).await;
    site.state(&id, "completed").await;
    site.has_every_event(&id).await;

    // One that is stopped by another server than the one that started it.
    let id = site.create().await;
    site.at_work(&id).await;
    let site = site.restarted().await;
    assert_eq!(site.post(&format!("/jobs/{id}/stop"), json!({})).await.status, 200);
    site.state(&id, "cancelled").await;
    site.has_every_event(&id).await;
}

#[tokio::test]
async fn what_happened_while_no_server_was_there_is_found_out() {
    let site = Site::with(STOPPABLE).await;
    let (done, killed) = (site.create().await, site.create().await);
    site.at_work(&done).await;
    site.jobs.close();
    site.let_go_on(&done).await;
    let folder = site.folder(&done).await;
    wait_for_end(&site, &done).await;
    let site = site.restarted().await;
    assert!(super::site::events(&folder).len() > 3);
    site.state(&done, "completed").await;
    site.has_every_event(&done).await;

    site.at_work(&killed).await;
    site.jobs.close();
    kill(&site, &killed, Signal::KILL).await;
    wait_for_end(&site, &killed).await;
    let site = site.restarted().await;
    let job = site.state(&killed, "interrupted").await;
    assert_eq!(job["reason"]["kind"], "server");
    site.has_every_event(&killed).await;
}

#[tokio::test]
async fn an_evaluation_tells_how_far_it_is_and_ends_without_a_server() {
    let judge = r#"
tell '"started","phase":"captions","step":"evaluation","iteration":0,"iterations":20,"per_epoch":20'
tell '"progress","phase":"captions","epoch":0,"iteration":5,"iterations":20,"per_second":4.0,"seconds_left":3.75'
while [ ! -e "$dir/go-on" ]; do sleep 0.05; done
mkdir "$dir/evaluation"
echo '{"outcomes":[]}' > "$dir/evaluation/report.json"
echo '<p>A report.</p>' > "$dir/evaluation/report.html"
echo 'The captions as they were made.' > "$dir/evaluation/captions.jsonl"
tell '"evaluation","phase":"captions","iteration":20,"images":20,"metrics":{"CIDEr-D":0.5}'
tell '"finished","phase":"captions","reason":"completed","outcome":"completed","kind":null'
"#;
    let site = Site::with(judge).await;
    std::fs::write(site.path("dataset.json"), "{}").expect("writable");
    let (dataset, images) = (site.path("dataset.json"), site.path(""));
    let answered =
        site.post("/evaluations", json!({"models": ["default"], "dataset": dataset, "images": images})).await;
    assert_eq!(answered.status, 201, "{}", answered.text());
    let id = answered.json()["id"].as_str().expect("an id").to_owned();
    let job = site.at_work(&id).await;
    let phase = &job["phases"][0];
    assert_eq!((&phase["name"], &phase["state"]), (&json!("captions"), &json!("running")));
    assert_eq!((&phase["iteration"], &phase["iterations"]), (&json!(5), &json!(20)));
    assert_eq!(job["progress"]["seconds_left"], 3.75);
    let judged = &job["judged"];
    assert_eq!(
        (&judged["models"], &judged["split"]),
        (&json!([{"name": "default", "checkpoint": null}]), &json!("val"))
    );
    assert_eq!((&judged["dataset"], &judged["limit"]), (&json!(dataset), &Value::Null));
    let folder = site.folder(&id).await;
    std::fs::create_dir_all(folder.join("models/made-for-it")).expect("writable");

    site.jobs.close();
    site.let_go_on(&id).await;
    wait_for_end(&site, &id).await;
    let site = site.restarted().await;
    let job = site.state(&id, "completed").await;
    assert_eq!((&job["newest_cider"], &job["phases"][0]["state"]), (&json!(0.5), &json!("completed")));
    assert!(!folder.join("models").exists(), "what was made for it is gone");
    site.has_every_event(&id).await;

    let report = site.get(&format!("/jobs/{id}/evaluation")).await;
    assert_eq!(report["files"], json!(["report.html", "report.json"]));
    let file = async |name: &str| site.ask(Method::GET, &format!("/jobs/{id}/evaluation/{name}"), None).await;
    let page = file("report.html").await;
    assert_eq!((page.status.as_u16(), page.text().as_str()), (200, "<p>A report.</p>\n"));
    assert_eq!(page.header("content-disposition"), "attachment; filename=\"report.html\"");
    for name in ["captions.jsonl", "..%2Fevents.jsonl", "predictions.json"] {
        file(name).await.problem(404, "not-found");
    }
}

/// Until the job's process is gone; whoever started it does not wait for it any more.
async fn wait_for_end(site: &Site, id: &str) {
    let process = site.store.job(id).await.expect("reads").expect("is there").process.expect("at work");
    wait_until_gone(process.split(' ').nth(1).expect("a number")).await;
}

async fn wait_until_gone(pid: &str) {
    let status = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    for _ in 0..6000 {
        let status = status();
        if status.is_empty() || status.contains(") Z ") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the process goes on: {}", status());
}

#[tokio::test]
async fn failures_are_told_in_words_that_help() {
    let memory = r#"started 0; finished failed '"out_of_memory"'; exit 1"#;
    let site = Site::with(memory).await;
    let id = site.create().await;
    let job = site.state(&id, "failed").await;
    assert_eq!(job["reason"]["kind"], "out_of_memory");
    assert!(job["reason"]["text"].as_str().is_some_and(|text| text.contains("features.batch_size")), "{job}");
    assert_eq!(job["actions"], json!(["retry", "clone", "delete"]));
    assert_eq!(site.post(&format!("/jobs/{id}/retry"), json!({})).await.status, 200);
    site.wait(&id, "tried again", |job| job["last_sequence"] == 3 && job["state"] == "failed").await;

    let site = Site::with("echo 'error: the dataset is not there' >&2; exit 1").await;
    let id = site.create().await;
    let job = site.state(&id, "failed").await;
    assert_eq!(job["reason"], json!({"kind": "other", "text": "the dataset is not there"}));
    let log = site.get(&format!("/jobs/{id}/log?search=DATASET")).await;
    assert_eq!(log["lines"], json!(["error: the dataset is not there"]));

    std::fs::remove_file(site.path("trainer.sh")).expect("ours");
    let id = site.create().await;
    assert_eq!(site.state(&id, "failed").await["reason"]["kind"], "start");
}

#[tokio::test]
async fn a_torn_line_and_a_number_begun_anew_lose_nothing() {
    let torn = r#"
if [ ! -e "$dir/again" ]; then
    touch "$dir/again"
    started 0
    printf '{"sequence":1,"time":1.0,"event":"met' >> "$dir/events.jsonl"
    kill -KILL $$
fi
# As the trainer does: what is torn is cut off before anything is written.
printf '%s\n' "$(head -n 1 "$dir/events.jsonl")" > "$dir/whole" && cat "$dir/whole" > "$dir/events.jsonl"
started 4
finished completed
"#;
    let site = Site::with(torn).await;
    let id = site.create().await;
    let job = site.state(&id, "interrupted").await;
    assert_eq!(job["last_sequence"], 0);
    assert_eq!(site.post(&format!("/jobs/{id}/resume"), json!({})).await.status, 200);
    let job = site.state(&id, "completed").await;
    assert_eq!(job["last_sequence"], 2);
    site.has_every_event(&id).await;
}

#[tokio::test]
async fn what_a_power_cut_took_from_the_events_hides_nothing_of_what_comes() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    site.at_work(&id).await;
    kill(&site, &id, Signal::KILL).await;
    site.state(&id, "interrupted").await;
    let path = site.folder(&id).await.join("events.jsonl");
    let text = std::fs::read_to_string(&path).expect("there are events");
    assert_eq!(text.lines().count(), 2);
    let first = text.find('\n').expect("a whole line") + 1;
    std::fs::write(&path, &text[..first]).expect("writable");
    site.let_go_on(&id).await;
    assert_eq!(site.post(&format!("/jobs/{id}/resume"), json!({})).await.status, 200);
    let job = site.state(&id, "completed").await;
    assert_eq!(job["phases"][FEATURES]["iteration"], 8);
    assert_eq!(job["last_sequence"], 5, "two from before, and the four that came");
}

#[tokio::test]
async fn what_a_killed_server_left_is_cleared_away() {
    let site = Site::with("started 0; finished completed").await;
    let id = site.create().await;
    site.state(&id, "completed").await;
    let folder = site.folder(&id).await;
    let deleted = site.path("runs/.deleted-01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e");
    let left = [site.path("runs/.check-1"), deleted, folder.join(".download-1")];
    let others = site.path("runs/.deleted-by-hand");
    std::fs::create_dir(&others).expect("writable");
    left.iter().for_each(|left| std::fs::create_dir_all(left.join("model")).expect("writable"));
    let site = site.restarted().await;
    assert!(left.iter().all(|left| !left.exists()));
    assert!(others.exists(), "somebody else's");
    site.has_every_event(&id).await;
}

#[tokio::test]
async fn a_check_ends_with_its_request() {
    let site =
        Site::with(r#"echo $$ > "$dir/../../new" && mv "$dir/../../new" "$dir/../../checking"; sleep 1000"#).await;
    let asked = site.post("/jobs/check", json!({"recipe": "photos14k", "phases": ["features"], "measure": true}));
    let at_work = async {
        loop {
            match std::fs::read_to_string(site.path("checking")) {
                Ok(pid) => break pid,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    };
    let pid = tokio::select! {
        pid = at_work => pid,
        answered = asked => panic!("the check has ended: {}", answered.text()),
    };
    wait_until_gone(pid.trim()).await;
}

#[tokio::test]
async fn a_deleted_job_is_gone_and_its_files_only_if_that_is_wished() {
    let site = Site::with("started 0; finished completed").await;
    for files in [false, true] {
        let id = site.create().await;
        site.state(&id, "completed").await;
        let folder = site.folder(&id).await;
        let deleted = site.ask(Method::DELETE, &format!("/jobs/{id}?files={files}"), None).await;
        assert_eq!(deleted.status, 204, "{}", deleted.text());
        assert_eq!(folder.exists(), !files);
        site.ask(Method::GET, &format!("/jobs/{id}"), None).await.problem(404, "not-found");
    }
    assert_eq!(site.get("/jobs").await["jobs"], json!([]));
}
