//! The real server binary on a free port, with its own storage.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::multipart::{Form, Part};
use serde_json::Value;

/// Generous: a busy machine loads the model slowly.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// A running `expansionnet serve`, killed when dropped.
pub struct Server {
    process: Child,
    url: String,
    /// Held so that the server can go on logging.
    _log: Receiver<String>,
}

impl Server {
    /// Starts the server on the bundled model and waits until it is ready to caption.
    pub async fn start(storage: &Path) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_expansionnet"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("EXPANSIONNET_") {
                command.env_remove(name);
            }
        }
        let mut process = command
            .arg("serve")
            .env("EXPANSIONNET_SERVER__ADDRESS", "127.0.0.1:0")
            .env("EXPANSIONNET_STORAGE__DIRECTORY", storage)
            .env("EXPANSIONNET_MODEL__PATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default"))
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let log = follow(process.stderr.take().context("the server has no standard error")?);
        // From here on the process is killed whatever happens.
        let mut server = Self { process, url: String::new(), _log: log };
        server.url = announced_url(&server._log)?;
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Like `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills the server as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// What `POST /api/caption` answers: the status and the JSON body.
    pub async fn caption(&self, name: &str, bytes: Vec<u8>) -> Result<(u16, Value)> {
        let form = Form::new().part("image", Part::bytes(bytes).file_name(name.to_owned()));
        let url = format!("{}/api/caption", self.url);
        let response = reqwest::Client::new().post(url).multipart(form).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let url = format!("{}/readyz", self.url);
        let mut poll = tokio::time::interval(POLL_EVERY);
        let ready = async {
            loop {
                poll.tick().await;
                match reqwest::get(&url).await {
                    Ok(response) if response.status() == 200 => return,
                    _ => continue,
                }
            }
        };
        tokio::time::timeout(START_LIMIT, ready).await.context("the server did not become ready")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only if the process is gone already.
        let _ = self.kill();
    }
}

/// Reads the log to its end, so that the server never waits for a reader.
fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (lines, log) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Nobody listens after the test; reading goes on regardless.
            let _ = lines.send(line);
        }
    });
    log
}

/// The address in the line that says `listening on http://…`.
fn announced_url(log: &Receiver<String>) -> Result<String> {
    let deadline = Instant::now() + START_LIMIT;
    let mut seen = String::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(line) = log.recv_timeout(left) else {
            bail!("the server did not say where it listens; it logged:\n{seen}");
        };
        if let Some((_, rest)) = line.split_once("listening on http://") {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
            return Ok(format!("http://{}", &rest[..end.unwrap_or(rest.len())]));
        }
        seen += &line;
        seen.push('\n');
    }
}
