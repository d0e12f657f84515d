//! The real server over real HTTP with the bundled model: upload to caption, photos a second, memory.
//! `cargo xtask bench serving`

#[path = "../tests/support/server.rs"]
mod server;

use futures_util::StreamExt;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use server::Server;
use std::time::Instant;

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
    let storage = tempfile::tempdir()?;
    let server = Server::start(storage.path()).await?;
    let client = server.client();
    let mut seeds = 0..;
    let mut photos = |count: usize| seeds.by_ref().take(count).map(photo).collect::<anyhow::Result<Vec<_>>>();

    let mut times = Vec::new();
    for photo in photos(110)? {
        times.push(caption(client, server.url(), photo).await?);
    }
    times.drain(..10); // warm-up
    times.sort_by(f64::total_cmp);
    println!("one after another: p50 {:.1} ms, p95 {:.1} ms from upload to caption", times[50], times[95]);

    for together in [2, 8, 16] {
        let batch = photos(200)?;
        let start = Instant::now();
        let requests = batch.into_iter().map(|photo| caption(client, server.url(), photo));
        let answers: Vec<_> = futures_util::stream::iter(requests).buffer_unordered(together).collect().await;
        answers.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        println!("{together:>2} at a time: {:.1} photos a second", 200. / start.elapsed().as_secs_f64());
    }

    print!("memory in MB after each 200 of 2,000 captions:");
    for _ in 0..10 {
        let batch = photos(200)?;
        let requests = batch.into_iter().map(|photo| caption(client, server.url(), photo));
        let answers: Vec<_> = futures_util::stream::iter(requests).buffer_unordered(8).collect().await;
        answers.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        print!(" {:.0}", server.memory()?);
    }
    println!();
    Ok(())
}
