//! `kill -9` at random moments during 300 uploads.

use super::photos::Chance;
use super::server::Server;
use super::{Answered, small_photo, start, storage};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const UPLOADS: u64 = 300;
/// Clients at the same time.
const CLIENTS: usize = 8;

/// Photos not answered yet, by their seeds.
type Waiting = Arc<Mutex<Vec<u64>>>;

/// What decides when the server is killed, unless `FAULT_SEED` says otherwise.
const SEED: u64 = 775_533;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_kill() -> Result<()> {
    let seed = match std::env::var("FAULT_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => SEED,
    };
    println!("FAULT_SEED={seed}");
    let mut chance = Chance(seed);
    let storage = tempfile::tempdir()?;
    let waiting: Waiting = Arc::new(Mutex::new((0..UPLOADS).collect()));
    let mut answered = BTreeMap::new();
    let (mut kills, mut untidy) = (0, 0);
    while answered.len() < UPLOADS as usize {
        let mut server = start(storage.path(), &[]).await?;
        storage::becomes_tidy(storage.path()).await.with_context(|| format!("after kill {kills}"))?;
        let answers = start_clients(&server, &waiting);
        // After so many answers, and then somewhere within the work on the next ones.
        let (count, moment) = (1 + chance.below(60), Duration::from_micros(chance.below(60_000)));
        take(answers, count, moment, &mut server, &mut answered).await?;
        kills += 1;
        untidy += u32::from(storage::is_tidy(storage.path()).await.is_err());
    }
    println!("{kills} kills, of which {untidy} left something to clear away");
    ensure!(kills > 3, "too few to mean anything");

    let server = start(storage.path(), &[]).await?;
    storage::becomes_tidy(storage.path()).await?;
    for (seed, answered) in &answered {
        answered.is_there(&server).await.with_context(|| format!("photo {seed}"))?;
    }
    Ok(())
}

/// Takes so many answers, waits a moment, kills the server, and takes what was answered meanwhile.
async fn take(
    mut answers: UnboundedReceiver<(u64, Answered)>,
    count: u64,
    moment: Duration,
    server: &mut Server,
    answered: &mut BTreeMap<u64, Answered>,
) -> Result<()> {
    for _ in 0..count {
        let Some((seed, answer)) = answers.recv().await else { break };
        answered.insert(seed, answer);
    }
    tokio::time::sleep(moment).await;
    server.kill()?;
    while let Some((seed, answer)) = answers.recv().await {
        answered.insert(seed, answer);
    }
    Ok(())
}

/// Clients that upload what waits until the server is gone; what got no answer waits again.
fn start_clients(server: &Server, waiting: &Waiting) -> UnboundedReceiver<(u64, Answered)> {
    let (tell, answers) = unbounded_channel();
    for _ in 0..CLIENTS {
        let (client, url, waiting) = (server.client().clone(), server.url().to_owned(), Arc::clone(waiting));
        tokio::spawn(upload_until_gone(client, url, waiting, tell.clone()));
    }
    answers
}

async fn upload_until_gone(
    client: reqwest::Client,
    url: String,
    waiting: Waiting,
    tell: UnboundedSender<(u64, Answered)>,
) -> Result<()> {
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    while let Some(seed) = next() {
        match upload(&client, &url, seed).await {
            // The receiver lives until every client has ended.
            Ok(answered) => tell.send((seed, answered)).ok(),
            Err(_) => {
                waiting.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
                return Ok(());
            }
        };
    }
    Ok(())
}

async fn upload(client: &reqwest::Client, url: &str, seed: u64) -> Result<Answered> {
    let photo = small_photo(seed)?;
    let request = client.post(format!("{url}/api/caption")).header("content-type", "image/jpeg").body(photo);
    Answered::new(&request.send().await?.error_for_status()?.json().await?)
}
