//! Typed, validated settings: compiled-in defaults, then a file, then the environment.
//!
//! The committed `config.toml` is the default, so that what one reads there is what one gets.

mod report;
mod sections;

pub use sections::{
    Access, AccessConfig, CaptioningConfig, ClientAddress, EvaluationConfig, FetchConfig, ImageConfig, LimitsConfig,
    LogConfig, LogFormat, ModelConfig, ServerConfig, StorageConfig, TrainingConfig,
};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use trainer::captioner::LoadOptions;
use trainer::image::Limits;

/// The defaults, with a comment for every setting.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// Read from the working directory when it is there and no other file is named.
const DEFAULT_FILE: &str = "config.toml";

const ENVIRONMENT_PREFIX: &str = "EXPANSIONNET_";

/// Every setting. The keys are explained in `config.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Listening, and bounds on requests.
    pub server: ServerConfig,
    /// Where things are kept.
    pub storage: StorageConfig,
    /// Which model, and how it computes.
    pub model: ModelConfig,
    /// The queue, and what a request gets when it does not say.
    pub captioning: CaptioningConfig,
    /// Bounds on one photo.
    pub image: ImageConfig,
    /// Who may do what.
    pub access: AccessConfig,
    /// How much one client may ask for.
    pub limits: LimitsConfig,
    /// Photos named by their address.
    pub fetch: FetchConfig,
    /// Judging captions on the command line.
    pub evaluation: EvaluationConfig,
    /// Jobs that admins start.
    pub training: TrainingConfig,
    /// The log.
    pub log: LogConfig,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line is not there.
    #[error("there is no configuration file {}", .0.display())]
    NoFile(PathBuf),
    /// Unknown keys, missing keys, wrong types: one line each, naming key and source.
    #[error("{0}")]
    Invalid(String),
}

impl Config {
    /// Reads the settings: the defaults, then `file` (or `config.toml` in the working directory if there
    /// is one), then the environment.
    ///
    /// # Errors
    /// Names every key at fault and where it was set.
    pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
        let file = match file {
            Some(file) if !file.is_file() => return Err(ConfigError::NoFile(file.to_owned())),
            Some(file) => Some(file),
            None => Some(Path::new(DEFAULT_FILE)).filter(|file| file.is_file()),
        };
        let mut settings = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            settings = settings.merge(Toml::file_exact(file));
        }
        Config::read(settings.merge(Env::prefixed(ENVIRONMENT_PREFIX).split("__")), file)
    }

    /// The settings without any file or environment.
    ///
    /// # Errors
    /// Never for a program that passes its tests: the defaults are compiled in.
    pub fn defaults() -> Result<Config, ConfigError> {
        Config::read(Figment::from(Toml::string(DEFAULTS)), None)
    }

    fn read(settings: Figment, file: Option<&Path>) -> Result<Config, ConfigError> {
        let config: Config =
            settings.extract().map_err(|errors| ConfigError::Invalid(report::describe_all(errors, &settings, file)))?;
        let describe = |(key, allowed): (&str, &str)| {
            format!("{key}: must be {allowed} (set in {})", report::source_of(key, &settings))
        };
        let faults: Vec<String> = config.faults().map(describe).collect();
        if faults.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(faults.join("\n"))) }
    }

    /// Values that have the right type and still cannot work: key and what would be allowed.
    fn faults(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let (server, captioning, image) = (&self.server, &self.captioning, &self.image);
        let port = server.address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        let permits = 1..=tokio::sync::Semaphore::MAX_PERMITS;
        let thumbnail_side = 16..=4096;
        let beams = 1..=captioning.max_beam_size;
        let fetched = if self.fetch.enabled { server.max_upload_bytes } else { 0 };
        let one_request = server.max_body_bytes().saturating_add(fetched) as u64;
        [
            ("server.address", matches!(port, Some(Ok(_))), "host:port, e.g. 127.0.0.1:8080"),
            ("server.max_upload_bytes", server.max_upload_bytes > 0, ONE_OR_MORE),
            ("server.max_images_per_request", server.max_images_per_request > 0, ONE_OR_MORE),
            ("server.max_upload_memory_bytes", server.max_upload_memory_bytes >= one_request, ONE_REQUEST),
            ("server.upload_timeout_seconds", A_DAY.contains(&server.upload_timeout_seconds), UP_TO_A_DAY),
            ("server.header_timeout_seconds", A_DAY.contains(&server.header_timeout_seconds), UP_TO_A_DAY),
            ("server.answer_timeout_seconds", A_DAY.contains(&server.answer_timeout_seconds), UP_TO_A_DAY),
            ("server.max_connections", permits.contains(&server.max_connections), NOT_ABSURD),
            ("server.hosts", server.hosts.iter().all(|host| is_host(host)), HOSTS),
            ("server.cors_origins", server.cors_origins.iter().all(|origin| is_origin(origin)), ORIGINS),
            ("storage.undo_minutes", self.storage.undo_minutes > 0, ONE_OR_MORE),
            ("storage.thumbnail_side", thumbnail_side.contains(&self.storage.thumbnail_side), "from 16 to 4096"),
            ("captioning.queue_capacity", permits.contains(&captioning.queue_capacity), NOT_ABSURD),
            ("captioning.max_batch_size", captioning.max_batch_size > 0, ONE_OR_MORE),
            ("captioning.request_timeout_seconds", A_DAY.contains(&captioning.request_timeout_seconds), UP_TO_A_DAY),
            ("captioning.max_beam_size", captioning.max_beam_size > 0, ONE_OR_MORE),
            ("captioning.beam_size", beams.contains(&captioning.beam_size), "from 1 to captioning.max_beam_size"),
            (
                "captioning.candidates",
                (1..=captioning.beam_size).contains(&captioning.candidates),
                "from 1 to captioning.beam_size",
            ),
            ("image.max_pixels", image.max_pixels > 0, ONE_OR_MORE),
            ("image.max_memory_bytes", image.max_memory_bytes > 0, ONE_OR_MORE),
            ("access.session_hours", (1..=87_600).contains(&self.access.session_hours), "from 1 to 87600, ten years"),
            ("access.admin_password", is_password(&self.access.admin_password), "empty, or 10 characters or more"),
            ("limits.sign_in_attempts_per_minute", self.limits.sign_in_attempts_per_minute > 0, ONE_OR_MORE),
            ("fetch.timeout_seconds", self.fetch.timeout_seconds > 0, ONE_OR_MORE),
            ("training.jobs_at_once", self.training.jobs_at_once > 0, ONE_OR_MORE),
            ("training.webhook", is_address(&self.training.webhook), "empty, or an address with http:// or https://"),
            ("image.max_concurrent_decodes", permits.contains(&image.max_concurrent_decodes), NOT_ABSURD),
        ]
        .into_iter()
        .filter_map(|(key, holds, allowed)| (!holds).then_some((key, allowed)))
    }

    /// The bounds on one photo, for the decoder.
    pub fn image_limits(&self) -> Limits {
        Limits {
            max_bytes: self.server.max_upload_bytes,
            max_pixels: self.image.max_pixels,
            max_memory: self.image.max_memory_bytes,
        }
    }

    /// How the model folder is to be loaded.
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            device: self.model.device,
            precision: self.model.precision,
            threads: (self.model.threads > 0).then_some(self.model.threads),
        }
    }
}

/// `*`, or scheme and host (and port) without a path, as browsers send it.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', ',']))
}

/// A name alone, as browsers write it in `Host`.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// None, or one that requests can be sent to.
fn is_address(text: &str) -> bool {
    text.is_empty() || reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// None, or one that the store takes.
fn is_password(text: &str) -> bool {
    text.is_empty() || text.chars().count() >= crate::store::SHORTEST_PASSWORD
}

const A_DAY: std::ops::RangeInclusive<u64> = 1..=86_400;
const UP_TO_A_DAY: &str = "from 1 to 86400, a day";
const HOSTS: &str = "names like captions.example, without scheme, port and path";
const ORIGINS: &str = "\"*\" or origins like https://app.example, without a path";
const ONE_REQUEST: &str = "enough for one request: a third more than server.max_upload_bytes, and 64 KiB; with \
                           fetch.enabled as much as server.max_upload_bytes more";
const ONE_OR_MORE: &str = "1 or more";
const NOT_ABSURD: &str = "a whole number from 1 on, and not absurdly large";

#[cfg(test)]
mod tests;
