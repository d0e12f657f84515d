//! Many photos at once: a dropped folder, what fails and why, cancelling, trying again, and what is done with all of
//! their captions.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::history::download;
use crate::in_browser;
use crate::page::{Page, State};
use crate::site::Site;
use crate::support::fake_model::{FAILS, FakeModel};
use crate::support::web::png;

/// A folder with so many good photos, in folders of their own.
fn photos(folder: &Path, count: u32) -> Result<()> {
    for width in 20..20 + count {
        let inner = folder.join(if width % 2 == 0 { "even" } else { "odd/deeper" });
        fs::create_dir_all(&inner)?;
        fs::write(inner.join(format!("photo-{width}.png")), png(width, 30))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_forty_photos_is_captioned_and_found_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    photos(folder.path(), 38)?;
    fs::write(folder.path().join("broken.jpg"), "no photo at all")?;
    fs::write(folder.path().join("stubborn.png"), png(FAILS, 30))?;
    fs::write(folder.path().join("notes.txt"), "Milk, bread, three eggs.")?;
    fs::write(folder.path().join(".hidden.jpg"), "a note of the system")?;
    // One upload at a time: the page's second one is told to come back, again and again.
    let site = Site::with(FakeModel::new(), |config| config.server.max_upload_memory_bytes = 1).await?;

    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/")).await?;
        browser.drop_paths(&[folder.path()]).await?;
        page.wait_for_text("#tally", "38 of 40 captioned, 2 failed").await?;
        page.wait_for_text("#announcer", "38 of 40 captioned, 2 failed").await?;
        ensure!(page.value("document.getElementById('batch-bar').position").await? == 1);
        ensure!(page.count(".result").await? == 40);

        let name = |file: &str| format!("{}/{file}", folder.path().file_name().unwrap_or_default().to_string_lossy());
        let broken = page.wait_for_card(&name("broken.jpg"), State::Failed).await?;
        let reason = broken.text_of(".error-message").await?;
        ensure!(reason.starts_with("This looks like text"), "{reason}");
        ensure!(!broken.shows(".retry").await?, "it will never be a picture");
        let stubborn = page.wait_for_card(&name("stubborn.png"), State::Failed).await?;
        let reason = stubborn.text_of(".error-message").await?;
        ensure!(reason.starts_with("The server failed"), "{reason}");
        ensure!(stubborn.shows(".retry").await?);
        page.wait_for_card(&name("odd/deeper/photo-21.png"), State::Done).await?;

        page.wait_for_text("#skipped-count", "2 files that are no photos were skipped").await?;
        page.click("#skipped-count").await?;
        let listed = page.value("document.getElementById('skipped-names').innerText").await?.to_string();
        ensure!(listed.contains("notes.txt") && listed.contains(".hidden.jpg"), "{listed}");

        page.click(".result[data-state='failed'] .remove").await?;
        page.wait_for_text("#tally", "38 of 39 captioned, 1 failed").await?;
        ensure!(page.value("document.activeElement.matches('.result')").await? == true, "the focus goes on");

        let page = Page::open(browser, &site.at("/history")).await?;
        page.wait_for_text("#found", "38 captions").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_that_were_cut_off_are_tried_again_together() -> Result<()> {
    let folder = tempfile::tempdir()?;
    photos(folder.path(), 3)?;
    let site = Site::start().await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/")).await?;
        browser.set_offline(true).await?;
        browser.drop_paths(&[folder.path()]).await?;
        page.wait_for_text("#tally", "0 of 3 captioned, 3 failed").await?;
        page.click(".result .retry").await?;
        page.wait_until("document.activeElement.matches('.result')").await?;
        page.wait_for_text("#tally", "0 of 3 captioned, 3 failed").await?;
        browser.set_offline(false).await?;
        page.click("#retry-failed").await?;
        page.wait_until("document.activeElement.id === 'results-title'").await?;
        page.wait_for_text("#tally", "3 of 3 captioned").await?;
        ensure!(!page.wait_for("#batch").await?.shows("#retry-failed").await?);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_photos_are_cancelled_together() -> Result<()> {
    let folder = tempfile::tempdir()?;
    photos(folder.path(), 8)?;
    let (model, keeper) = FakeModel::gated();
    let site = Site::with(model, |_| ()).await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/")).await?;
        browser.drop_paths(&[folder.path()]).await?;
        page.wait_for(".result[data-state='reading']").await?;
        page.wait_for_text("#tally", "0 of 8 captioned").await?;
        page.click(".result .cancel").await?;
        page.wait_for_text("#tally", "0 of 7 captioned").await?;
        ensure!(page.value("document.activeElement.matches('.result')").await? == true, "the focus goes on");
        page.click("#cancel-all").await?;
        page.wait_until("document.querySelectorAll('.result').length === 0").await?;
        drop(keeper);
        // The page goes on working.
        browser.drop_paths(&[folder.path()]).await?;
        page.wait_for_text("#tally", "8 of 8 captioned").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_captions_of_a_visit_are_copied_and_exported_together() -> Result<()> {
    let folder = tempfile::tempdir()?;
    photos(folder.path(), 3)?;
    let downloads = tempfile::tempdir()?;
    let site = Site::start().await?;
    // One of another visit, and one that this visit sends again.
    site.caption([50, 21]).await?;
    in_browser(async |browser| {
        browser.set_downloads(downloads.path()).await?;
        let page = Page::open(browser, &site.at("/")).await?;
        browser.drop_paths(&[folder.path()]).await?;
        page.wait_for_text("#tally", "3 of 3 captioned").await?;
        let captions = [20, 22, 21].map(|width| format!("A picture of {width} by 30, wording 0."));

        page.click("#copy-all").await?;
        page.wait_for("#copy-all.copied").await?;
        let copied = browser.clipboard().await?;
        ensure!(copied == captions.join("\n"), "{copied}");

        page.click("#export-all button").await?;
        let table = String::from_utf8(download(downloads.path(), "csv").await?)?;
        ensure!(
            table.lines().count() == 4 && captions.iter().all(|caption| table.contains(caption.as_str())),
            "{table}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_photos_wait_captions_open_beside_the_page() -> Result<()> {
    let folder = tempfile::tempdir()?;
    photos(folder.path(), 3)?;
    let (model, keeper) = FakeModel::gated();
    let site = Site::with(model, |_| ()).await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/")).await?;
        browser.drop_paths(&[folder.path()]).await?;
        // Two photos are sent at a time: the third is in no first batch.
        keeper.let_through();
        page.wait_for(".result[data-state='done'] .open-caption[target='_blank']").await?;
        page.wait_until("document.querySelector(\".result[data-state='done'] .new-tab\").checkVisibility()").await?;
        drop(keeper);
        page.wait_for_text("#tally", "3 of 3 captioned").await?;
        ensure!(page.count(".open-caption[target='_blank']").await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn back_from_elsewhere_the_cards_say_what_holds_now() -> Result<()> {
    let site = Site::start().await?;
    let earlier = site.caption([30, 31]).await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/")).await?;
        page.drop_file("photo.png", "image/png", &png(50, 30)).await?;
        page.wait_for_card("photo.png", State::Done).await?;
        page.click(".open-caption").await?;
        page.wait_for("#delete").await?;
        let change = format!(
            "Promise.all([
                ['PATCH', location.pathname, {{ caption: 'A wall.' }}],
                ['PATCH', '/captions/{}', {{ caption: 'A door.' }}],
                ['DELETE', '/captions/{}'],
            ].map(([method, path, body]) => fetch(`/api${{path}}`, {{
                method, headers: {{ 'Content-Type': 'application/json' }}, body: JSON.stringify(body),
            }}))).then((answers) => answers.every((answer) => answer.ok))",
            earlier[0], earlier[1]
        );
        ensure!(page.value(&change).await? == true);
        // The browser has the page as it was left, with its photos.
        browser.client.back().await?;
        page.wait_for_text(".result-caption", "A wall.").await?;
        page.wait_for_text(".caption-card .caption-text", "A door.").await?;
        page.wait_until("document.querySelectorAll('.caption-card').length === 1").await
    })
    .await
}
