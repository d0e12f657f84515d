//! The names that requests are for. A page of another site can give this machine a name of its own (DNS rebinding);
//! then its requests come from the same origin, for the browser as for `cross_site.rs`, and only the name tells.

use super::AppState;
use super::problem::Problem;
use crate::config::{ClientAddress, ServerConfig};
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;

/// Refuses requests for a name that is not the server's, where the settings let that be told.
pub(super) async fn check(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, Problem> {
    let settings = &state.config.server;
    if are_checked(settings)
        && let Some(name) = strange_name(&request, &settings.hosts)
    {
        return Err(unknown_host(name));
    }
    Ok(next.run(request).await)
}

/// Whether the server's names are known: where they are set, and where it talks to this machine alone. A proxy on this
/// machine may hand on any name.
fn are_checked(settings: &ServerConfig) -> bool {
    let direct = settings.client_address == ClientAddress::Connection;
    !settings.hosts.is_empty() || (direct && settings.listens_locally())
}

/// What the request is for, if that is not this server. Browsers always say it; who says nothing is none.
fn strange_name<'r>(request: &'r Request, hosts: &[String]) -> Option<&'r str> {
    let in_headers = request.headers().get_all(header::HOST).iter();
    let in_headers = in_headers.map(|host| host.to_str().unwrap_or("a name that is no text"));
    let mut names = request.uri().authority().map(Authority::as_str).into_iter().chain(in_headers);
    names.find(|name| !name.is_empty() && !is_ours(name, hosts))
}

/// True for IP addresses, which nobody can give a machine, for what is always this machine, and for the set names.
fn is_ours(name: &str, hosts: &[String]) -> bool {
    let Ok(authority) = name.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let always = host == "localhost" || host.ends_with(".localhost");
    let plain = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    always || hosts.iter().any(|ours| plain(ours) == host)
}

fn unknown_host(name: &str) -> Problem {
    let detail = format!(
        "this server does not know that it is called `{name}`: if it is, the name belongs into its setting \
         `server.hosts`"
    );
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown-host", "The server has another name", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_goes_by_addresses_localhost_and_the_names_it_is_given() {
        let hosts = ["Captions.example.".to_owned()];
        for name in [
            "127.0.0.1:8080",
            "192.168.0.7",
            "[::1]:8080",
            "localhost",
            "LOCALHOST.:8080",
            "app.localhost",
            "captions.EXAMPLE:443",
            "captions.example.",
        ] {
            assert!(is_ours(name, &hosts), "{name}");
        }
        for name in [
            "evil.example:8080",
            "captions.example.evil.example",
            "evil-captions.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "127.0.0.1 evil",
            "localhost@evil.example",
            "1.2.3",
            ".",
        ] {
            assert!(!is_ours(name, &hosts), "{name}");
        }
    }
}
