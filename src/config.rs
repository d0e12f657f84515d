//! Typed, validated settings: compiled-in defaults, then a file, then the environment.
//!
//! The committed `config.toml` is the default, so that what one reads there is what one gets.

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trainer::captioner::LoadOptions;
use trainer::device::{DeviceChoice, PrecisionChoice};
use trainer::image::Limits;

/// The defaults, with a comment for every setting.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// Read from the working directory when it is there and no other file is named.
const DEFAULT_FILE: &str = "config.toml";

const PREFIX: &str = "EXPANSIONNET_";

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
}

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
    /// Uploads at the same time.
    pub max_concurrent_uploads: usize,
    /// Seconds for sending one request.
    pub upload_timeout_seconds: u64,
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
}

/// Section `[model]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The model folder.
    pub path: PathBuf,
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
    /// Seconds a photo may wait.
    pub request_timeout_seconds: u64,
    /// Beams unless the request says.
    pub beam_size: usize,
    /// The most beams.
    pub max_beam_size: usize,
    /// Captions in an answer unless the request says.
    pub candidates: usize,
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
        let mut settings = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError::NoFile(file.to_owned()));
            }
            settings = settings.merge(Toml::file_exact(file));
        } else {
            settings = settings.merge(Toml::file_exact(DEFAULT_FILE));
        }
        Config::read(settings.merge(Env::prefixed(PREFIX).split("__")))
    }

    /// The settings without any file or environment.
    ///
    /// # Errors
    /// Never for a program that passes its tests: the defaults are compiled in.
    pub fn defaults() -> Result<Config, ConfigError> {
        Config::read(Figment::from(Toml::string(DEFAULTS)))
    }

    fn read(settings: Figment) -> Result<Config, ConfigError> {
        let config: Config = settings
            .extract()
            .map_err(|errors| ConfigError::Invalid(describe_all(errors, &settings)))?;
        let faults = config.faults();
        if faults.is_empty() {
            return Ok(config);
        }
        let lines = faults
            .iter()
            .map(|(key, fault)| format!("{key}: {fault} (set in {})", source_of(key, &settings)));
        Err(ConfigError::Invalid(lines.collect::<Vec<_>>().join("\n")))
    }

    /// Values that have the right type and still cannot work: key and what would be allowed.
    fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut check = |key, holds: bool, allowed: &str| {
            if !holds {
                faults.push((key, format!("must be {allowed}")));
            }
        };
        let (server, captioning, image) = (&self.server, &self.captioning, &self.image);
        let port = server
            .address
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        check(
            "server.address",
            matches!(port, Some(Ok(_))),
            "host:port, e.g. 127.0.0.1:8080",
        );
        check(
            "server.max_upload_bytes",
            server.max_upload_bytes > 0,
            ONE_OR_MORE,
        );
        check(
            "server.max_images_per_request",
            server.max_images_per_request > 0,
            ONE_OR_MORE,
        );
        let uploads = 1..=tokio::sync::Semaphore::MAX_PERMITS;
        let permits = "a whole number from 1 on, and not absurdly large";
        check(
            "server.max_concurrent_uploads",
            uploads.contains(&server.max_concurrent_uploads),
            permits,
        );
        check(
            "server.upload_timeout_seconds",
            server.upload_timeout_seconds > 0,
            ONE_OR_MORE,
        );
        let side = 16..=4096;
        check(
            "storage.thumbnail_side",
            side.contains(&self.storage.thumbnail_side),
            "from 16 to 4096",
        );
        check(
            "captioning.queue_capacity",
            uploads.contains(&captioning.queue_capacity),
            permits,
        );
        check(
            "captioning.max_batch_size",
            captioning.max_batch_size > 0,
            ONE_OR_MORE,
        );
        check(
            "captioning.request_timeout_seconds",
            captioning.request_timeout_seconds > 0,
            ONE_OR_MORE,
        );
        check(
            "captioning.max_beam_size",
            captioning.max_beam_size > 0,
            ONE_OR_MORE,
        );
        let beams = 1..=captioning.max_beam_size;
        check(
            "captioning.beam_size",
            beams.contains(&captioning.beam_size),
            "from 1 to captioning.max_beam_size",
        );
        let candidates = 1..=captioning.beam_size;
        check(
            "captioning.candidates",
            candidates.contains(&captioning.candidates),
            "from 1 to captioning.beam_size",
        );
        check("image.max_pixels", image.max_pixels > 0, ONE_OR_MORE);
        check(
            "image.max_memory_bytes",
            image.max_memory_bytes > 0,
            ONE_OR_MORE,
        );
        check(
            "image.max_concurrent_decodes",
            uploads.contains(&image.max_concurrent_decodes),
            permits,
        );
        faults
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

impl ServerConfig {
    /// Time for sending one request.
    pub fn upload_timeout(&self) -> Duration {
        Duration::from_secs(self.upload_timeout_seconds)
    }

    /// The largest request body: photos may come as base64, which is a third longer, and a multipart body
    /// has headers between its parts.
    pub fn max_body_bytes(&self) -> usize {
        const HEADERS: usize = 64 * 1024;
        (self.max_upload_bytes / 3)
            .saturating_add(1)
            .saturating_mul(4)
            .saturating_add(HEADERS)
    }
}

const ONE_OR_MORE: &str = "1 or more";

/// One line for each error: key, fault, source.
fn describe_all(errors: figment::Error, settings: &Figment) -> String {
    let mut text = String::new();
    for error in errors {
        let mut path = error.path.clone();
        if let Kind::UnknownField(field, _) = &error.kind
            && path.last() != Some(field)
        {
            path.push(field.clone());
        }
        let key = path.join(".");
        let separator = if text.is_empty() { "" } else { "\n" };
        let source = source_of(&key, settings);
        // Writing to a string does not fail.
        let _ = match &error.kind {
            Kind::UnknownField(_, allowed) => write!(
                text,
                "{separator}{key}: there is no such setting (set in {source}); there is: {}",
                allowed.join(", ")
            ),
            fault => write!(text, "{separator}{key}: {fault} (set in {source})"),
        };
    }
    text
}

/// Where a key was set: the environment variable, the file, or the defaults.
fn source_of(key: &str, settings: &Figment) -> String {
    let Some(metadata) = settings.find_metadata(key) else {
        return "no place known".to_owned();
    };
    match &metadata.source {
        Some(figment::Source::File(file)) => file.display().to_string(),
        _ if metadata.name.contains("environment") => {
            format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
        }
        _ => "the defaults".to_owned(),
    }
}

#[cfg(test)]
mod tests;
