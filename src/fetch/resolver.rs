//! Host names to allowed addresses: what is connected to is what was checked.

use super::AddressPolicy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::SocketAddr;

/// Resolves names as the system does, and leaves out what is not allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver {
    pub allowed: AddressPolicy,
}

/// A name has no allowed address.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
pub(super) struct Refused;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed;
        Box::pin(async move {
            // The port is put in by the client.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.filter(|address| allowed(address.ip())).collect();
            if addresses.is_empty() {
                return Err(Refused.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
