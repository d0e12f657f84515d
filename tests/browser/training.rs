//! An admin without a terminal: signs in, makes a run of all six phases on a dataset of the server, watches it,
//! stops and resumes it, compares, evaluates, and puts a checkpoint into service. With the real program and its
//! child processes, on made pictures and a model so small that two busy cores are enough.

mod dashboard;
#[path = "../../trainer/tests/support/made_dataset.rs"]
mod made_dataset;

use crate::history::download;
use crate::in_browser;
use crate::page::State;
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use dashboard::{Dashboard, PASSWORD};
use fantoccini::key::Key;
use made_dataset::{COLOURS, MadeDataset, SHAPES, pictures};
use std::io::Cursor;
use std::path::Path;

/// What differs from the paper's recipe: a model of some thousand weights, and batches of six pictures.
const SETTINGS: [(&str, &str); 39] = [
    ("data.min_occurrences", "1"),
    ("model.image_size", "32"),
    ("model.swin_embed_dim", "16"),
    ("model.swin_depths", "1, 1"),
    ("model.swin_num_heads", "1, 2"),
    ("model.swin_window_size", "4"),
    ("model.swin_mlp_ratio", "2"),
    ("model.d_model", "32"),
    ("model.num_encoder_layers", "1"),
    ("model.num_decoder_layers", "1"),
    ("model.num_heads", "2"),
    ("model.d_ff", "64"),
    ("model.encoder_expansion_lengths", "4, 8"),
    ("model.decoder_expansion_length", "4"),
    ("features.kind", "float32"),
    ("features.batch_size", "4"),
    ("xe.batch_size", "4"),
    ("xe.learning_rate", "4e-3"),
    ("xe.warmup_iterations", "5"),
    ("xe.anneal", "1"),
    ("xe.dropouts.encoder", "0"),
    ("xe.dropouts.decoder", "0"),
    ("xe.dropouts.encoder_input", "0"),
    ("xe.dropouts.decoder_input", "0"),
    ("xe.evaluation_images", "6"),
    ("xe-end-to-end.batch_size", "2"),
    ("xe-end-to-end.accumulate", "2"),
    ("xe-end-to-end.learning_rate", "1e-4"),
    ("xe-end-to-end.evaluation_images", "6"),
    ("scst.epochs", "2"),
    ("scst.batch_size", "3"),
    ("scst.learning_rate", "1e-4"),
    ("scst.sample_length", "8"),
    ("scst.evaluation_images", "6"),
    ("scst-end-to-end.batch_size", "3"),
    ("scst-end-to-end.learning_rate", "1e-5"),
    ("scst-end-to-end.sample_length", "8"),
    ("scst-end-to-end.evaluation_images", "6"),
    ("tuned-features.batch_size", "4"),
];

/// Stands in for the browser's notifications, which nobody sees here.
const RECORD_NOTIFICATIONS: &str = "void (window.Notification = class {
    static permission = 'granted';
    static async requestPermission() { return 'granted'; }
    constructor(title, { body }) { window.notified = `${title}: ${body}`; }
    addEventListener() {}
})";

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

/// So many that the run is still at work when the server is back, and when it is stopped.
const EPOCHS: &str = "500";

/// A learning rate that makes a picture of a run: slower, with more to see.
const RATE_FOR_PICTURES: &str = "5e-4";

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

/// Fills in the form, has it checked, and starts; gives the run's id.
async fn start_a_run(admin: &Dashboard<'_>, made: &MadeDataset) -> Result<String> {
    let page = &admin.page;
    admin.open("/admin/runs/new").await?;
    admin.choose("#recipe", "paper").await?;
    page.wait_for("[data-key='model.swin_depths']").await?;
    admin.look_at("new-run").await?;
    admin.choose("#device", "cpu").await?;
    admin.type_into("#run-name", "Squares and discs").await?;
    admin.fill(&SETTINGS).await?;
    if dashboard::pictures_folder().is_some() {
        admin.fill(&[("xe.learning_rate", RATE_FOR_PICTURES)]).await?;
    }
    admin.type_into("[data-key='xe.epochs'] input", EPOCHS).await?;
    page.click("[data-key='data.dataset'] button").await?;
    page.click(".picker-list li:last-child button").await?;
    page.wait_until(
        "[...document.querySelectorAll('.picker-entry')].some((entry) => entry.textContent.startsWith('dataset.json'))",
    )
    .await?;
    page.click(".picker-entry:not(:has(use[href$='folder']))").await?;
    page.wait_until("document.querySelector(\"[data-key='data.dataset'] input\").value.endsWith('/dataset.json')")
        .await?;
    let paths = ["images", "backbone.safetensors"].map(|name| made.path(name).display().to_string());
    admin.fill(&[("data.images", &paths[0]), ("weights.backbone", &paths[1])]).await?;
    page.wait_until("document.querySelector('[data-key=\"xe.epochs\"]').classList.contains('differs')").await?;

    // What cannot be is said at its field, and nothing starts.
    admin.fill(&[("scst.samples", "1")]).await?;
    page.click("#start").await?;
    page.wait_until(
        "/at least 2/.test(document.querySelector('[data-key=\"scst.samples\"] .field-error').textContent)",
    )
    .await?;
    admin.fill(&[("scst.samples", "5")]).await?;
    let refusals = admin.browser.complaints().await?;
    ensure!(refusals.len() == 1 && refusals[0].contains("422"), "{refusals:#?}");

    page.click("#check").await?;
    page.wait_until("document.querySelector('#report:not([hidden]) .data-table')").await?;
    page.wait_until("!document.getElementById('start').disabled").await?;
    admin.press_start().await?;
    page.wait_until("location.pathname.startsWith('/admin/runs/') && document.querySelector('#steps li')").await?;
    let path = page.path().await?;
    Ok(path.trim_start_matches("/admin/runs/").to_owned())
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

/// Zoomed with keys, kept as a picture; and a checkpoint is downloaded.
async fn read_plots(admin: &Dashboard<'_>, folder: &Path) -> Result<()> {
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
async fn deploy(admin: &Dashboard<'_>, server: &Server) -> Result<()> {
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

/// A run of the first two phases with fewer epochs, from the form that the former run filled in.
async fn clone_with_a_change(admin: &Dashboard<'_>, run: &str) -> Result<String> {
    let page = &admin.page;
    page.click("[data-action='clone']").await?;
    page.wait_until("document.querySelector('[data-key=\"model.d_model\"] input')?.value === '32'").await?;
    ensure!(page.value("document.getElementById('device').value").await? == "cpu", "on the device of the former run");
    admin.type_into("#run-name", "Fewer epochs").await?;
    admin.fill(&[("xe.epochs", "6"), ("xe.learning_rate", "1e-3"), ("scst.samples", "1")]).await?;
    for phase in ["xe-end-to-end", "tuned-features", "scst", "scst-end-to-end"] {
        page.click(&format!("#phase-{phase}")).await?;
    }
    // Enter checks and starts nothing; what is wrong with a phase that is left out is said where it can be seen.
    page.value("void document.querySelector('[data-key=\"xe.epochs\"] input').focus()").await?;
    page.press(&char::from(Key::Enter).to_string()).await?;
    page.wait_until("document.querySelector('[data-key=\"scst.samples\"] .field-error').checkVisibility()").await?;
    ensure!(page.path().await? == "/admin/runs/new");
    let refusals = admin.browser.complaints().await?;
    ensure!(refusals.len() == 1 && refusals[0].contains("422"), "{refusals:#?}");
    admin.fill(&[("scst.samples", "5")]).await?;
    admin.press_start().await?;
    page.wait_until("location.pathname.startsWith('/admin/runs/') && document.querySelector('#steps li')").await?;
    let path = page.path().await?;
    let id = path.trim_start_matches("/admin/runs/").to_owned();
    ensure!(id != run);
    page.wait_for_text("#state", "Completed").await?;
    ensure!(page.count(".step[data-state='left-out']").await? == 4);
    page.wait_for(&format!("#configuration th a[href='/admin/runs/{run}']")).await?;
    rename(admin).await?;
    page.click("[data-action='clone']").await?;
    page.wait_for("#phase-xe:checked").await?;
    ensure!(page.count(".phase-head input:checked").await? == 2, "a clone leaves out what was left out");
    Ok(id)
}

/// With the keyboard alone.
async fn rename(admin: &Dashboard<'_>) -> Result<()> {
    let page = &admin.page;
    page.click("[data-action='rename']").await?;
    page.value("void document.activeElement.select()").await?;
    page.press(&format!("Six epochs{}", char::from(Key::Enter))).await?;
    page.wait_for_text("#run-name", "Six epochs").await
}

async fn compare(admin: &Dashboard<'_>, run: &str, other: &str) -> Result<()> {
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

async fn evaluate(admin: &Dashboard<'_>, run: &str) -> Result<()> {
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

/// The id of the model in service.
async fn served(server: &Server) -> Result<String> {
    let (_, body) = server.get("/api/models").await?;
    let models: serde_json::Value = serde_json::from_slice(&body)?;
    models["models"][0]["id"].as_str().map(str::to_owned).with_context(|| models.to_string())
}

/// A value of JavaScript as `String()` gives it.
fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
