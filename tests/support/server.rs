//! The real server binary on a free port, with its own storage: for tests and benches of the whole product.

#![allow(dead_code, reason = "each test program uses its own part of this")]

#[path = "program.rs"]
mod program;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use program::{forget_settings, program};
use reqwest::multipart::{Form, Part};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use signal_hook::consts::{SIGKILL, SIGTERM};

/// Generous: a busy machine loads the model slowly.
const START_LIMIT: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(20);

/// A running `expansionnet serve`, killed when dropped.
pub struct Server {
    process: Child,
    url: String,
    client: reqwest::Client,
    /// Behind a lock, so that many clients can share the server.
    log: Mutex<Receiver<String>>,
}

impl Server {
    /// Starts the server on the bundled model and waits until it is ready to caption.
    pub async fn start(storage: &Path) -> Result<Self> {
        Self::start_with(storage, &[]).await
    }

    /// The same with further settings, by the names of their variables: `("STORAGE__UNDO_MINUTES", "1")`.
    pub async fn start_with(storage: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_as(program(), storage, settings).await
    }

    /// The same by a command that becomes the server: `serve` is its last argument.
    pub async fn start_as(mut command: Command, storage: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        forget_settings(&mut command);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        command
            .arg("serve")
            // Where no config.toml lies: the defaults hold.
            .current_dir(root.join("tests"))
            .env("EXPANSIONNET_SERVER__ADDRESS", "127.0.0.1:0")
            .env("EXPANSIONNET_STORAGE__DIRECTORY", storage)
            .env("EXPANSIONNET_MODEL__PATH", root.join("models/default"))
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped());
        for (name, value) in settings {
            command.env(format!("EXPANSIONNET_{name}"), value);
        }
        let mut process = command.spawn().context("cannot start the server")?;
        let log = follow(process.stderr.take().context("the server has no standard error")?);
        // From here on the process is killed whatever happens.
        let mut server = Self { process, url: String::new(), client: reqwest::Client::new(), log: Mutex::new(log) };
        let line = server.wait_for_log("listening on http://")?;
        server.url = announced_url(&line);
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Like `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its number among the processes.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A client that keeps its connections to the server.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Kills the server as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Asks the server to stop (SIGTERM).
    pub fn terminate(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.process), Signal::TERM)?)
    }

    /// How the process ended; an error when it did not within the limit.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let mut poll = tokio::time::interval(POLL_EVERY);
        let ended = async {
            loop {
                poll.tick().await;
                if let Some(status) = self.process.try_wait()? {
                    return anyhow::Ok(status);
                }
            }
        };
        tokio::time::timeout(limit, ended).await.context("the server did not end in time")?
    }

    /// Waits for a line of the log that has this text; gives the line.
    pub fn wait_for_log(&self, text: &str) -> Result<String> {
        let deadline = Instant::now() + START_LIMIT;
        let mut seen = String::new();
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = log.recv_timeout(left) else {
                bail!("the server did not log {text:?}, but:\n{seen}");
            };
            if line.contains(text) {
                return Ok(line);
            }
            seen += &line;
            seen.push('\n');
        }
    }

    /// What `POST /api/caption` answers: the status and the JSON body.
    pub async fn caption(&self, name: &str, bytes: Vec<u8>) -> Result<(u16, Value)> {
        let form = Form::new().part("image", Part::bytes(bytes).file_name(name.to_owned()));
        let url = format!("{}/api/caption", self.url);
        let response = self.client.post(url).multipart(form).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    /// What a `GET` of this path answers: the status and the body.
    pub async fn get(&self, path: &str) -> Result<(u16, Vec<u8>)> {
        let response = self.client.get(format!("{}{path}", self.url)).send().await?;
        Ok((response.status().as_u16(), response.bytes().await?.into()))
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kilobytes = line.split_whitespace().nth(1).context("no figure")?;
        Ok(kilobytes.parse::<f64>()? / 1e3)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let mut poll = tokio::time::interval(POLL_EVERY);
        let ready = async {
            loop {
                poll.tick().await;
                if matches!(self.get("/readyz").await, Ok((200, _))) {
                    return;
                }
            }
        };
        tokio::time::timeout(START_LIMIT, ready).await.context("the server did not become ready")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that crashed says so beside the test's own failure. None of the tests sends it these signals.
        if let Ok(Some(status)) = self.process.try_wait()
            && status.signal().is_some_and(|signal| ![SIGKILL, SIGTERM].contains(&signal))
        {
            let log = self.log.get_mut().unwrap_or_else(PoisonError::into_inner);
            let lines: Vec<String> = log.try_iter().collect();
            println!("the server had crashed ({status}); what it logged:\n{}", lines.join("\n"));
        }
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
fn announced_url(line: &str) -> String {
    let start = line.find("http://").unwrap_or_default();
    let address = &line[start + "http://".len()..];
    let end = address.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
    format!("http://{}", &address[..end.unwrap_or(address.len())])
}
