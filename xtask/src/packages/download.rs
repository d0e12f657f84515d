//! Downloads that go on where they stopped, show their progress, and are checked by hash.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use thiserror::Error;
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body, ResponseExt};
use url::Url;

/// What is to be downloaded, and where to.
pub struct Download<'a> {
    /// The address of the file.
    pub address: &'a Url,
    /// The file to write; while it is unfinished its name ends in `.part`.
    pub file: &'a Path,
    /// The hash that the file must have, in hexadecimal digits; `None` where none is published.
    pub sha256: Option<&'a str>,
    /// What to call it in messages.
    pub name: &'a str,
}

/// Why a download failed. Addresses are given by host alone, since they can hold passwords.
#[derive(Debug, Error)]
pub enum DownloadError {
    /// The server answered, but not with the file.
    #[error("{host} answered {status}")]
    Refused {
        /// The server.
        host: String,
        /// Its answer.
        status: StatusCode,
    },
    /// No connection, or one that broke again and again without any progress.
    #[error("no connection to {host}, or it broke: {reason}")]
    Broken {
        /// The server.
        host: String,
        /// The last failure.
        reason: Box<ureq::Error>,
    },
    /// The file has been removed, since it is not the one that was asked for.
    #[error("{file} has the wrong sha256: {found} instead of {expected}; it was removed")]
    WrongHash {
        /// The file.
        file: PathBuf,
        /// The hash it has.
        found: String,
        /// The hash it should have.
        expected: String,
    },
    /// The disk failed, not the network.
    #[error("cannot write {file}: {reason}")]
    Disk {
        /// The file.
        file: PathBuf,
        /// The failure.
        reason: io::Error,
    },
    /// The answer makes no sense.
    #[error("{0}")]
    Nonsense(String),
}

/// The client: time limits and the number of attempts.
pub struct Downloader {
    agent: Agent,
    /// Attempts in a row that may bring no progress.
    attempts: u32,
    /// The pause before another attempt.
    pause: Duration,
}

/// One attempt's end.
enum Attempt {
    Complete,
    /// The connection broke after so many new bytes.
    Broken(u64, Box<ureq::Error>),
}

impl Downloader {
    /// Waits for slow servers (a mirror may first have to fetch the file itself), and tries five
    /// times.
    pub fn patient() -> Self {
        let seconds = Duration::from_secs;
        Self { agent: agent(seconds(20), seconds(180)), attempts: 5, pause: seconds(1) }
    }

    /// Gives up within seconds on a server that cannot be reached.
    pub fn impatient() -> Self {
        Self { agent: agent(Duration::from_secs(4), Duration::from_secs(10)), attempts: 1, pause: Duration::ZERO }
    }

    /// The text at `address`, and the address that it came from after redirects.
    pub fn text(&self, address: &Url) -> Result<(Url, String), DownloadError> {
        let broken = |reason| DownloadError::Broken { host: host(address), reason: Box::new(reason) };
        let request = self.agent.get(address.as_str()).header(header::ACCEPT, "text/html");
        let mut response = request.call().map_err(broken)?;
        if !response.status().is_success() {
            return Err(DownloadError::Refused { host: host(address), status: response.status() });
        }
        let source = response.get_uri().to_string();
        let source = Url::parse(&source).map_err(|_| nonsense(address, "redirected to no address"))?;
        Ok((source, response.body_mut().read_to_string().map_err(broken)?))
    }

    /// Downloads a file, or the rest of it when a part is there already, or nothing when the file
    /// is.
    ///
    /// # Errors
    /// See [`DownloadError`]. After all but a wrong hash another call goes on where this one
    /// stopped.
    pub fn fetch(&self, download: &Download) -> Result<(), DownloadError> {
        if !download.file.exists() {
            let part = part_of(download.file);
            self.fetch_part(download, &part)?;
            fs::rename(&part, download.file).map_err(disk(download.file))?;
        }
        check_hash(download.file, download.sha256)
    }

    fn fetch_part(&self, download: &Download, part: &Path) -> Result<(), DownloadError> {
        eprintln!("downloading {} from {}", download.name, host(download.address));
        let progress = progress_bar();
        let mut fruitless = 0;
        loop {
            let (received, reason) = match self.attempt(download, part, &progress)? {
                Attempt::Complete => break,
                Attempt::Broken(received, reason) => (received, reason),
            };
            fruitless = if received > 0 { 0 } else { fruitless + 1 };
            if fruitless >= self.attempts {
                return Err(DownloadError::Broken { host: host(download.address), reason });
            }
            thread::sleep(self.pause);
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// Asks for what is missing from `part` and appends it.
    fn attempt(&self, download: &Download, part: &Path, bar: &ProgressBar) -> Result<Attempt, DownloadError> {
        let mut file = OpenOptions::new().create(true).append(true).open(part).map_err(disk(part))?;
        let have = file.seek(SeekFrom::End(0)).map_err(disk(part))?;
        let mut request = self.agent.get(download.address.as_str());
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(reason) => return Ok(Attempt::Broken(0, Box::new(reason))),
        };
        let Some((start, total)) = offered(&response, have, download.address)? else {
            return Ok(Attempt::Complete);
        };
        if start != have {
            file.set_len(start).map_err(disk(part))?;
        }
        bar.set_length(total.unwrap_or_default());
        bar.set_position(start);
        let mut length = start;
        let broken = copy(&mut response.body_mut().as_reader(), &mut file, &mut length, bar).map_err(disk(part))?;
        let cut_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed early");
        let broken = broken.or_else(|| total.filter(|total| length < *total).map(|_| cut_off()));
        Ok(broken.map_or(Attempt::Complete, |reason| Attempt::Broken(length - start, Box::new(reason.into()))))
    }
}

/// Where the body of an answer starts in the file (0, or `have` if the server goes on from there)
/// and how long the whole file is, if said; `None` if there is nothing left to send.
fn offered(response: &Response<Body>, have: u64, address: &Url) -> Result<Option<(u64, Option<u64>)>, DownloadError> {
    let range = content_range(response.headers());
    match (response.status(), range) {
        (StatusCode::OK, _) => Ok(Some((0, response.body().content_length()))),
        (StatusCode::PARTIAL_CONTENT, Some((Some(start), total))) if start == have => Ok(Some((start, total))),
        (StatusCode::PARTIAL_CONTENT, _) => Err(nonsense(address, "sent another part of the file than asked for")),
        (StatusCode::RANGE_NOT_SATISFIABLE, Some((None, Some(total)))) if total == have => Ok(None),
        (status, _) => Err(DownloadError::Refused { host: host(address), status }),
    }
}

/// The first byte and the total length in `Content-Range: bytes 100-199/200`; either may be unknown
/// (`*`).
fn content_range(headers: &HeaderMap) -> Option<(Option<u64>, Option<u64>)> {
    let value = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-').and_then(|(start, _end)| start.parse().ok());
    Some((start, total.parse().ok()))
}

/// Copies until the end or until reading fails, whose reason is returned; a failure to write is an
/// error.
fn copy(from: &mut impl Read, to: &mut File, length: &mut u64, bar: &ProgressBar) -> io::Result<Option<io::Error>> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => count,
            Err(reason) => return Ok(Some(reason)),
        };
        to.write_all(&buffer[..count])?;
        *length += count as u64;
        bar.set_position(*length);
    }
}

/// Checks a file's hash, if one is expected, and removes the file when it has another.
///
/// # Errors
/// When the hash is another, or the file cannot be read.
pub fn check_hash(file: &Path, expected: Option<&str>) -> Result<(), DownloadError> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let found = hash_of(file).map_err(disk(file))?;
    if found == expected {
        return Ok(());
    }
    fs::remove_file(file).map_err(disk(file))?;
    Err(DownloadError::WrongHash { file: file.into(), found, expected: expected.into() })
}

/// Whether there is such a file with this hash.
pub fn has_hash(file: &Path, expected: &str) -> bool {
    hash_of(file).is_ok_and(|found| found == expected)
}

fn hash_of(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}

/// The proxy comes from the environment, the certificates from the system. `silence` bounds how
/// long an answer or the next bytes of it may take; there is no bound on the whole.
fn agent(connect: Duration, silence: Duration) -> Agent {
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
    let config = Agent::config_builder().tls_config(tls).http_status_as_error(false);
    let config = config.timeout_resolve(Some(connect)).timeout_connect(Some(connect));
    config.timeout_recv_response(Some(silence)).timeout_per_read(Some(silence)).build().into()
}

fn progress_bar() -> ProgressBar {
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn part_of(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".part");
    name.into()
}

fn host(address: &Url) -> String {
    address.host_str().unwrap_or("the server").to_owned()
}

fn nonsense(address: &Url, what: &str) -> DownloadError {
    DownloadError::Nonsense(format!("{} {what}", host(address)))
}

fn disk(file: &Path) -> impl FnOnce(io::Error) -> DownloadError {
    let file = file.to_owned();
    |reason| DownloadError::Disk { file, reason }
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
