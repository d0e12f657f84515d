//! Jobs in the store: their states under two admins, their events and figures.

use super::*;
use crate::store::fixtures;
use tempfile::TempDir;

async fn job() -> (Store, TempDir, StoredJob) {
    let (store, directory) = fixtures::store().await;
    let job = store.create_job(&new()).await.expect("kept");
    (store, directory, job)
}

fn new() -> NewJob {
    let id = new_job_id();
    let phases = vec![PhaseStatus::waiting("xe", "cross-entropy", true)];
    NewJob {
        folder: format!("/runs/{id}"),
        id,
        name: "a run".to_owned(),
        device: "cpu".to_owned(),
        recipe: "photos14k".to_owned(),
        cloned_from: None,
        work: Work::Train { phases: vec!["xe".to_owned()] },
        status: JobStatus { phases, ..JobStatus::default() },
        start: true,
    }
}

fn lines(texts: &[String]) -> Recorded {
    let lines = texts.iter().map(|text| EventLine::read(text).expect("an event")).collect();
    Recorded { lines, bytes: texts.iter().map(|text| text.len() as u64 + 1).sum() }
}

fn started(sequence: u64, iteration: u64) -> String {
    format!(
        r#"{{"sequence":{sequence},"time":1.5,"event":"started","phase":"xe","step":"cross-entropy","iteration":{iteration},"iterations":100,"per_epoch":10}}"#
    )
}

fn loss(sequence: u64, iteration: u64, value: f64) -> String {
    format!(
        r#"{{"sequence":{sequence},"time":{iteration}.25,"event":"metric","phase":"xe","iteration":{iteration},"name":"loss","value":{value:?}}}"#
    )
}

#[tokio::test]
async fn a_job_comes_back_as_it_was_kept() {
    let (store, _directory, job) = job().await;
    assert_eq!((job.state, job.last_sequence, job.events_offset), (JobState::Queued, -1, 0));
    assert_eq!(store.job(&job.id).await.expect("reads"), Some(job.clone()));
    assert_eq!(store.jobs(&[JobState::Running]).await.expect("reads"), []);
    assert_eq!(store.jobs(&[]).await.expect("reads"), std::slice::from_ref(&job));
    assert_eq!(store.queued_jobs().await.expect("reads"), [job]);
}

#[tokio::test]
async fn of_two_who_act_at_once_one_is_first() {
    let (store, _directory, job) = job().await;
    let nothing = Change::default();
    let start = || store.move_job(&job.id, &[JobState::Queued], JobState::Running, &nothing);
    let (one, other) = tokio::join!(start(), start());
    assert!(one.expect("writes") ^ other.expect("writes"));
    let stop = store.move_job(&job.id, &[JobState::Running], JobState::Stopping, &nothing);
    assert!(stop.await.expect("writes"));
    let stopping = store.job(&job.id).await.expect("reads").expect("is there");
    assert!(stopping.stop_asked && stopping.started_at.is_some() && stopping.ended_at.is_none());
    assert!(!store.delete_job(&job.id, &[JobState::Completed]).await.expect("writes"));
}

#[tokio::test]
async fn events_are_recorded_once_with_the_figures_in_them() {
    let (store, _directory, mut job) = job().await;
    let stale = job.clone();
    let batch = lines(&[started(0, 0), loss(1, 1, 3.5), loss(2, 2, 2.5)]);
    assert!(store.record_job(&mut job, &batch).await.expect("records"));
    let again = store.record_job(&mut stale.clone(), &batch).await;
    assert!(!again.expect("reads"), "the same lines are not taken in twice");
    assert_eq!(store.job(&job.id).await.expect("reads").as_ref(), Some(&job));
    assert_eq!((job.last_sequence, job.status.phases[0].iterations), (2, 100));
    let all = EventFilter { after: -1, limit: 10, ..EventFilter::default() };
    let events = store.job_events(&job.id, &all).await.expect("reads");
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [0, 1, 2]);
    let some = EventFilter { after: 0, limit: 1, search: "LOSS".to_owned(), newest: true, ..all };
    assert_eq!(store.job_events(&job.id, &some).await.expect("reads")[0].sequence, 2);
    assert_eq!(store.job_events_of_note(&job.id, "started").await.expect("reads").len(), 1);
}

#[tokio::test]
async fn a_resumed_phase_takes_the_place_of_what_was_lost() {
    let (store, _directory, mut job) = job().await;
    let first: Vec<String> = (0..5).map(|n| loss(n + 1, n + 1, 9.)).collect();
    let first = [vec![started(0, 0)], first].concat();
    store.record_job(&mut job, &lines(&first)).await.expect("records");
    // The end of the file was lost, so that it counts anew; the phase goes on from iteration 3.
    store.record_job(&mut job, &lines(&[started(0, 3), loss(1, 4, 1.), loss(2, 5, 1.)])).await.expect("records");
    assert_eq!(job.last_sequence, 8);
    let query = SeriesQuery { names: vec!["loss".to_owned()], points: 100, after_iteration: None };
    let series = store.job_series(&job.id, &query).await.expect("reads");
    let values: Vec<(i64, f64)> = series[0].points.iter().map(|point| (point.0, point.2)).collect();
    assert_eq!(values, [(1, 9.), (2, 9.), (3, 9.), (4, 1.), (5, 1.)]);
}

#[tokio::test]
async fn many_points_come_as_few_buckets_with_their_extremes() {
    let (store, _directory, job) = job().await;
    let point = |iteration: u64| Point {
        phase: "xe".to_owned(),
        name: "loss".to_owned(),
        iteration,
        time: iteration as f64,
        value: iteration as f64,
    };
    store.add_job_points(&job.id, &(1..=6).map(point).collect::<Vec<_>>()).await.expect("writes");
    store.add_job_points(&job.id, &(7..=9).map(point).collect::<Vec<_>>()).await.expect("writes");
    let query = |points, after_iteration| SeriesQuery { names: Vec::new(), points, after_iteration };
    let all = store.job_series(&job.id, &query(3, None)).await.expect("reads");
    assert_eq!(all[0].points, [(3, 3., 2., 1., 3.), (6, 6., 5., 4., 6.), (9, 9., 8., 7., 9.)]);
    let later = store.job_series(&job.id, &query(3, Some(7))).await.expect("reads");
    assert_eq!(later[0].points, [(8, 8., 8., 8., 8.), (9, 9., 9., 9., 9.)]);
    store.add_job_points(&job.id, &[Point { value: 7.5, ..point(10) }]).await.expect("writes");
    let figures = store.job_figures(&job.id).await.expect("reads");
    let loss = FigureRange { newest: 7.5, least: 1., most: 9. };
    assert_eq!(figures[&("xe".to_owned(), "loss".to_owned())], loss);
}

#[tokio::test]
async fn an_earlier_place_is_taken_up_unless_somebody_has_recorded() {
    let (store, _directory, mut job) = job().await;
    let batch = lines(&[started(0, 0), loss(1, 1, 3.5)]);
    store.record_job(&mut job, &batch).await.expect("records");
    let mut stale = job.clone();
    assert!(store.take_up_job(&mut job, 5).await.expect("writes"));
    assert_eq!((job.events_offset, job.last_sequence), (5, 1));
    assert_eq!(store.job(&job.id).await.expect("reads").as_ref(), Some(&job));
    assert!(!store.take_up_job(&mut stale, 0).await.expect("writes"));
    assert_eq!(stale.events_offset, batch.bytes);
}

#[tokio::test]
async fn what_is_deleted_is_out_of_reach_at_once() {
    let (store, _directory, job) = job().await;
    assert!(store.delete_job(&job.id, &[JobState::Queued]).await.expect("writes"));
    assert_eq!(store.job(&job.id).await.expect("reads"), None);
    assert_eq!(store.jobs(&[]).await.expect("reads"), []);
    assert_eq!(store.queued_jobs().await.expect("reads"), []);
    let from = [JobState::Queued, JobState::Cancelled, JobState::Failed, JobState::Interrupted];
    let nothing = Change::default();
    assert!(!store.move_job(&job.id, &from, JobState::Queued, &nothing).await.expect("writes"));
    let any = [JobState::Queued, JobState::Completed];
    assert!(!store.delete_job(&job.id, &any).await.expect("writes"), "once is enough");
}

#[tokio::test]
async fn what_is_deleted_takes_its_events_along() {
    let (store, _directory, mut job) = job().await;
    let told: Vec<String> = (1..=4500).map(|n| loss(n, n, 3.5)).collect();
    store.record_job(&mut job, &lines(&told)).await.expect("records");
    let mut other = store.create_job(&new()).await.expect("kept");
    store.record_job(&mut other, &lines(&[started(0, 0), loss(1, 1, 3.5)])).await.expect("records");
    assert!(store.delete_job(&job.id, &[JobState::Queued]).await.expect("writes"));
    store.remove_deleted_jobs().await.expect("writes");
    assert_eq!(fixtures::rows(&store, "jobs").await, 1);
    assert_eq!(fixtures::rows(&store, "job_events").await, 2);
    assert_eq!(fixtures::rows(&store, "job_points").await, 1);
    assert!(!store.record_job(&mut job, &Recorded::default()).await.expect("writes"), "the job is gone");
}
