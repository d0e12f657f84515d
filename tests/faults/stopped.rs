//! SIGTERM while photos are on their way.

use super::server::Server;
use super::{Answered, small_photo, start, storage};
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Beyond the second that the settings give, for ending the process itself on a busy machine.
const MORE: Duration = Duration::from_secs(20);

/// An upload whose body is half sent, and which the server is known to be reading.
struct HalfSent {
    connection: TcpStream,
    rest: Vec<u8>,
}

impl HalfSent {
    fn new(server: &Server, seed: u64) -> Result<HalfSent> {
        let photo = small_photo(seed)?;
        let mut connection = TcpStream::connect(address(server))?;
        connection.set_read_timeout(Some(Duration::from_secs(60)))?;
        // The server asks for the body when it begins to read it.
        write!(
            connection,
            "POST /api/caption HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            photo.len()
        )?;
        let mut asked = [0; 25];
        connection.read_exact(&mut asked)?;
        ensure!(asked.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&asked));
        let (half, rest) = photo.split_at(photo.len() / 2);
        connection.write_all(half)?;
        Ok(HalfSent { connection, rest: rest.to_vec() })
    }

    fn finish(mut self) -> Result<Answered> {
        self.connection.write_all(&self.rest)?;
        let mut response = String::new();
        self.connection.read_to_string(&mut response)?;
        ensure!(response.starts_with("HTTP/1.1 200 "), "{response}");
        let (_, body) = response.split_once("\r\n\r\n").context("no body")?;
        Answered::new(&serde_json::from_str(body)?)
    }
}

fn address(server: &Server) -> &str {
    server.url().trim_start_matches("http://")
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_in_progress_are_answered_and_kept() -> Result<()> {
    let storage = tempfile::tempdir()?;
    let mut server = start(storage.path(), &[]).await?;
    let uploads: Vec<_> = (0..16).map(|seed| HalfSent::new(&server, seed)).collect::<Result<_>>()?;

    server.terminate()?;
    server.wait_for_log("finishing what is in progress")?;
    let answers: Vec<_> = uploads.into_iter().map(HalfSent::finish).collect::<Result<_>>()?;

    let status = server.ended(MORE).await?;
    ensure!(status.code() == Some(0), "{status}");
    ensure!(TcpStream::connect(address(&server)).is_err(), "someone still listens");
    let server = start(storage.path(), &[]).await?;
    for answered in &answers {
        answered.is_there(&server).await?;
    }
    storage::becomes_tidy(storage.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_keeps_the_server_from_stopping() -> Result<()> {
    let storage = tempfile::tempdir()?;
    let mut server = start(storage.path(), &[("SERVER__SHUTDOWN_TIMEOUT_SECONDS", "1")]).await?;
    let stuck = HalfSent::new(&server, 1)?;
    server.terminate()?;
    let status = server.ended(MORE).await?;
    ensure!(status.code() == Some(0), "{status}");
    ensure!(stuck.finish().is_err(), "the photo never came whole");
    let server = start(storage.path(), &[]).await?;
    let (_, captions) = server.get("/api/captions").await?;
    let captions: serde_json::Value = serde_json::from_slice(&captions)?;
    ensure!(captions["captions"] == serde_json::json!([]), "{captions}");
    storage::becomes_tidy(storage.path()).await
}
