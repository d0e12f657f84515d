//! Chromium without a window, driven through ChromeDriver.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

const HOW_TO_INSTALL: &str =
    "this test needs Chromium and ChromeDriver; install them with: apt-get install chromium chromium-driver";

/// A window and its colours.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// With fingers instead of a mouse.
    pub phone: bool,
    /// Dark colours.
    pub dark: bool,
}

/// One browser session with a profile of its own.
pub struct Browser {
    /// What pages are driven with.
    pub client: Client,
    driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// Starts ChromeDriver on a free port and Chromium through it.
    pub async fn start() -> Result<Self> {
        let driver = Driver::start()?;
        let profile = tempfile::tempdir()?;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(profile.path()))
            .connect(&driver.url)
            .await
            .context(HOW_TO_INSTALL)?;
        Ok(Self { client, driver, _profile: profile })
    }

    /// Everything that the console holds since the last call and that is worse than a warning:
    /// script errors, failed requests, violations of the content security policy.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let log = self.command("se/log", json!({ "type": "browser" })).await?;
        let entries = log.as_array().with_context(|| format!("no console log in {log}"))?;
        Ok(entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].to_string())
            .collect())
    }

    /// Drops files and folders of this machine in the middle of the page, as from the desktop.
    pub async fn drop_paths(&self, paths: &[&Path]) -> Result<()> {
        let data = json!({ "items": [], "files": paths, "dragOperationsMask": 1 });
        for step in ["dragEnter", "dragOver", "drop"] {
            self.devtools("Input.dispatchDragEvent", json!({ "type": step, "x": 180, "y": 300, "data": data })).await?;
        }
        Ok(())
    }

    /// Cuts the connection, or mends it.
    pub async fn set_offline(&self, offline: bool) -> Result<()> {
        self.devtools("Network.enable", json!({})).await?;
        let conditions = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.devtools("Network.emulateNetworkConditions", conditions).await
    }

    /// Looks at pages in a window of this size, in the light or in the dark.
    pub async fn set_look(&self, look: Look) -> Result<()> {
        let window =
            json!({ "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.phone });
        self.devtools("Emulation.setDeviceMetricsOverride", window).await?;
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await
    }

    /// Where downloads go.
    pub async fn set_downloads(&self, folder: &Path) -> Result<()> {
        let behaviour = json!({ "behavior": "allow", "downloadPath": folder });
        self.devtools("Browser.setDownloadBehavior", behaviour).await
    }

    /// The text on the clipboard.
    pub async fn clipboard(&self) -> Result<String> {
        let permission = json!({ "descriptor": { "name": "clipboard-read" }, "state": "granted" });
        self.command("permissions", permission).await?;
        let read = "const done = arguments[0]; \
                    navigator.clipboard.readText().then(done, (error) => done({ error: String(error) }));";
        let text = self.client.execute_async(read, vec![]).await?;
        text.as_str().map(str::to_owned).with_context(|| format!("cannot read the clipboard: {text}"))
    }

    /// Writes what the page looks like into the build's folder for temporary files.
    pub async fn keep_screenshot(&self, name: &str) -> Result<()> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, self.client.screenshot().await?)?;
        eprintln!("the page as it was: {}", path.display());
        Ok(())
    }

    /// For pictures: they would be of this machine's own kind.
    pub async fn hide_scrollbars(&self) -> Result<()> {
        self.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await
    }

    /// What the window shows, as WebP.
    pub async fn picture(&self) -> Result<Vec<u8>> {
        let parameters = json!({ "format": "webp", "quality": 80 });
        let answer = self.command("goog/cdp/execute", json!({ "cmd": "Page.captureScreenshot", "params": parameters }));
        let answer = answer.await?;
        let data = answer["data"].as_str().with_context(|| format!("no picture in {answer}"))?;
        Ok(STANDARD.decode(data)?)
    }

    /// Ends Chromium; ChromeDriver is killed when dropped.
    pub async fn close(self) -> Result<()> {
        Ok(self.client.clone().close().await?)
    }

    /// A command of Chromium's own protocol, whose answer is of no interest.
    async fn devtools(&self, command: &str, parameters: Value) -> Result<()> {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await?;
        Ok(())
    }

    /// A ChromeDriver command that the WebDriver client does not know.
    async fn command(&self, path: &str, body: Value) -> Result<Value> {
        let session = self.client.session_id().await?.context("the session has ended")?;
        let url = format!("{}/session/{session}/{path}", self.driver.url);
        let answer: Value = reqwest::Client::new().post(url).json(&body).send().await?.json().await?;
        if answer["value"]["error"].is_string() {
            bail!("ChromeDriver refused {path}: {answer}");
        }
        Ok(answer["value"].clone())
    }
}

fn capabilities(profile: &Path) -> Capabilities {
    let options = json!({
        "args": [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            format!("--user-data-dir={}", profile.display()),
        ]
    });
    Capabilities::from_iter([
        ("goog:chromeOptions".to_owned(), options),
        ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
        // For axe, which looks at every element, on a busy machine.
        ("timeouts".to_owned(), json!({ "script": 180_000 })),
    ])
}

/// A running ChromeDriver, killed when dropped.
struct Driver {
    process: Child,
    url: String,
}

impl Driver {
    /// Another process may take the port before ChromeDriver does, which then ends at once.
    fn start() -> Result<Self> {
        const ATTEMPTS: usize = 5;
        let mut reasons = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut driver = Self::spawn(free_port()?)?;
            let stdout = driver.process.stdout.take().context("chromedriver has no standard output")?;
            match announced_port(BufReader::new(stdout)) {
                Ok(port) => {
                    driver.url = format!("http://127.0.0.1:{port}");
                    return Ok(driver);
                }
                Err(reason) => reasons.push(format!("{reason:#}")),
            }
        }
        bail!("chromedriver did not start in {ATTEMPTS} attempts: {}", reasons.join("; "));
    }

    fn spawn(port: u16) -> Result<Self> {
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => anyhow!(HOW_TO_INSTALL),
                _ => anyhow!(error).context("cannot start chromedriver"),
            })?;
        Ok(Self { process, url: String::new() })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Fails only if the process is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// ChromeDriver's own choice, `--port=0`, is a port that IPv6 has free; it ends where a connection of IPv4 still
/// occupies the same number, as those of thousands of earlier requests may.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// The port in "ChromeDriver was started successfully on port 41967.", or an error with what it said instead.
fn announced_port(stdout: impl BufRead) -> Result<u16> {
    let mut said = Vec::new();
    for line in stdout.lines() {
        let line = line?;
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return Ok(port.trim_end_matches('.').parse()?);
        }
        said.push(line);
    }
    bail!("chromedriver ended before it said its port: {}", said.join(" "))
}
