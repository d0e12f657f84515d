//! The loop that takes connections and serves them, with bounds on their number, heads, idle time, reading, and
//! stopping.
//!
//! HTTP/1.1 only: a proxy in front speaks the newer versions, and every bound below then holds for every
//! connection. Bodies have their own bounds: see `router.rs`.

mod connection;
mod patience;

use crate::config::ServerConfig;
use axum::Router;
use axum_server::Handle;
use connection::Acceptor;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Bytes read at once. A head that is longer is answered with 431, at the latest at twice the length.
const READ_BUFFER: usize = 32 * 1024;

/// A server that takes connections.
pub struct Server {
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
    shutdown_timeout: Duration,
}

impl Server {
    /// Serves `app` to whoever connects to `listener`.
    pub fn start(listener: TcpListener, app: Router, settings: &ServerConfig) -> Server {
        let handle = Handle::new();
        let answer_timeout = Duration::from_secs(settings.answer_timeout_seconds);
        let mut server = axum_server::Server::<SocketAddr>::from_listener(listener)
            .acceptor(Acceptor::new(settings.max_connections, answer_timeout))
            .accept_error_handler(|_, error| tracing::warn!(%error, "a connection was not taken"))
            .http1_only()
            .handle(handle.clone());
        // Counts from the last answer or the connection's start, so that idle connections end too.
        let head_timeout = Duration::from_secs(settings.header_timeout_seconds);
        server.http_builder().http1().header_read_timeout(head_timeout).max_buf_size(READ_BUFFER);
        let task = tokio::spawn(server.serve(app.into_make_service_with_connect_info::<SocketAddr>()));
        let shutdown_timeout = Duration::from_secs(settings.shutdown_timeout_seconds);
        Server { handle, task, shutdown_timeout }
    }

    /// Waits until the server ends by itself, which it never should; gives the reason.
    pub async fn failed(&mut self) -> String {
        match (&mut self.task).await {
            Ok(Ok(())) => "it was stopped".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(died) => died.to_string(),
        }
    }

    /// Takes no more connections, and waits a bounded time for the requests in progress.
    ///
    /// False when some were given up.
    pub async fn stop(mut self) -> bool {
        self.handle.graceful_shutdown(None);
        if self.task.is_finished() || tokio::time::timeout(self.shutdown_timeout, &mut self.task).await.is_ok() {
            return true;
        }
        self.handle.shutdown();
        if let Err(died) = self.task.await {
            tracing::error!(%died, "the server did not end well");
        }
        false
    }
}
