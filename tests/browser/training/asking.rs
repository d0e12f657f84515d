//! Runs are asked for: the form of a new run filled in, checked and started, a former run cloned with a change.

use super::dashboard::{self, Dashboard};
use super::made_dataset::MadeDataset;
use anyhow::{Result, ensure};
use fantoccini::key::Key;

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

/// So many that the run is still at work when the server is back, and when it is stopped.
const EPOCHS: &str = "500";

/// A learning rate that makes a picture of a run: slower, with more to see.
const RATE_FOR_PICTURES: &str = "5e-4";

/// Fills in the form, has it checked, and starts; gives the run's id.
pub async fn start_a_run(admin: &Dashboard<'_>, made: &MadeDataset) -> Result<String> {
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

/// A run of the first two phases with fewer epochs, from the form that the former run filled in.
pub async fn clone_with_a_change(admin: &Dashboard<'_>, run: &str) -> Result<String> {
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
