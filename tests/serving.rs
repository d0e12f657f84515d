//! The server over real connections: bounds on time and size, and how it stops.

mod support;

use expansionnet::config::Config;
use expansionnet::web::Server;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use support::fake_model::FakeModel;
use support::web::{TestApp, png};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

/// A server on a free port, with its storage.
struct Running {
    server: Server,
    address: SocketAddr,
    _app: TestApp,
}

async fn start(model: FakeModel, change: fn(&mut Config)) -> Running {
    let mut config = Config::defaults().expect("valid defaults");
    change(&mut config);
    let app = TestApp::with(model, change).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = Server::start(listener, app.router.clone(), &config.server);
    Running { server, address, _app: app }
}

impl Running {
    /// Opens a connection and sends this much.
    async fn send(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).await.expect("the server listens");
        connection.write_all(bytes.as_ref()).await.expect("the server reads");
        connection
    }
}

/// Everything until the server closes the connection.
async fn read_to_end(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(LONG, connection.read_to_end(&mut answer));
    match reading.await.expect("the server closes the connection") {
        Ok(_) => (),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn upload(photo: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /api/caption HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: image/png\r\n\
         content-length: {}\r\n\r\n",
        photo.len()
    );
    [head.as_bytes(), photo].concat()
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let running = start(FakeModel::new(), |config| config.server.header_timeout_seconds = 1).await;
    let mut silent = running.send("").await;
    let mut half = running.send("GET /livez HTTP/1.1\r\nhost: he").await;
    assert!(!read_to_end(&mut silent).await.contains("200 OK"));
    assert!(!read_to_end(&mut half).await.contains("200 OK"));
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let running = start(FakeModel::new(), |config| config.server.header_timeout_seconds = 1).await;
    let mut idle = running.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let answer = read_to_end(&mut idle).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"up"}"#), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let running = start(FakeModel::new(), |_| ()).await;
    let padding = "x".repeat(300_000);
    let mut long = TcpStream::connect(running.address).await.expect("the server listens");
    // The server may close the connection before it has read everything.
    long.write_all(format!("GET / HTTP/1.1\r\nx-padding: {padding}\r\n\r\n").as_bytes()).await.ok();
    let answer = read_to_end(&mut long).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up() {
    let running = start(FakeModel::new(), |config| config.server.upload_timeout_seconds = 1).await;
    let photo = png(40, 40);
    let upload = upload(&photo);
    let mut slow = running.send(&upload[..upload.len() - 1]).await;
    let answer = read_to_end(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains(r#""code":"upload-timed-out""#), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let running = start(FakeModel::new(), |config| {
        config.server.answer_timeout_seconds = 1;
        config.server.header_timeout_seconds = 300;
    })
    .await;
    let mut deaf = running.send("").await;
    // Sooner or later everything between the two is full of answers and requests.
    let asking =
        async { while deaf.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n").await.is_ok() {} };
    tokio::time::timeout(LONG, asking).await.expect("the server closes the connection");
    // Others are served all the while.
    let mut other = running.send("GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(read_to_end(&mut other).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn connections_are_bounded() {
    let running = start(FakeModel::new(), |config| config.server.max_connections = 1).await;
    let mut first = running.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    first.read_exact(&mut [0; 15]).await.expect("an answer");
    let ask = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let refused = read_to_end(&mut running.send(ask).await).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 503 "), "{refused}");
    drop(first);
    let served = async { while !read_to_end(&mut running.send(ask).await).await.starts_with("HTTP/1.1 200 OK") {} };
    tokio::time::timeout(LONG, served).await.expect("the place is free again");
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_began_and_takes_no_more() {
    let (model, keeper) = FakeModel::gated();
    let running = start(model, |_| ()).await;
    let mut in_progress = running.send(upload(&png(31, 7))).await;
    let keeper = keeper.until_entered().await;
    let stopping = tokio::spawn(running.server.stop());
    let refused = async {
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, refused).await.expect("no new connections");
    keeper.let_through();
    let answer = read_to_end(&mut in_progress).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("A picture of 31 by 7"), "{answer}");
    assert!(stopping.await.expect("no panic"), "nothing was given up");
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_at_the_end() {
    let (model, keeper) = FakeModel::gated();
    let running = start(model, |config| config.server.shutdown_timeout_seconds = 1).await;
    let mut in_progress = running.send(upload(&png(31, 7))).await;
    let keeper = keeper.until_entered().await;
    let stopped = tokio::time::timeout(LONG, running.server.stop()).await.expect("stops in bounded time");
    assert!(!stopped, "a request was given up");
    assert_eq!(read_to_end(&mut in_progress).await, "");
    drop(keeper);
}
