//! Many clients at once against the real server with the bundled model: is every answer right, is none lost,
//! who is refused, how long does it take, does memory stay flat? Then the server's own time, with a model that
//! does nothing.
//!
//! `cargo xtask bench load`, or smaller: `cargo xtask bench load -- --clients 8 --requests 100`

#[path = "../tests/support/null_model.rs"]
mod null_model;
#[path = "../tests/support/photos.rs"]
mod photos;
#[path = "../tests/support/server.rs"]
mod server;

use anyhow::{Context, ensure};
use axum::body::Bytes;
use clap::Parser;
use expansionnet::captioning::{Folders, Models, QueueSettings};
use expansionnet::config::Config;
use expansionnet::store::Store;
use expansionnet::web::{self, AppState};
use null_model::NullModel;
use photos::{Chance, photo};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use server::Server;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How many ask how often for what.
#[derive(Parser)]
struct Load {
    /// Clients, each waiting for its answer before it asks again
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Requests of each client
    #[arg(long, default_value_t = 1000)]
    requests: usize,
    /// One request in so many has a photo that was never sent before; the others repeat one that was
    #[arg(long, default_value_t = 16)]
    one_new_in: usize,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// A photo and what must be answered.
struct Known {
    photo: Bytes,
    sha256: String,
    caption: String,
    score: f64,
}

impl Known {
    /// True for this photo's answer. Scores may differ in the last digits: how many photos are computed
    /// together changes the order of sums.
    fn is_answered_by(&self, answer: &Value) -> bool {
        let score = answer["score"].as_f64().unwrap_or(f64::NAN);
        answer["image"]["sha256"] == self.sha256
            && answer["caption"] == self.caption
            && (score - self.score).abs() < 1e-4
    }
}

/// What the clients saw.
#[derive(Default)]
struct Tally {
    /// Milliseconds of each answer, those through the model and those from the store.
    computed: Vec<f64>,
    stored: Vec<f64>,
    /// The same with the waiting after refusals.
    waited: Vec<f64>,
    wrong: Vec<String>,
    /// Requests that got no answer at all, or an error: what happened, how often.
    lost: BTreeMap<String, usize>,
    /// 429 by the problem's code.
    refused: BTreeMap<String, usize>,
    refused_without_time: usize,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.computed.extend(other.computed);
        self.stored.extend(other.stored);
        self.waited.extend(other.waited);
        self.wrong.extend(other.wrong);
        other.lost.into_iter().for_each(|(what, count)| *self.lost.entry(what).or_default() += count);
        other.refused.into_iter().for_each(|(code, count)| *self.refused.entry(code).or_default() += count);
        self.refused_without_time += other.refused_without_time;
    }

    /// Asks until there is an answer; a refusal says when to come back.
    async fn ask(&mut self, client: &Client, url: &str, known: &Known) -> anyhow::Result<()> {
        let first = Instant::now();
        loop {
            let started = Instant::now();
            let response = match post(client, url, known.photo.clone()).await {
                Ok(response) => response,
                Err(error) => {
                    self.lose(&error);
                    return Ok(());
                }
            };
            let status = response.status();
            let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            let body: Value = match response.json().await {
                Ok(body) => body,
                Err(error) => {
                    self.lose(&error);
                    return Ok(());
                }
            };
            match status {
                StatusCode::OK => {
                    let times = if body["cached"] == true { &mut self.stored } else { &mut self.computed };
                    times.push(milliseconds(started));
                    self.waited.push(milliseconds(first));
                    if !known.is_answered_by(&body) {
                        self.wrong.push(format!("{} {} instead of: {body}", known.caption, known.score));
                    }
                    return Ok(());
                }
                StatusCode::TOO_MANY_REQUESTS => {
                    *self.refused.entry(body["code"].as_str().unwrap_or("no code").to_owned()).or_default() += 1;
                    self.refused_without_time += usize::from(retry_after.is_none());
                    tokio::time::sleep(Duration::from_secs(retry_after.unwrap_or(1))).await;
                }
                status => {
                    self.lose(&status);
                    return Ok(());
                }
            }
        }
    }

    fn lose(&mut self, why: &dyn std::fmt::Display) {
        *self.lost.entry(why.to_string()).or_default() += 1;
    }
}

/// What a counter of the server says.
async fn counted(server: &Server, name: &str) -> anyhow::Result<usize> {
    let (_, metrics) = server.get("/metrics").await?;
    let line = format!("expansionnet_{name}_total ");
    let count = std::str::from_utf8(&metrics)?.lines().find_map(|found| found.strip_prefix(&line));
    Ok(count.context("no such counter")?.trim().parse()?)
}

async fn post(client: &Client, url: &str, photo: Bytes) -> reqwest::Result<Response> {
    client.post(format!("{url}/api/caption")).header("content-type", "image/jpeg").body(photo).send().await
}

/// The photos and their answers, asked for one by one of a server of its own.
async fn known_answers(count: usize) -> anyhow::Result<Vec<Known>> {
    let storage = tempfile::tempdir()?;
    let server = Server::start(storage.path()).await?;
    let mut known = Vec::with_capacity(count);
    for seed in 0..count as u64 {
        let photo = Bytes::from(photo(seed, 320, 240)?);
        let answer: Value =
            post(server.client(), server.url(), photo.clone()).await?.error_for_status()?.json().await?;
        ensure!(answer["cached"] == false, "photo {seed} is not the first of its kind");
        known.push(Known {
            sha256: Sha256::digest(&photo).iter().map(|byte| format!("{byte:02x}")).collect(),
            caption: answer["caption"].as_str().context("no caption")?.to_owned(),
            score: answer["score"].as_f64().context("no score")?,
            photo,
        });
    }
    Ok(known)
}

/// Which photo the request of this number carries: a new one, or any of those before.
fn choose(number: usize, one_new_in: usize) -> usize {
    let newest = number / one_new_in;
    if number.is_multiple_of(one_new_in) { newest } else { Chance(number as u64).below(newest as u64 + 1) as usize }
}

/// All clients at once. Answers what they saw, and the server's memory at each tenth of the way.
async fn run(load: &Load, server: &Arc<Server>, known: Vec<Known>) -> anyhow::Result<(Tally, Vec<f64>)> {
    let known = Arc::new(known);
    let (begun, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let all = load.clients * load.requests;
    let mut memory = vec![server.memory()?];
    let mut clients = JoinSet::new();
    for _ in 0..load.clients {
        let (server, known, begun, done) =
            (Arc::clone(server), Arc::clone(&known), Arc::clone(&begun), Arc::clone(&done));
        let (requests, one_new_in) = (load.requests, load.one_new_in);
        clients.spawn(async move {
            let (client, mut tally, mut memory) = (Client::new(), Tally::default(), Vec::new());
            for _ in 0..requests {
                let chosen = choose(begun.fetch_add(1, Ordering::Relaxed), one_new_in);
                tally.ask(&client, server.url(), &known[chosen]).await?;
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if (done * 10) / all != ((done - 1) * 10) / all {
                    memory.push((done, server.memory()?));
                }
            }
            anyhow::Ok((tally, memory))
        });
    }
    let mut tally = Tally::default();
    let mut tenths = Vec::new();
    while let Some(client) = clients.join_next().await {
        let (seen, memory) = client??;
        tally.add(seen);
        tenths.extend(memory);
    }
    tenths.sort_by_key(|(done, _)| *done);
    memory.extend(tenths.into_iter().map(|(_, megabytes)| megabytes));
    Ok((tally, memory))
}

async fn under_load(load: &Load) -> anyhow::Result<()> {
    let all = load.clients * load.requests;
    let known = known_answers(all.div_ceil(load.one_new_in)).await?;
    let different: BTreeSet<_> = known.iter().map(|known| &known.caption).collect();
    println!(
        "{} clients x {} requests; {} different photos with {} different captions, one request in {} with a new one",
        load.clients,
        load.requests,
        known.len(),
        different.len(),
        load.one_new_in
    );

    let storage = tempfile::tempdir()?;
    let server = Arc::new(Server::start(storage.path()).await?);
    let (started, photos) = (Instant::now(), known.len());
    let (tally, memory) = run(load, &server, known).await?;
    let seconds = started.elapsed().as_secs_f64();
    let [computed, joined] = [counted(&server, "photos_captioned").await?, counted(&server, "photos_joined").await?];

    let answers = tally.computed.len() + tally.stored.len();
    println!(
        "{answers} answers in {seconds:.0} s, {:.0} a second; {computed} captioned, {:.1} a second; \
         {joined} answered with what was being made for another request",
        answers as f64 / seconds,
        computed as f64 / seconds
    );
    println!(
        "wrong: {}; lost: {:?}; refused with 429 and come back: {:?}, without Retry-After: {}",
        tally.wrong.len(),
        tally.lost,
        tally.refused,
        tally.refused_without_time
    );
    println!("made meanwhile:    {}", percentiles(tally.computed));
    println!("from the store:    {}", percentiles(tally.stored));
    println!("waiting after refusals included: {}", percentiles(tally.waited));
    let memory: Vec<_> = memory.iter().map(|megabytes| format!("{megabytes:.0}")).collect();
    println!("server's memory in MB at the start and after each tenth: {}", memory.join(" "));

    tally.wrong.iter().take(5).for_each(|wrong| println!("wrong: {wrong}"));
    ensure!(computed == photos, "{computed} photos were captioned instead of {photos}");
    ensure!(tally.wrong.is_empty() && tally.lost.is_empty() && tally.refused_without_time == 0 && answers == all);
    Ok(())
}

/// The server's own time: over real HTTP, one request after another, with a model that does nothing.
async fn overhead(storage: &Path) -> anyhow::Result<()> {
    let config = Config::defaults()?;
    let store = Store::open(storage).await?;
    let queue = QueueSettings { capacity: 64, max_batch_size: 8, timeout: Duration::from_secs(30) };
    let load = |_: &[PathBuf]| Ok::<_, Infallible>(NullModel::new());
    let models = Models::start(Folders::new(&config.model), queue, store.clone(), load).await?;
    models.active().ready().await.map_err(anyhow::Error::msg)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let settings = config.server.clone();
    let server = web::Server::start(listener, web::app(AppState::new(config, models, store)), &settings);

    let client = Client::new();
    let photos = (0..1000).map(|seed| photo(seed, 320, 240).map(Bytes::from)).collect::<Result<Vec<_>, _>>()?;
    for what in ["a new photo:   ", "the same again:"] {
        let (mut times, mut decoding) = (Vec::new(), Vec::new());
        for photo in &photos {
            let started = Instant::now();
            let answer: Value = post(&client, &url, photo.clone()).await?.error_for_status()?.json().await?;
            times.push(milliseconds(started));
            let decode = answer["timings_ms"]["decode"].as_f64().filter(|_| answer["cached"] == false);
            decoding.push(decode.unwrap_or(0.));
        }
        println!("  {what} {}", percentiles(times.split_off(100)));
        println!("    of which decoding and resizing: {}", percentiles(decoding.split_off(100)));
    }
    server.stop().await;
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn percentiles(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1)));
    let at = |share| at(share).copied().unwrap_or(f64::NAN);
    format!("p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms ({} answers)", at(0.5), at(0.9), at(0.99), times.len())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("without a model, storage on the disk of the temporary folder:");
    overhead(tempfile::tempdir()?.path()).await?;
    // The same without waiting for a disk to have written: the difference is what durability costs here.
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        println!("without a model, storage in memory:");
        overhead(tempfile::tempdir_in(memory)?.path()).await?;
    }
    under_load(&Load::parse()).await
}
