//! `/api/admin/jobs/{id}/events`: what a job tells, live or a page at a time.
//!
//! A stream reads the store, never the process: it goes on after any event that a client names, over reloads,
//! reconnects and restarts of the server, and a client that is slow is behind and costs nothing.

use super::{find, view};
use crate::store::{EventFilter, SessionRole, StoreError, StoredEvent};
use crate::training::Jobs;
use crate::training::view::Job;
use crate::web::AppState;
use crate::web::auth::Credentials;
use crate::web::problem::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;

/// Events read from the store at once.
const AT_ONCE: u32 = 500;
/// The most events of one page.
const MOST: u32 = 5000;
/// Proxies close connections on which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct EventsQuery {
    /// Those after this sequence; all by default.
    after: Option<i64>,
    /// Of a page: how many, at most 5000 (200).
    limit: Option<u32>,
    /// Of a page: text that the event must hold.
    search: Option<String>,
    /// Of a page: names of events, with commas between them.
    kind: Option<String>,
    /// Of a page: the last events instead of the first, in their order all the same.
    #[serde(default)]
    newest: bool,
}

/// Some events.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "this is read by the macro that describes it, and by nobody else")]
pub(in crate::web) struct EventPage {
    /// In their order, as the trainer wrote them.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// Of the job's newest event; -1: none.
    last_sequence: i64,
}

/// `GET /api/admin/jobs/{id}/events`
#[utoipa::path(
    get,
    path = "/api/admin/jobs/{id}/events",
    operation_id = "job_events",
    tag = "training",
    summary = "What a job tells",
    description = "With `Accept: text/event-stream`, events as they come: `id` is the sequence, `event` the name, \
        `data` the event. `Last-Event-ID` (or `after`) says where to go on. A `state` event without an id has the \
        job whenever it has changed. Otherwise a page.",
    params(("id" = String, Path, description = "The job's id"), EventsQuery),
    responses((status = 200, description = "Events", content(
        (EventPage = "application/json"), (String = "text/event-stream"),
    ))),
)]
pub(in crate::web) async fn events(
    State(state): State<AppState>,
    Path(id): Path<String>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let job = find(&state, &id).await?;
    let header = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    if !header("accept").is_some_and(|accept| accept.contains("text/event-stream")) {
        return page(&state, &id, query, job.last_sequence).await;
    }
    let last = header("last-event-id").and_then(|id| id.parse().ok());
    let feed = Feed::new(state, id, last.or(query.after).unwrap_or(-1), Credentials::of(&headers));
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Proxies that gather answers would hold events back.
    Ok(([(header::CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")], stream).into_response())
}

const X_ACCEL_BUFFERING: header::HeaderName = header::HeaderName::from_static("x-accel-buffering");

async fn page(state: &AppState, id: &str, query: EventsQuery, last_sequence: i64) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(200);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::invalid_option(format!("`limit` must be from 1 to {MOST}, not {limit}")));
    }
    let kinds = query.kind.unwrap_or_default();
    let kinds = kinds.split(',').map(str::trim).filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
    let search = query.search.unwrap_or_default();
    let filter = EventFilter { after: query.after.unwrap_or(-1), kinds, search, limit, newest: query.newest };
    let events = state.store.job_events(id, &filter).await?;
    // An `EventPage`, of lines as they were written: numbers keep every digit.
    let lines: Vec<String> = events.iter().map(numbered).collect();
    let json = format!("{{\"events\":[{}],\"last_sequence\":{last_sequence}}}", lines.join(","));
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// The event's line, with its place among those of the job: a file whose end was lost counts on from there.
fn numbered(event: &StoredEvent) -> String {
    match serde_json::from_str::<Value>(&event.line) {
        Ok(mut line) if line["sequence"] != event.sequence => {
            line["sequence"] = event.sequence.into();
            line.to_string()
        }
        _ => event.line.clone(),
    }
}

/// One client's place in a job's events.
struct Feed {
    state: AppState,
    jobs: Jobs,
    id: String,
    after: i64,
    /// By which whoever reads came in.
    credentials: Credentials,
    /// The job as it was told last.
    told: Option<Job>,
    ready: VecDeque<Event>,
    changes: watch::Receiver<u64>,
}

impl Feed {
    fn new(state: AppState, id: String, after: i64, credentials: Credentials) -> Feed {
        let jobs = state.jobs.clone();
        let changes = jobs.changes();
        Feed { state, jobs, id, after, credentials, told: None, ready: VecDeque::new(), changes }
    }

    /// The next event; `None` when the job is gone, whoever reads is signed out, or the server ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            // Before the store is read: what changes from here on wakes this again.
            self.changes.mark_unchanged();
            match self.fill().await {
                Ok(true) => (),
                Ok(false) => return None,
                Err(error) => {
                    // The client comes back by itself, and names its last event.
                    tracing::error!(%error, job = self.id, "a stream of events breaks off");
                    return None;
                }
            }
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = self.jobs.closed() => return None,
            }
        }
    }

    /// Whether whoever reads may still do so: people sign out, and keys are revoked.
    async fn is_let_in(&self) -> Result<bool, StoreError> {
        let store = &self.state.store;
        Ok(match &self.credentials {
            Credentials::None => false,
            Credentials::Session(cookie) => store.session(cookie).await? == Some(SessionRole::Admin),
            Credentials::Key(secret) => store.valid_key(secret).await?.is_some_and(|key| key.admin),
        })
    }

    /// Reads what is new; false when the job is gone, or not for whoever reads any more.
    async fn fill(&mut self) -> Result<bool, StoreError> {
        if !self.is_let_in().await? {
            return Ok(false);
        }
        let filter = EventFilter { after: self.after, limit: AT_ONCE, ..EventFilter::default() };
        let events = self.state.store.job_events(&self.id, &filter).await?;
        let behind = events.len() == AT_ONCE as usize;
        for event in events {
            self.after = event.sequence;
            self.ready.push_back(Event::default().id(event.sequence.to_string()).event(event.kind).data(event.line));
        }
        if behind {
            return Ok(true);
        }
        let Some(job) = self.state.store.job(&self.id).await? else { return Ok(false) };
        let Ok(job) = view(&self.state, job).await else { return Ok(true) };
        if self.told.as_ref() != Some(&job) {
            if let Ok(event) = Event::default().event("state").json_data(&job) {
                self.ready.push_back(event);
            }
            self.told = Some(job);
        }
        Ok(true)
    }
}
