//! The sections of the settings: one struct each. `config.toml` explains every key.

use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use trainer::device::{DeviceChoice, PrecisionChoice};

/// Section `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// `host:port`.
    pub address: String,
    /// Bytes of one photo.
    pub max_upload_bytes: usize,
    /// Photos in one request.
    pub max_images_per_request: usize,
    /// Bytes that requests in progress may hold together.
    pub max_upload_memory_bytes: u64,
    /// Seconds for sending one request.
    pub upload_timeout_seconds: u64,
    /// Seconds for sending the head of a request.
    pub header_timeout_seconds: u64,
    /// Seconds that a client may keep the server waiting for each 64 KiB of its answers.
    pub answer_timeout_seconds: u64,
    /// Connections at the same time.
    pub max_connections: usize,
    /// Where a client's address is read.
    pub client_address: ClientAddress,
    /// Names that the server is reached by.
    pub hosts: Vec<String>,
    /// Origins of browser apps; `*` is every one.
    pub cors_origins: Vec<String>,
    /// Seconds for finishing after a signal.
    pub shutdown_timeout_seconds: u64,
}

/// Section `[storage]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// Folder of the database and the photos.
    pub directory: PathBuf,
    /// Pixels of a thumbnail's longer side.
    pub thumbnail_side: u32,
    /// Minutes until a deletion is final.
    pub undo_minutes: u64,
    /// Days until captions are deleted; 0: never.
    pub keep_days: u64,
    /// Bytes that the photos may take; 0: no bound.
    pub max_bytes: u64,
    /// Bytes to leave free on the disk.
    pub min_free_bytes: u64,
}

/// Section `[model]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The model folder.
    pub path: PathBuf,
    /// Model folders that make an ensemble with it.
    pub ensemble: Vec<PathBuf>,
    /// Folder of the model folders to choose from.
    pub directory: PathBuf,
    /// CPU or CUDA.
    pub device: DeviceChoice,
    /// Number format.
    pub precision: PrecisionChoice,
    /// CPU threads; 0: one a core.
    pub threads: usize,
}

/// Section `[captioning]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptioningConfig {
    /// Photos that may wait.
    pub queue_capacity: usize,
    /// Photos captioned at once.
    pub max_batch_size: usize,
    /// Seconds for one photo, every wait included.
    pub request_timeout_seconds: u64,
    /// Beams unless the request says.
    pub beam_size: usize,
    /// The most beams.
    pub max_beam_size: usize,
    /// Captions in an answer unless the request says.
    pub candidates: usize,
    /// Captions that say a thing twice go behind the others.
    pub unrepeated_first: bool,
}

/// Section `[image]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// Width times height.
    pub max_pixels: u64,
    /// Bytes for decoding.
    pub max_memory_bytes: u64,
    /// Photos decoded at the same time.
    pub max_concurrent_decodes: usize,
}

/// Section `[evaluation]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Folder of METEOR's and SPICE's programs.
    pub jars: PathBuf,
}

/// Section `[training]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Folder of the runs.
    pub directory: PathBuf,
    /// Folders to choose files from.
    pub roots: Vec<PathBuf>,
    /// Jobs on one device.
    pub jobs_at_once: usize,
    /// Where jobs are announced at their end; empty: nowhere.
    pub webhook: String,
}

/// Where a client's address is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAddress {
    /// The other end of the connection.
    Connection,
    /// The last address in `X-Forwarded-For`, which the nearest proxy wrote.
    XForwardedFor,
    /// `X-Real-IP`.
    XRealIp,
}

/// Whom a part of the server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Everyone who reaches the server.
    Open,
    /// Holders of an API key and people who signed in.
    Key,
}

/// Section `[access]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// Who may caption photos.
    pub captioning: Access,
    /// Who may see and change past captions.
    pub history: Access,
    /// Who may read the metrics.
    pub metrics: Access,
    /// The first password; empty: none.
    pub admin_password: String,
    /// Hours that a sign-in lasts.
    pub session_hours: u32,
    /// The sign-in cookie goes over HTTPS only.
    pub secure_cookies: bool,
}

impl std::fmt::Debug for AccessConfig {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let AccessConfig { captioning, history, metrics, admin_password: _, session_hours, secure_cookies } = self;
        f.debug_struct("AccessConfig")
            .field("captioning", captioning)
            .field("history", history)
            .field("metrics", metrics)
            .field("session_hours", session_hours)
            .field("secure_cookies", secure_cookies)
            .finish_non_exhaustive()
    }
}

/// Section `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Photos a minute; 0: no limit.
    pub photos_per_minute_per_address: u32,
    /// Photos a minute; 0: no limit.
    pub photos_per_minute_per_key: u32,
    /// Tries a minute and address.
    pub sign_in_attempts_per_minute: u32,
}

/// Section `[fetch]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchConfig {
    /// Whether photos are fetched by their address at all.
    pub enabled: bool,
    /// Seconds for one photo.
    pub timeout_seconds: u64,
    /// Redirects followed.
    pub max_redirects: usize,
}

/// Section `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// How a line is written.
    pub format: LogFormat,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl ServerConfig {
    /// True where nobody but this machine can connect.
    pub fn listens_locally(&self) -> bool {
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Time for finishing after a signal.
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }

    /// Time for sending one request.
    pub fn upload_timeout(&self) -> Duration {
        Duration::from_secs(self.upload_timeout_seconds)
    }

    /// The largest request body: photos may come as base64, which is a third longer, and a multipart body
    /// has headers between its parts.
    pub fn max_body_bytes(&self) -> usize {
        const HEADERS: usize = 64 * 1024;
        (self.max_upload_bytes / 3).saturating_add(1).saturating_mul(4).saturating_add(HEADERS)
    }
}
