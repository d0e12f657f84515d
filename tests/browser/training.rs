//! An admin without a terminal: signs in, makes a run of all six phases on a dataset of the server, watches it,
//! stops and resumes it, compares, evaluates, and puts a checkpoint into service. With the real program and its
//! child processes, on made pictures and a model so small that two busy cores are enough.

mod asking;
mod dashboard;
#[path = "../../trainer/tests/support/made_dataset.rs"]
mod made_dataset;
mod outcome;

use crate::in_browser;
use crate::server::Server;
use anyhow::{Result, ensure};
use asking::{clone_with_a_change, start_a_run};
use dashboard::{Dashboard, PASSWORD};
use made_dataset::MadeDataset;
use outcome::{compare, deploy, evaluate, read_plots};
use std::path::Path;

/// Stands in for the browser's notifications, which nobody sees here.
const RECORD_NOTIFICATIONS: &str = "void (window.Notification = class {
    static permission = 'granted';
    static async requestPermission() { return 'granted'; }
    constructor(title, { body }) { window.notified = `${title}: ${body}`; }
    addEventListener() {}
})";

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_trains_a_captioner_and_puts_it_into_service() -> Result<()> {
    let made = MadeDataset::new();
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("models"))?;
    let mut server = start_server(&made, folder.path(), "127.0.0.1:0").await?;
    in_browser(async |browser| {
        let admin = Dashboard::sign_in(browser, &server).await?;
        let run = start_a_run(&admin, &made).await?;
        watch(&admin).await?;
        lose_the_server(&admin, &mut server, &made, folder.path()).await?;
        stop_and_resume(&admin).await?;
        finish(&admin).await?;
        read_plots(&admin, folder.path()).await?;
        deploy(&admin, &server).await?;
        let clone = clone_with_a_change(&admin, &run).await?;
        compare(&admin, &run, &clone).await?;
        evaluate(&admin, &run).await?;
        act_on_what_is_gone(&admin, &clone).await?;
        admin.open("/admin").await?;
        admin.page.wait_until("document.querySelectorAll('#runs .run-card').length === 2").await?;
        admin.look_at("overview").await?;
        let complaints = browser.complaints().await?;
        ensure!(complaints.is_empty(), "{complaints:#?}");
        sign_out_elsewhere(&admin).await
    })
    .await
}

async fn start_server(made: &MadeDataset, folder: &Path, address: &str) -> Result<Server> {
    let path = |name: &str| folder.join(name).display().to_string();
    let roots = format!("[{:?}]", made.folder.path());
    let settings = [
        ("SERVER__ADDRESS", address),
        ("ACCESS__ADMIN_PASSWORD", PASSWORD),
        ("TRAINING__DIRECTORY", &path("runs")),
        ("TRAINING__ROOTS", &roots),
        ("MODEL__DIRECTORY", &path("models")),
    ];
    Server::start_with(&folder.join("data"), &settings).await
}

/// Progress and plots move, in the same page.
async fn watch(admin: &Dashboard<'_>) -> Result<()> {
    let page = &admin.page;
    page.value("void (window.sameDocument = true)").await?;
    page.wait_for_text("#state", "Running").await?;
    ensure!(page.count("#steps .step").await? == 6);
    page.wait_for(".step[data-phase='features'][data-state='completed']").await?;
    page.wait_for(".step[data-phase='xe'][data-state='running']").await?;
    page.wait_until("document.querySelector('.plot[aria-label=Loss]:not([hidden]) .legend-value')?.textContent")
        .await?;
    for moving in [
        "document.getElementById('progress').value",
        "document.querySelector('.plot[aria-label=Loss] .plot-canvas').getAttribute('aria-label')",
    ] {
        let before = page.value(moving).await?;
        page.wait_until(&format!("String({moving}) !== {before:?}", before = text(&before))).await?;
    }
    page.wait_until("document.title.includes('xe') && document.title.includes('%')").await?;
    page.wait_until("document.querySelector('#samples .sample-caption')").await?;
    let photo = page.wait_for("#samples .sample").await?;
    ensure!(page.loaded_width(&photo, "img").await? > 0, "the sample's photo is shown");
    ensure!(page.value("window.sameDocument").await? == true, "the page was not loaded again");
    Ok(())
}

/// The server is killed and started again: the page says that it is behind, and catches up; the run went on.
async fn lose_the_server(admin: &Dashboard<'_>, server: &mut Server, made: &MadeDataset, folder: &Path) -> Result<()> {
    let page = &admin.page;
    page.wait_until("document.getElementById('run').dataset.connection === 'live'").await?;
    let address = server.url().trim_start_matches("http://").to_owned();
    server.kill()?;
    page.wait_until("document.getElementById('run').dataset.connection === 'offline'").await?;
    page.wait_until("!document.getElementById('connection').hidden").await?;
    *server = start_server(made, folder, &address).await?;
    page.wait_until("document.getElementById('run').dataset.connection === 'live'").await?;
    page.wait_until("document.getElementById('connection').hidden").await?;
    page.wait_for_text("#state", "Running").await?;
    let complaints = admin.browser.complaints().await?;
    let others: Vec<_> = complaints.iter().filter(|complaint| !complaint.contains("net::ERR_")).collect();
    ensure!(others.is_empty(), "{others:#?}");
    Ok(())
}

async fn stop_and_resume(admin: &Dashboard<'_>) -> Result<()> {
    let page = &admin.page;
    page.click("[data-action='stop']").await?;
    page.wait_for_text("#state", "Stopped").await?;
    page.wait_for(".checkpoint").await?;
    page.wait_for(".step[data-phase='xe'][data-state='stopped']").await?;
    page.click("[data-action='resume']").await?;
    page.wait_for_text("#state", "Running").await?;
    page.wait_for(".step[data-phase='xe'][data-state='running']").await?;
    Ok(())
}

async fn finish(admin: &Dashboard<'_>) -> Result<()> {
    let page = &admin.page;
    page.value(RECORD_NOTIFICATIONS).await?;
    page.click("#actions button[aria-pressed='false']").await?;
    page.wait_for("#actions button[aria-pressed='true']").await?;
    page.wait_for_text("#state", "Completed").await?;
    page.wait_until("window.notified === 'Squares and discs: Completed'").await?;
    ensure!(page.count(".step[data-state='completed']").await? == 6);
    ensure!(page.value("window.sameDocument").await? == true, "the page was not loaded again");
    page.wait_until("document.querySelector('.plot[aria-label=Reward]:not([hidden])')").await?;
    page.wait_until("document.querySelector('.plot[aria-label=\"Caption metrics\"]:not([hidden])')").await?;
    page.wait_until("document.querySelectorAll('#configuration .data-table tbody tr').length > 20").await?;
    // As a person finds it who comes later: from the store alone.
    let path = page.path().await?;
    admin.open(&path).await?;
    page.wait_until("document.querySelector('.plot[aria-label=Loss]:not([hidden])')").await?;
    page.wait_until("document.querySelector('#samples img')?.complete").await?;
    admin.look_at("run").await
}

/// Another admin was faster: the old page says so.
async fn act_on_what_is_gone(admin: &Dashboard<'_>, id: &str) -> Result<()> {
    let page = &admin.page;
    admin.open(&format!("/admin/runs/{id}")).await?;
    page.wait_for("[data-action='delete']").await?;
    let deleted = format!("(await fetch('/api/admin/jobs/{id}?files=true', {{ method: 'DELETE' }})).status");
    let deleted = page.value(&format!("(async () => {deleted})()")).await?;
    ensure!(deleted == 204, "{deleted}");
    page.click("[data-action='delete']").await?;
    page.click(".dialog button[value='yes']").await?;
    page.wait_until("/no job with this id/.test(document.getElementById('toast-text').textContent)").await?;
    let complaints = admin.browser.complaints().await?;
    ensure!(complaints.iter().all(|complaint| complaint.contains("404")), "{complaints:#?}");
    Ok(())
}

/// The page says so, and where to sign in again.
async fn sign_out_elsewhere(admin: &Dashboard<'_>) -> Result<()> {
    let page = &admin.page;
    page.value("(async () => { await fetch('/sign-out', { method: 'POST', redirect: 'manual' }); })()").await?;
    page.wait_for("#connection:not([hidden]) a[href='/sign-in?next=%2Fadmin']").await?;
    Ok(())
}

/// A value of JavaScript as `String()` gives it.
fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
