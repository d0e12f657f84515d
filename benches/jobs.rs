//! What watching a training costs: recording and streaming a thousand events a second, and plots of 200,000 points.
//! `cargo xtask bench jobs`
//!
//! The trainer's place is taken by this program itself, which writes events at an even pace.

#[path = "../tests/support/null_model.rs"]
mod null_model;

use anyhow::{Context, ensure};
use expansionnet::captioning::{Folders, Models, QueueSettings};
use expansionnet::config::Config;
use expansionnet::store::{Point, SessionRole, Store};
use expansionnet::training::{Jobs, Program};
use expansionnet::web::{self, AppState};
use futures_util::StreamExt;
use null_model::NullModel;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Events of one job.
const EVENTS: u64 = 20_000;
const PER_SECOND: u64 = 1_000;
/// Written together, as a busy trainer does.
const AT_ONCE: u64 = 10;
const POINTS: u64 = 200_000;
/// Figures among the points: with so many a long run is watched.
const NAMES: [&str; 5] = ["loss", "learning_rate", "gradient_norm", "reward", "baseline"];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--run") {
        Some(place) => write_events(Path::new(arguments.get(place + 1).context("--run DIR")?)),
        None => tokio::runtime::Runtime::new()?.block_on(bench()),
    }
}

/// In the trainer's place.
fn write_events(folder: &Path) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("events.jsonl"))?;
    let began = Instant::now();
    for first in (0..EVENTS).step_by(AT_ONCE as usize) {
        let lines: Vec<String> = (first..first + AT_ONCE).map(event).collect();
        file.write_all((lines.join("\n") + "\n").as_bytes())?;
        let due = Duration::from_secs_f64((first + AT_ONCE) as f64 / PER_SECOND as f64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(())
}

fn event(sequence: u64) -> String {
    let (time, iteration) = (now(), sequence / 5);
    let mut event = json!({"sequence": sequence, "time": time, "phase": "xe"});
    let kind = match sequence {
        0 => {
            json!({"event": "started", "step": "cross-entropy", "iteration": 0, "iterations": EVENTS, "per_epoch": 500})
        }
        _ if sequence == EVENTS - 1 => json!({"event": "finished", "reason": "completed", "outcome": "completed"}),
        _ if sequence.is_multiple_of(10) => {
            json!({"event": "progress", "epoch": iteration / 500, "iteration": iteration,
            "iterations": EVENTS, "per_second": 48.5, "seconds_left": 12.25})
        }
        _ => json!({"event": "metric", "iteration": iteration, "name": NAMES[(sequence % 5) as usize],
            "value": 3.5 / (1.0 + iteration as f64)}),
    };
    for (key, value) in kind.as_object().into_iter().flatten() {
        event[key] = value.clone();
    }
    event.to_string()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The server, and an admin who has signed in.
struct Site {
    server: web::Server,
    jobs: Jobs,
    store: Store,
    client: reqwest::Client,
    url: String,
    cookie: String,
}

impl Site {
    async fn start(storage: &Path) -> anyhow::Result<Site> {
        let mut config = Config::defaults()?;
        config.training.directory = storage.join("runs");
        let store = Store::open(storage).await?;
        let queue = QueueSettings { capacity: 4, max_batch_size: 1, timeout: Duration::from_secs(30) };
        let load = |_: &[PathBuf]| Ok::<_, Infallible>(NullModel::new());
        let models = Models::start(Folders::new(&config.model), queue, store.clone(), load).await?;
        let program = Program { path: std::env::current_exe()?, jars: PathBuf::new() };
        let jobs = Jobs::new(&config.training, store.clone(), program);
        jobs.start().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/api/admin", listener.local_addr()?);
        let settings = config.server.clone();
        let state = AppState::new(config, models, store.clone()).with_jobs(jobs.clone());
        let server = web::Server::start(listener, web::app(state), &settings);
        let cookie = format!("expansionnet_session={}", store.start_session(&SessionRole::Admin, 1).await?);
        Ok(Site { server, jobs, store, client: reqwest::Client::new(), url, cookie })
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url)).header("cookie", &self.cookie)
    }

    async fn create(&self, start: bool) -> anyhow::Result<String> {
        let request = json!({"recipe": "photos14k", "phases": ["xe"], "device": "cpu", "start": start});
        let request = self.client.post(format!("{}/jobs", self.url)).header("cookie", &self.cookie).json(&request);
        let job: Value = request.send().await?.error_for_status()?.json().await?;
        Ok(job["id"].as_str().context("an id")?.to_owned())
    }
}

/// Seconds of processor time that this process has used.
fn processor_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().context("no name")?;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.)
}

fn memory_megabytes() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("no figure")?.parse::<f64>()? / 1e3)
}

/// Seconds from each event's time to its arrival, for a client from the first event to the last.
async fn watch(request: reqwest::RequestBuilder) -> anyhow::Result<Vec<f64>> {
    let answer = request.header("accept", "text/event-stream").send().await?.error_for_status()?;
    let (mut stream, mut text, mut lags) = (answer.bytes_stream(), String::new(), Vec::new());
    while let Some(piece) = stream.next().await {
        text.push_str(std::str::from_utf8(&piece?)?);
        while let Some((event, rest)) = text.split_once("\n\n") {
            if let Some(data) = event.contains("id:").then(|| event.split("data:").nth(1)).flatten() {
                let line: Value = serde_json::from_str(data.lines().next().unwrap_or_default())?;
                ensure!(line["sequence"] == lags.len(), "an event is lost or doubled: {line}");
                lags.push(now() - line["time"].as_f64().context("a time")?);
                if line["event"] == "finished" {
                    return Ok(lags);
                }
            }
            text = rest.to_owned();
        }
    }
    anyhow::bail!("the stream ended after {} events", lags.len())
}

async fn stream(site: &Site, clients: usize) -> anyhow::Result<()> {
    let (used, memory, began) = (processor_seconds()?, memory_megabytes()?, Instant::now());
    let id = site.create(true).await?;
    let mut watching = JoinSet::new();
    for _ in 0..clients {
        watching.spawn(watch(site.get(&format!("/jobs/{id}/events"))));
    }
    let mut lags = Vec::new();
    while let Some(watched) = watching.join_next().await {
        lags.extend(watched??);
    }
    let mut changes = site.jobs.changes();
    while site.store.job(&id).await?.context("the job")?.ended_at.is_none() {
        changes.changed().await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let job = site.store.job(&id).await?.context("the job")?;
    ensure!(job.last_sequence == EVENTS as i64 - 1, "{} events of {EVENTS}", job.last_sequence + 1);
    lags.sort_by(f64::total_cmp);
    let at = |share: f64| lags.get((lags.len() as f64 * share) as usize).map_or(f64::NAN, |lag| lag * 1e3);
    println!(
        "{clients} watching: {:.0} events a second, {:.1} % of one core, {:+.1} MB; lag p50 {:.0} ms, p99 {:.0} ms",
        EVENTS as f64 / seconds,
        100. * (processor_seconds()? - used) / seconds,
        memory_megabytes()? - memory,
        at(0.5),
        at(0.99)
    );
    Ok(())
}

async fn plots(site: &Site) -> anyhow::Result<()> {
    let id = site.create(false).await?;
    for first in (0..POINTS).step_by(10_000) {
        let point = |number: u64| Point {
            phase: "xe".to_owned(),
            name: NAMES[(number % 5) as usize].to_owned(),
            iteration: number / 5,
            time: number as f64,
            value: 3.5 / (1.0 + number as f64),
        };
        site.store.add_job_points(&id, &(first..first + 10_000).map(point).collect::<Vec<_>>()).await?;
    }
    for query in ["points=600", "names=loss&points=600"] {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..20 {
            let asked = Instant::now();
            let answer = site.get(&format!("/jobs/{id}/series?{query}")).send().await?.error_for_status()?;
            bytes = answer.bytes().await?.len();
            times.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!("{POINTS} points, {query}: p50 {:.0} ms, slowest of 20 {:.0} ms, {bytes} bytes", times[10], times[19]);
    }
    Ok(())
}

async fn bench() -> anyhow::Result<()> {
    let storage = tempfile::tempdir()?;
    let site = Site::start(storage.path()).await?;
    for clients in [0, 1, 8] {
        stream(&site, clients).await?;
    }
    plots(&site).await?;
    site.jobs.close();
    site.server.stop().await;
    Ok(())
}
