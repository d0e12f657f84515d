//! What comes of runs: plots to read, a checkpoint to download, to put into service and to evaluate, runs compared.

use super::dashboard::Dashboard;
use super::made_dataset::{COLOURS, SHAPES, pictures};
use crate::history::download;
use crate::page::State;
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use fantoccini::key::Key;
use std::io::Cursor;
use std::path::Path;

/// The names and the JSON in the first checkpoint's archive are readable as text.
const READ_ARCHIVE: &str = "(async () => {
    const answer = await fetch(document.querySelector('.checkpoint a[download]').href);
    return answer.headers.get('content-disposition') + new TextDecoder('latin1').decode(await answer.arrayBuffer());
})()";

/// The page of an evaluation's reports, as the link gives it.
const READ_REPORT: &str = "(async () => {
    const answer = await fetch(document.querySelector(\"#result a[href$='/report.html']\").href);
    return answer.headers.get('content-disposition') + await answer.text();
})()";

/// Zoomed with keys, kept as a picture; and a checkpoint is downloaded.
pub async fn read_plots(admin: &Dashboard<'_>, folder: &Path) -> Result<()> {
    let page = &admin.page;
    let rate = ".plot[aria-label='Learning rate'] .legend-value";
    admin.choose("#plot-phase", "xe").await?;
    page.wait_for_text(rate, "0.004").await?;
    admin.choose("#plot-phase", "").await?;
    page.wait_until(&format!("document.querySelector(\"{rate}\").textContent !== '0.004'")).await?;
    page.value("void document.querySelector('.plot[aria-label=Loss] .plot-canvas').focus()").await?;
    page.press("+").await?;
    page.wait_until("!document.getElementById('plot-reset').disabled").await?;
    page.press(&char::from(Key::Left).to_string()).await?;
    page.wait_until("/iteration/.test(document.querySelector('.plot[aria-label=Loss] .plot-place').textContent)")
        .await?;
    page.press("0").await?;
    page.wait_until("document.getElementById('plot-reset').disabled").await?;
    admin.choose("#plot-axis", "time").await?;
    page.click("#plot-log").await?;

    let downloads = folder.join("downloads");
    std::fs::create_dir(&downloads)?;
    admin.browser.set_downloads(&downloads).await?;
    page.click(".plot[aria-label=Loss] .plot-head button").await?;
    ensure!(download(&downloads, "png").await?.starts_with(b"\x89PNG"), "a picture");
    // What the link leads to: Chromium keeps one download of a page only, unless somebody allows more.
    let text = page.value(READ_ARCHIVE).await?.to_string();
    ensure!(
        text.contains(".tar") && text.contains("model.safetensors") && text.contains("vocab.json"),
        "a model folder"
    );
    Ok(())
}

/// The best checkpoint captions a photo on the public page; then the model before does again.
pub async fn deploy(admin: &Dashboard<'_>, server: &Server) -> Result<()> {
    let page = &admin.page;
    let run = page.path().await?;
    let before = served(server).await?;
    page.click("[data-activate^='xe/best']").await?;
    page.click(".dialog button[value='yes']").await?;
    page.wait_for("#taken:not([hidden])").await?;
    let trained = served(server).await?;
    ensure!(trained != before, "{trained} is in service");

    admin.open("/").await?;
    let (made, picture) = pictures().swap_remove(0);
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png)?;
    page.drop_file(&made.file, "image/png", png.get_ref()).await?;
    let card = page.wait_for_card(&made.file, State::Done).await?;
    let caption = card.text_of(".result-caption").await?.to_lowercase();
    let words = COLOURS.map(|(colour, _)| colour).into_iter().chain(SHAPES).chain(["a"]);
    let known: Vec<&str> = words.collect();
    let taught = caption.trim_end_matches('.').split(' ').all(|word| known.contains(&word));
    ensure!(taught, "{caption:?} has other words than the dataset");

    admin.open(&run).await?;
    page.click("#take-back").await?;
    page.wait_until("document.getElementById('taken').hidden").await?;
    page.wait_until("document.activeElement.id === 'checkpoints-title'").await?;
    ensure!(served(server).await? == before, "it is taken back");
    Ok(())
}

/// Two runs that are selected in the overview.
pub async fn compare(admin: &Dashboard<'_>, run: &str, other: &str) -> Result<()> {
    let page = &admin.page;
    admin.open("/admin").await?;
    for id in [run, other] {
        page.click(&format!(".run-card input[value='{id}']")).await?;
    }
    page.click("#compare").await?;
    page.wait_until("document.querySelectorAll('.plot[aria-label=loss] .legend-button').length === 2").await?;
    page.wait_until("[...document.querySelectorAll('#settings code')].some((key) => key.textContent === 'xe.epochs')")
        .await?;
    page.wait_until("document.querySelector('#metrics .data-table')").await?;
    admin.look_at("compare").await
}

/// A checkpoint, from its link on the run's page to the kept reports.
pub async fn evaluate(admin: &Dashboard<'_>, run: &str) -> Result<()> {
    let page = &admin.page;
    admin.open(&format!("/admin/runs/{run}")).await?;
    page.click(".checkpoint a[href^='/admin/evaluate']").await?;
    page.wait_until("document.querySelector('#checkpoints input:checked')").await?;
    page.wait_until("document.getElementById('dataset').value.endsWith('/dataset.json')").await?;
    admin.look_at("evaluate").await?;
    page.click("#start").await?;
    page.wait_until("location.pathname.startsWith('/admin/runs/')").await?;
    page.wait_for_text("#state", "Completed").await?;
    page.wait_until("/CIDEr-D\\s+\\d/.test(document.querySelector('#result .data-table')?.innerText)").await?;
    page.wait_for_text(".step[data-phase=captions] .step-state", "completed").await?;
    page.wait_for(&format!("#judged a[href='/admin/runs/{run}']")).await?;
    let kept = page.value(READ_REPORT).await?.to_string();
    ensure!(kept.contains("attachment") && kept.contains("<html"), "{kept}");
    admin.look_at("evaluation").await
}

/// The id of the model in service.
async fn served(server: &Server) -> Result<String> {
    let (_, body) = server.get("/api/models").await?;
    let models: serde_json::Value = serde_json::from_slice(&body)?;
    models["models"][0]["id"].as_str().map(str::to_owned).with_context(|| models.to_string())
}
