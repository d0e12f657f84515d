//! Tests of downloads against a server on the loopback interface that answers from a script.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

const CONTENT: &[u8] = b"0123456789abcdefghij";
/// `printf 0123456789abcdefghij | sha256sum`
const SHA256: &str = "6bc14bdc4517a7a682c6910de2e2946eb8e1ecd04090728fef6d092a7ceb62c5";

/// Answers one connection after the other, each with the next of `answers`, and returns the
/// requests' `Range` headers.
fn serve(answers: Vec<String>) -> (Url, JoinHandle<Vec<Option<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Url::parse(&format!("http://{}/file", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let answer = |answer: &String| {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let headers: Vec<_> = lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
            stream.write_all(answer.as_bytes()).unwrap();
            headers.iter().find_map(|line| line.strip_prefix("range: ")).map(str::to_owned)
        };
        answers.iter().map(answer).collect()
    });
    (address, server)
}

/// An answer that promises `length` bytes and sends `body`.
fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> String {
    let body = str::from_utf8(body).unwrap();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}")
}

fn rest(from: usize) -> String {
    let headers = format!("Content-Range: bytes {from}-19/20\r\n");
    answer("206 Partial Content", &headers, 20 - from, &CONTENT[from..])
}

/// A client without a proxy, which loopback addresses are not meant for.
fn downloader(attempts: u32) -> Downloader {
    let agent = Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
    Downloader { agent, attempts, pause: Duration::ZERO }
}

fn fetch(attempts: u32, address: &Url, file: &Path) -> Result<(), DownloadError> {
    downloader(attempts).fetch(&Download { address, file, sha256: Some(SHA256), name: "a file" })
}

#[test]
fn a_whole_file_is_written_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let (address, server) = serve(vec![answer("200 OK", "", 20, CONTENT)]);
    fetch(1, &address, &file).unwrap();
    assert_eq!(fs::read(&file).unwrap(), CONTENT);
    assert!(!part_of(&file).exists());
    assert_eq!(server.join().unwrap(), [None]);
    // Now that it is there the server, which is gone, is not asked.
    fetch(1, &address, &file).unwrap();
}

#[test]
fn a_killed_download_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(part_of(&file), &CONTENT[..7]).unwrap();
    let (address, server) = serve(vec![rest(7)]);
    fetch(1, &address, &file).unwrap();
    assert_eq!(fs::read(&file).unwrap(), CONTENT);
    assert_eq!(server.join().unwrap(), [Some("bytes=7-".to_owned())]);
}

#[test]
fn a_broken_connection_is_tried_again_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let (address, server) = serve(vec![answer("200 OK", "", 20, &CONTENT[..12]), rest(12)]);
    fetch(1, &address, &file).unwrap();
    assert_eq!(fs::read(&file).unwrap(), CONTENT);
    assert_eq!(server.join().unwrap(), [None, Some("bytes=12-".to_owned())]);
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(part_of(&file), b"something else, and longer than the file").unwrap();
    let (address, _server) = serve(vec![answer("200 OK", "", 20, CONTENT)]);
    fetch(1, &address, &file).unwrap();
    assert_eq!(fs::read(&file).unwrap(), CONTENT);
}

#[test]
fn a_finished_part_needs_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(part_of(&file), CONTENT).unwrap();
    let (address, _server) = serve(vec![answer("416 Range Not Satisfiable", "Content-Range: bytes */20\r\n", 0, b"")]);
    fetch(1, &address, &file).unwrap();
    assert_eq!(fs::read(&file).unwrap(), CONTENT);
}

#[test]
fn a_wrong_hash_removes_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let (address, _server) = serve(vec![answer("200 OK", "", 20, b"0123456789ABCDEFGHIJ")]);
    let error = fetch(1, &address, &file).unwrap_err();
    assert!(matches!(error, DownloadError::WrongHash { ref expected, .. } if expected == SHA256), "{error}");
    assert!(!file.exists() && !part_of(&file).exists());
}

#[test]
fn a_refusal_and_a_closed_door_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let (address, _server) = serve(vec![answer("404 Not Found", "", 0, b"")]);
    let error = fetch(3, &address, &file).unwrap_err();
    assert!(matches!(error, DownloadError::Refused { status: StatusCode::NOT_FOUND, .. }), "{error}");
    let (address, server) = serve(vec![]);
    server.join().unwrap();
    let error = fetch(3, &address, &file).unwrap_err();
    assert!(matches!(error, DownloadError::Broken { .. }), "{error}");
}

#[test]
fn another_part_than_asked_for_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(part_of(&file), &CONTENT[..7]).unwrap();
    let (address, _server) = serve(vec![rest(8)]);
    assert!(matches!(fetch(1, &address, &file), Err(DownloadError::Nonsense(_))));
    assert_eq!(fs::read(part_of(&file)).unwrap(), &CONTENT[..7]);
}
