//! Photos fetched by their address, for clients that name one instead of sending it.
//!
//! Whoever asks must not reach through this server what they could not reach themselves. So every host
//! name is resolved by [`Resolver`], which gives the connection public addresses only; a bare IP address
//! is checked as it stands; each redirect is a new address and is checked alike; and time and size have
//! bounds.

mod address;
mod resolver;

pub use address::{AddressPolicy, is_public};

use crate::config::FetchConfig;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use resolver::{Refused, Resolver};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Fetches photos. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    allowed: AddressPolicy,
    max_bytes: usize,
    max_redirects: usize,
    timeout: Duration,
}

/// Why a photo could not be fetched, in words for whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is none that this server fetches from.
    #[error("the address cannot be used: {0}")]
    Refused(&'static str),
    /// The other server did not give the photo.
    #[error("the photo could not be fetched: {0}")]
    Failed(String),
    /// The other server gave too much.
    #[error("the photo at this address has more than {max_bytes} bytes")]
    TooLarge {
        /// The most that is accepted.
        max_bytes: usize,
    },
    /// Fetching cannot work at all, e.g. for want of root certificates.
    #[error("no client for fetching: {0}")]
    NoClient(#[source] reqwest::Error),
}

const NOT_HTTP: &str = "it must start with http:// or https://";
const CREDENTIALS: &str = "it must hold no user name or password";
const NOT_PUBLIC: &str = "its host is not on the public internet";

impl Fetcher {
    /// A client that only connects to addresses which `allowed` lets through; outside of tests, [`is_public`].
    ///
    /// # Errors
    /// [`FetchError::NoClient`].
    pub fn new(settings: &FetchConfig, max_bytes: usize, allowed: AddressPolicy) -> Result<Fetcher, FetchError> {
        let client = Client::builder()
            .user_agent(concat!("expansionnet/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Resolver { allowed }))
            // Redirects are followed by `fetch`, which checks each; a proxy would resolve names itself.
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .build()
            .map_err(FetchError::NoClient)?;
        let timeout = Duration::from_secs(settings.timeout_seconds);
        Ok(Fetcher { client, allowed, max_bytes, max_redirects: settings.max_redirects, timeout })
    }

    /// Fetches the file at this address, whatever it is.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let late = |_| FetchError::Failed(format!("it did not arrive within {} s", self.timeout.as_secs()));
        tokio::time::timeout(self.timeout, self.follow(url)).await.map_err(late)?
    }

    async fn follow(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let mut url = self.check(Url::parse(url).map_err(|_| FetchError::Refused(NOT_HTTP))?)?;
        for _ in 0..=self.max_redirects {
            let response = self.client.get(url.clone()).send().await.map_err(describe)?;
            let status = response.status();
            if status.is_success() {
                return self.read(response).await;
            }
            let target = response.headers().get(LOCATION).filter(|_| status.is_redirection());
            let Some(target) = target.and_then(|target| target.to_str().ok()) else {
                return Err(FetchError::Failed(format!("the other server answered with status {}", status.as_u16())));
            };
            let target = url.join(target);
            url = self.check(target.map_err(|_| FetchError::Failed("the redirect leads nowhere".to_owned()))?)?;
        }
        Err(FetchError::Failed(format!("there are more than {} redirects", self.max_redirects)))
    }

    /// What can be told before the name is resolved.
    fn check(&self, url: Url) -> Result<Url, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Refused(NOT_HTTP));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Refused(CREDENTIALS));
        }
        // A bare address never comes to the resolver. It is in its usual form here, however it was written.
        let bare = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        match bare {
            Some(address) if !(self.allowed)(address) => Err(FetchError::Refused(NOT_PUBLIC)),
            _ => Ok(url),
        }
    }

    /// The body, as far as it is allowed to go.
    async fn read(&self, mut response: Response) -> Result<Vec<u8>, FetchError> {
        let too_large = || FetchError::TooLarge { max_bytes: self.max_bytes };
        if response.content_length().is_some_and(|length| length > self.max_bytes as u64) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(describe)? {
            if chunk.len() > self.max_bytes - bytes.len() {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// What a client may know of a failed connection: addresses inside messages stay inside.
fn describe(error: reqwest::Error) -> FetchError {
    let refused = std::iter::successors(error.source(), |&cause| cause.source()).any(|cause| cause.is::<Refused>());
    if refused {
        FetchError::Refused(NOT_PUBLIC)
    } else if error.is_connect() {
        FetchError::Failed("the other server cannot be reached".to_owned())
    } else {
        FetchError::Failed("the other server broke off".to_owned())
    }
}
