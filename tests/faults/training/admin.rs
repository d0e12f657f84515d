//! An admin over HTTP, and a run as the admin and the disk know it.

use crate::made_dataset::{MadeDataset, model_settings};
use crate::server::Server;
use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, Method, redirect::Policy};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub const PASSWORD: &str = "correct horse battery";
/// Generous: several servers and trainers share the machine.
const LIMIT: Duration = Duration::from_secs(300);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// An admin who has signed in.
pub struct Admin {
    client: Client,
    url: String,
    cookie: String,
}

impl Admin {
    pub async fn sign_in(server: &Server) -> Result<Admin> {
        let client = Client::builder().redirect(Policy::none()).build()?;
        let form = [("secret", PASSWORD), ("next", "/")];
        let body = form.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+")));
        let body = body.collect::<Vec<_>>().join("&");
        let form_type = "application/x-www-form-urlencoded";
        let request = client.post(format!("{}/sign-in", server.url())).header("content-type", form_type).body(body);
        let answer = request.send().await?;
        let cookie = answer.headers().get("set-cookie").context("no cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Admin { client, url: format!("{}/api/admin", server.url()), cookie })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<reqwest::Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).header("cookie", &self.cookie);
        if let Some(body) = body {
            request = request.json(body);
        }
        Ok(request.send().await?)
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.ask(Method::GET, path, None).await?;
        let status = answer.status();
        let body = answer.json().await?;
        ensure!(status == 200, "{path}: {status}: {body}");
        Ok(body)
    }

    pub async fn download(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.ask(Method::GET, path, None).await?.error_for_status()?;
        Ok(answer.bytes().await?.into())
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let answer = self.ask(Method::POST, path, Some(body)).await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}

/// A request for the first two phases on the made dataset, with a model as small as its pictures.
pub fn request(made: &MadeDataset, epochs: u64) -> Value {
    let mut request = json!({
        "name": "Made", "recipe": "photos14k", "phases": ["features", "xe"], "device": "cpu",
        "settings": {
            "seed": 1, "data.dataset": made.path("dataset.json"), "data.images": made.path("images"),
            "data.min_occurrences": 1, "weights.backbone": made.path("backbone.safetensors"),
            "features.kind": "float32", "xe-end-to-end.image_size": null, "xe.body": "", "xe.epochs": epochs,
            "xe.batch_size": 4, "xe.learning_rate": 4e-3, "xe.warmup_iterations": 5, "xe.anneal": 1.0,
            "xe.dropouts.encoder": 0, "xe.dropouts.decoder": 0,
            "xe.dropouts.encoder_input": 0, "xe.dropouts.decoder_input": 0, "xe.dropouts.other": 0.1,
        },
    });
    for (key, value) in model_settings() {
        request["settings"][key] = value;
    }
    request
}

/// A run.
pub struct Run {
    pub id: String,
    /// As it is seen from here.
    pub folder: PathBuf,
}

impl Run {
    pub async fn create(admin: &Admin, made: &MadeDataset, epochs: u64) -> Result<Run> {
        let (status, job) = admin.post("/jobs", &request(made, epochs)).await?;
        ensure!(status == 201, "{status}: {job}");
        Run::of(&job)
    }

    pub fn of(job: &Value) -> Result<Run> {
        let text = |key: &str| job[key].as_str().map(str::to_owned).with_context(|| format!("no job: {job}"));
        Ok(Run { id: text("id")?, folder: text("folder")?.into() })
    }

    pub fn path(&self) -> String {
        format!("/jobs/{}", self.id)
    }

    /// Waits until the job satisfies this; gives it.
    pub async fn wait(&self, admin: &Admin, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let job = admin.get(&self.path()).await?;
            if holds(&job) {
                return Ok(job);
            }
            let dead = ["failed", "interrupted"].iter().any(|state| job["state"] == *state);
            if Instant::now() > deadline || dead {
                let log = fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default();
                bail!("the run is not {what}: {job:#}\n{log}");
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    pub async fn act(&self, admin: &Admin, action: &str, wanted: u16) -> Result<()> {
        let (status, answer) = admin.post(&format!("{}/{action}", self.path()), &json!({})).await?;
        ensure!(status == wanted, "{action}: {status}: {answer}");
        Ok(())
    }

    /// The whole lines of events.jsonl.
    pub fn events(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.folder.join("events.jsonl"))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).context("a line")).collect()
    }

    /// Waits until more than so many events are in the file.
    pub fn tells_more_than(&self, told: usize) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while self.events()?.len() <= told {
            ensure!(Instant::now() < deadline, "no more than {told} events");
            std::thread::sleep(POLL_EVERY);
        }
        Ok(())
    }

    /// What the server has are the lines of the file, each once, in order.
    pub async fn has_every_event(&self, admin: &Admin) -> Result<()> {
        let (mut seen, mut after) = (Vec::new(), -1);
        loop {
            let page = admin.get(&format!("{}/events?limit=1000&after={after}", self.path())).await?;
            let events = page["events"].as_array().context("events")?;
            let Some(last) = events.last() else { break };
            after = last["sequence"].as_i64().context("a number")?;
            seen.extend(events.iter().cloned());
        }
        let written = self.events()?;
        ensure!(seen.len() == written.len(), "{} events of {}", seen.len(), written.len());
        let differ = seen.iter().zip(&written).find(|(seen, written)| seen != written);
        ensure!(differ.is_none(), "{differ:?}");
        let number = |event: &Value| event["sequence"].as_u64();
        ensure!(written.windows(2).all(|two| number(&two[0]) < number(&two[1])), "numbers go on over restarts");
        Ok(())
    }

    /// Kills the run's process as a lack of memory would.
    pub fn kill_process(&self) -> Result<()> {
        let folder = self.folder.display().to_string();
        for process in fs::read_dir("/proc")?.flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let arguments: Vec<_> = line.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
            if arguments.iter().any(|argument| *argument == folder) && arguments.iter().any(|one| one == "train") {
                let pid = Pid::from_raw(process.file_name().to_string_lossy().parse()?).context("a number")?;
                return Ok(kill_process(pid, Signal::KILL)?);
            }
        }
        bail!("no process trains in {folder}")
    }
}
