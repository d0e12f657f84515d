//! Events as they come: each once, in order, from any place on, over a change of the server.

use super::site::{STOPPABLE, Site};
use super::support::web::Answered;
use axum::body::Body;
use axum::http::{Request, header};
use expansionnet::store::SessionRole;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

/// A stream that is read a frame at a time.
struct Stream {
    body: Body,
    text: String,
}

/// An event of a stream.
#[derive(Debug)]
struct Told {
    id: Option<i64>,
    event: String,
    data: Value,
}

impl Stream {
    async fn open(site: &Site, id: &str, cookie: &str, last: Option<i64>) -> Stream {
        let mut request = Request::get(format!("/api/admin/jobs/{id}/events"))
            .header(header::COOKIE, cookie)
            .header(header::ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = site.app.router.clone().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { body: response.into_body(), text: String::new() }
    }

    /// The next event; none at the stream's end.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let told = read(event);
                self.text = rest.to_owned();
                return Some(told);
            }
            let frame = tokio::time::timeout(Duration::from_secs(60), self.body.frame()).await.expect("in time")?;
            let data = frame.expect("a frame").into_data().expect("data");
            self.text.push_str(std::str::from_utf8(&data).expect("UTF-8"));
        }
    }

    /// The ids of all events until the job is in this state.
    async fn until(&mut self, state: &str) -> Vec<i64> {
        let mut ids = Vec::new();
        while let Some(told) = self.next().await {
            ids.extend(told.id);
            if told.event == "state" && told.data["state"] == state {
                return ids;
            }
        }
        panic!("the stream ended after {ids:?}");
    }
}

fn read(event: &str) -> Told {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Told {
        id: field("id:").map(|id| id.parse().expect("a number")),
        event: field("event:").expect("a name").to_owned(),
        data: serde_json::from_str(field("data:").expect("data")).expect("JSON"),
    }
}

#[tokio::test]
async fn events_are_streamed_once_and_from_any_place_on() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    site.at_work(&id).await;
    let cookie = site.cookie();
    let mut stream = Stream::open(&site, &id, &cookie, None).await;
    let first = stream.next().await.expect("an event");
    assert_eq!((first.id, first.event.as_str(), &first.data["step"]), (Some(0), "started", &json!("features")));
    site.let_go_on(&id).await;
    let rest = stream.until("completed").await;
    assert_eq!(rest, [1, 2, 3]);

    let mut again = Stream::open(&site, &id, &cookie, Some(1)).await;
    assert_eq!(again.until("completed").await, [2, 3]);

    // A client comes back to another server.
    let site = site.restarted().await;
    let mut again = Stream::open(&site, &id, &site.cookie(), Some(2)).await;
    assert_eq!(again.until("completed").await, [3]);
    site.jobs.close();
    assert!(again.next().await.is_none(), "a server that ends lets its streams end");
}

#[tokio::test]
async fn a_stream_ends_with_the_session_of_who_reads_it() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    site.at_work(&id).await;
    let session = site.store.start_session(&SessionRole::Admin, 1).await.expect("a session");
    let mut stream = Stream::open(&site, &id, &format!("expansionnet_session={session}"), None).await;
    assert_eq!(stream.next().await.expect("an event").event, "started");
    site.store.end_session(&session).await.expect("ends");
    site.let_go_on(&id).await;
    site.state(&id, "completed").await;
    while let Some(told) = stream.next().await {
        assert_ne!(told.event, "finished", "whoever has signed out is told nothing more");
    }
}

#[tokio::test]
async fn a_page_of_events_can_be_searched() {
    let site = Site::with(STOPPABLE).await;
    let id = site.create().await;
    site.let_go_on(&id).await;
    site.state(&id, "completed").await;
    let names = async |query: &str| -> Vec<String> {
        let page = site.get(&format!("/jobs/{id}/events?{query}")).await;
        let events = page["events"].as_array().expect("events");
        events.iter().map(|event| event["event"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names("").await, ["started", "metric", "progress", "finished"]);
    assert_eq!(names("kind=metric,finished").await, ["metric", "finished"]);
    assert_eq!(names("search=LOSS").await, ["metric"]);
    assert_eq!(names("after=1&limit=1").await, ["progress"]);
    assert_eq!(names("newest=true&limit=2").await, ["progress", "finished"]);
    let bad: Answered = site.ask(axum::http::Method::GET, &format!("/jobs/{id}/events?limit=0"), None).await;
    bad.problem(422, "invalid-option");
}
