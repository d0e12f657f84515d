//! One job at a time on a device, in the order in which they came.

use super::site::{STOPPABLE, Site};
use serde_json::{Value, json};

#[tokio::test]
async fn jobs_of_one_device_wait_for_their_turn() {
    let site = Site::with(STOPPABLE).await;
    let (first, second, third) = (site.create().await, site.create().await, site.create().await);
    site.at_work(&first).await;
    let waiting = |job: &Value| (job["state"].clone(), job["queue_position"].clone());
    let job = async |id: &str| site.get(&format!("/jobs/{id}")).await;
    assert_eq!(waiting(&job(&second).await), (json!("queued"), json!(1)));
    assert_eq!(waiting(&job(&third).await), (json!("queued"), json!(2)));
    let queued = site.get("/jobs?state=queued").await;
    assert_eq!(queued["jobs"].as_array().map(Vec::len), Some(2));

    // The last one first, and then the other before it again.
    for (id, other) in [(&third, &second), (&second, &third)] {
        let first = site.post(&format!("/jobs/{id}/next"), json!({})).await;
        assert_eq!(waiting(&first.json()), (json!("queued"), json!(1)));
        assert_eq!(waiting(&job(other).await), (json!("queued"), json!(2)));
    }
    site.post(&format!("/jobs/{first}/next"), json!({})).await.problem(409, "job-state");

    // Out of the queue and in again: behind the others.
    let stopped = site.post(&format!("/jobs/{second}/stop"), json!({})).await;
    assert_eq!(waiting(&stopped.json()), (json!("cancelled"), Value::Null));
    let resumed = site.post(&format!("/jobs/{second}/resume"), json!({})).await;
    assert_eq!(waiting(&resumed.json()), (json!("queued"), json!(2)));

    site.let_go_on(&first).await;
    site.state(&first, "completed").await;
    site.at_work(&third).await;
    assert_eq!(waiting(&job(&second).await), (json!("queued"), json!(1)));
    site.let_go_on(&third).await;
    site.at_work(&second).await;
}

#[tokio::test]
async fn as_many_run_at_once_as_the_settings_say_and_devices_do_not_wait_for_each_other() {
    let site = Site::changed(STOPPABLE, |config| config.training.jobs_at_once = 2).await;
    let jobs = [site.create().await, site.create().await, site.create().await];
    site.at_work(&jobs[0]).await;
    site.at_work(&jobs[1]).await;
    assert_eq!(site.get(&format!("/jobs/{}", jobs[2])).await["state"], "queued");
    let request = json!({"recipe": "photos14k", "phases": ["features"], "device": "cuda"});
    let on_gpu = site.post("/jobs", request).await.json();
    site.at_work(on_gpu["id"].as_str().expect("an id")).await;
}

#[tokio::test]
async fn a_job_that_is_not_to_start_waits_to_be_resumed() {
    let site = Site::with("started 0; finished completed").await;
    let request = json!({"recipe": "photos14k", "phases": ["features"], "start": false});
    let job = site.post("/jobs", request).await.json();
    assert_eq!((&job["state"], &job["actions"][0]), (&json!("cancelled"), &json!("resume")));
    assert_eq!(job["name"], "photos14k");
    let id = job["id"].as_str().expect("an id");
    assert_eq!(site.post(&format!("/jobs/{id}/resume"), json!({})).await.status, 200);
    site.state(id, "completed").await;
}
