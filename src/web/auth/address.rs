//! The address that a request counts for: the connection's, or the one that a trusted proxy wrote down.

use crate::config::ClientAddress;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Reads the address where the settings say. Where the header is missing or no address, the connection's.
pub(super) fn client_address(request: &Request, source: ClientAddress) -> IpAddr {
    let from_proxy = match source {
        ClientAddress::Connection => None,
        ClientAddress::XForwardedFor => last_element(request.headers(), "x-forwarded-for"),
        ClientAddress::XRealIp => last_element(request.headers(), "x-real-ip"),
    };
    let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
    // Calls without a socket come from this process.
    let connection = || connection.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| info.0.ip());
    from_proxy.unwrap_or_else(connection).to_canonical()
}

/// The last address in a header: the nearest proxy wrote it, and everything before it may be made up.
fn last_element(headers: &HeaderMap, name: &str) -> Option<IpAddr> {
    let last = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    last.parse().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn address(source: ClientAddress, connection: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let connection: SocketAddr = connection.parse().expect("an address");
        let request = request.extension(ConnectInfo(connection)).body(Body::empty()).expect("a request");
        client_address(&request, source).to_string()
    }

    #[test]
    fn headers_count_only_where_the_settings_say_so() {
        let headers = [("x-forwarded-for", "6.6.6.6"), ("x-real-ip", "7.7.7.7")];
        let from = |source| address(source, "10.0.0.1:5000", &headers);
        assert_eq!(from(ClientAddress::Connection), "10.0.0.1");
        assert_eq!(from(ClientAddress::XForwardedFor), "6.6.6.6");
        assert_eq!(from(ClientAddress::XRealIp), "7.7.7.7");
    }

    #[test]
    fn of_many_forwarders_the_last_one_is_believed() {
        let from = |value| address(ClientAddress::XForwardedFor, "10.0.0.1:5000", &[("x-forwarded-for", value)]);
        assert_eq!(from("1.1.1.1, 6.6.6.6 , 9.9.9.9"), "9.9.9.9");
        assert_eq!(from("9.9.9.9:4711"), "9.9.9.9", "some proxies add the port");
        assert_eq!(from("2001:db8::1"), "2001:db8::1");
        assert_eq!(from("unknown"), "10.0.0.1");
        let two = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "9.9.9.9")];
        assert_eq!(address(ClientAddress::XForwardedFor, "10.0.0.1:5000", &two), "9.9.9.9");
    }

    #[test]
    fn an_old_address_in_new_clothes_is_the_old_address() {
        assert_eq!(address(ClientAddress::Connection, "[::ffff:1.2.3.4]:80", &[]), "1.2.3.4");
    }
}
