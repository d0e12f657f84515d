//! Telling another program of a job's end.

use super::view::Job;
use reqwest::Client;
use std::time::Duration;

/// For one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Waits before the second and the third attempt.
const WAITS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(20)];

/// Sends the job on a task of its own; a few attempts, then it is left. An empty address is nobody's.
pub(super) fn announce(address: &str, job: Job) {
    if address.is_empty() {
        return;
    }
    let address = address.to_owned();
    tokio::spawn(async move {
        if let Err(error) = send(&address, &job).await {
            // Without the address: it may hold a secret.
            tracing::warn!(error = %error.without_url(), job = job.id, "the webhook was not told of a job's end");
        }
    });
}

async fn send(address: &str, job: &Job) -> reqwest::Result<()> {
    let client = Client::builder().timeout(TIMEOUT).build()?;
    let mut waits = WAITS.into_iter();
    loop {
        let sent = client.post(address).json(job).send().await.and_then(|answer| answer.error_for_status());
        match (sent, waits.next()) {
            (Ok(_), _) => return Ok(()),
            (Err(error), None) => return Err(error),
            (Err(_), Some(wait)) => tokio::time::sleep(wait).await,
        }
    }
}
