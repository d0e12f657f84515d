//! The real server over real HTTP with the bundled model: upload to caption, photos a second, memory.
//! `cargo xtask bench serving`

use futures_util::StreamExt;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// A server of its own, on a free port, with an empty store.
struct Server {
    child: Child,
    address: String,
    _storage: TempDir,
}

impl Server {
    fn start() -> anyhow::Result<Server> {
        let storage = tempfile::tempdir()?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_expansionnet"))
            .arg("serve")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("EXPANSIONNET_SERVER__ADDRESS", "127.0.0.1:0")
            .env("EXPANSIONNET_STORAGE__DIRECTORY", storage.path())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| anyhow::anyhow!("the server has no standard error"))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut address = None;
        for line in lines.by_ref() {
            let line = line?;
            address = address.or_else(|| line.split("listening on ").nth(1).map(str::to_owned));
            if line.contains("ready for photos") {
                break;
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.ok_or_else(|| anyhow::anyhow!("the server did not start"))?;
        Ok(Server { child, address, _storage: storage })
    }

    /// Resident memory in MB.
    fn memory(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("0");
        Ok(kilobytes.parse::<f64>()? / 1e3)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A 640 x 480 JPEG unlike any other: no answer comes from the store.
fn photo(seed: u32) -> anyhow::Result<Vec<u8>> {
    let wave = |x: u32, y: u32, c: u32| ((x * (3 + c) + seed * 7) / 9 % 97 + (y * (5 - c) + seed * 13) / 7 % 101) as u8;
    let picture = RgbImage::from_fn(640, 480, |x, y| Rgb([wave(x, y, 0), wave(x, y, 1), wave(x, y, 2)]));
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&picture)?;
    Ok(bytes)
}

async fn caption(client: &reqwest::Client, address: &str, photo: Vec<u8>) -> anyhow::Result<f64> {
    let start = Instant::now();
    let request = client.post(format!("{address}/api/caption")).header("content-type", "image/jpeg").body(photo);
    let answer = request.send().await?.error_for_status()?;
    let answer: serde_json::Value = answer.json().await?;
    anyhow::ensure!(answer["cached"] == false, "an answer came from the store");
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = Server::start()?;
    let client = reqwest::Client::new();
    let mut seeds = 0..;
    let mut photos = |count: usize| seeds.by_ref().take(count).map(photo).collect::<anyhow::Result<Vec<_>>>();

    let mut times = Vec::new();
    for photo in photos(110)? {
        times.push(caption(&client, &server.address, photo).await?);
    }
    times.drain(..10); // warm-up
    times.sort_by(f64::total_cmp);
    println!("one after another: p50 {:.1} ms, p95 {:.1} ms from upload to caption", times[50], times[95]);

    for together in [2, 8, 16] {
        let batch = photos(200)?;
        let start = Instant::now();
        let requests = batch.into_iter().map(|photo| caption(&client, &server.address, photo));
        let answers: Vec<_> = futures_util::stream::iter(requests).buffer_unordered(together).collect().await;
        answers.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        println!("{together:>2} at a time: {:.1} photos a second", 200. / start.elapsed().as_secs_f64());
    }

    print!("memory in MB after each 200 of 2,000 captions:");
    for _ in 0..10 {
        let batch = photos(200)?;
        let requests = batch.into_iter().map(|photo| caption(&client, &server.address, photo));
        let answers: Vec<_> = futures_util::stream::iter(requests).buffer_unordered(8).collect().await;
        answers.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        print!(" {:.0}", server.memory()?);
    }
    println!();
    Ok(())
}
