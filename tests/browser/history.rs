//! The history: searched, paged through, selected from, deleted and undone, exported; with mouse and keyboard.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fantoccini::key::Key;
use serde_json::json;

use crate::in_browser;
use crate::page::Page;
use crate::site::Site;

/// That an element says how many captions were deleted, and until when that can be undone.
fn tells_of_deletion(selector: &str, captions: usize) -> String {
    let noun = if captions == 1 { "caption" } else { "captions" };
    let text = format!("{captions} {noun} deleted. This can be undone until ");
    format!("document.querySelector('{selector}').innerText.startsWith('{text}')")
}

/// The captions on the cards, in page order.
async fn shown(page: &Page) -> Result<Vec<String>> {
    let captions = page.value("[...document.querySelectorAll('.card-link')].map((link) => link.textContent)").await?;
    Ok(serde_json::from_value(captions)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_while_one_scrolls() -> Result<()> {
    let site = Site::start().await?;
    site.caption(20..120).await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/history")).await?;
        page.wait_for_text("#found", "100 captions").await?;
        for expected in [96, 100] {
            page.value("scrollTo(0, document.body.scrollHeight)").await?;
            page.wait_until(&format!("document.querySelectorAll('.caption-card').length === {expected}")).await?;
        }
        ensure!(page.count("#older").await? == 0, "there is nothing older");
        let expected: Vec<_> = (20..120).rev().map(|width| format!("A picture of {width} by 30, wording 0.")).collect();
        ensure!(shown(&page).await? == expected);
        let shift = "performance.getEntriesByType('layout-shift').reduce((sum, shift) => sum + shift.value, 0)";
        ensure!(page.value(shift).await?.as_f64().unwrap_or(1.0) < 0.01, "the page jumps while it loads");
        ensure!(browser.complaints().await?.is_empty());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_are_found_by_words_and_days() -> Result<()> {
    let site = Site::start().await?;
    site.caption(20..30).await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/history")).await?;
        page.press("/").await?;
        page.press(&format!("picture 25{}", char::from(Key::Enter))).await?;
        page.wait_for_text("#found", "1 caption found").await?;
        ensure!(shown(&page).await? == ["A picture of 25 by 30, wording 0."]);
        page.click(".filters a").await?;
        page.wait_for_text("#found", "10 captions").await?;

        // Where clocks are two hours ahead.
        page.value("void (Date.prototype.getTimezoneOffset = () => -120)").await?;
        page.value("void (document.getElementById('from').value = '2000-01-01')").await?;
        page.value("document.getElementById('from').dispatchEvent(new Event('input'))").await?;
        page.click(".filters button").await?;
        page.wait_for_text("#found", "10 captions found").await?;
        ensure!(page.value("new URL(location).searchParams.get('utc_offset_minutes')").await? == "120");

        let page = Page::open(browser, &site.at("/history?until=2000-01-01")).await?;
        page.wait_for_text("#found", "0 captions found").await?;
        ensure!(page.wait_for("main").await?.text_of(".empty").await?.starts_with("No caption matches."));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn selected_captions_are_deleted_and_brought_back() -> Result<()> {
    let site = Site::start().await?;
    site.caption(20..30).await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/history")).await?;
        let before = shown(&page).await?;
        page.click(".caption-card:nth-child(2) .pick input").await?;
        let with_shift = "document.querySelector('.caption-card:nth-child(5) .pick input')\
             .dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, shiftKey: true }))";
        page.value(with_shift).await?;
        page.wait_for_text("#found", "4 of 10 captions selected").await?;

        page.click("#delete-selected").await?;
        page.wait_until(&tells_of_deletion("#toast-text", 4)).await?;
        page.wait_for_text("#found", "6 captions").await?;
        ensure!(shown(&page).await? == [&before[..1], &before[5..]].concat());
        page.click("#toast-action").await?;
        page.wait_for_text("#found", "10 captions").await?;
        ensure!(shown(&page).await? == before, "each in its old place");

        let page = Page::open(browser, &site.at("/history")).await?;
        ensure!(shown(&page).await? == before, "and on the server");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_undone_by_keyboard_and_after_a_reload() -> Result<()> {
    let site = Site::start().await?;
    site.caption(20..24).await?;
    // Control holds until the null key.
    let undo = format!("{}z{}", char::from(Key::Control), char::from(Key::Null));
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/history")).await?;
        let before = shown(&page).await?;
        let delete_all = async || {
            page.click("#pick-all").await?;
            page.click("#delete-selected").await?;
            page.wait_for_text(".empty p", "No captions are left.").await
        };
        delete_all().await?;
        ensure!(!page.wait_for(".toolbar").await?.shows(".tools").await?, "there is nothing to select");
        page.press(&undo).await?;
        page.wait_for_text("#found", "4 captions").await?;
        ensure!(shown(&page).await? == before, "each in its old place");

        delete_all().await?;
        browser.client.refresh().await?;
        page.wait_until(&tells_of_deletion("#undo-text", 4)).await?;
        page.press(&undo).await?;
        page.wait_for_text("#found", "4 captions").await?;
        ensure!(shown(&page).await? == before);
        page.wait_until("document.getElementById('undo').hidden").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_one_comes_back_to_shows_the_words_of_now() -> Result<()> {
    let site = Site::start().await?;
    let ids = site.caption(20..23).await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/history")).await?;
        page.click(".caption-card:nth-child(1) .pick input").await?;
        // As other pages do, until the browser takes this one out of its memory.
        let meanwhile = format!(
            "void Promise.all([
                 fetch('/api/captions/{}', {{
                     method: 'PATCH',
                     headers: {{ 'Content-Type': 'application/json' }},
                     body: JSON.stringify({{ caption: 'A cat.' }}),
                 }}),
                 fetch('/api/captions/{}', {{ method: 'DELETE' }}),
             ]).then(() => dispatchEvent(new PageTransitionEvent('pageshow', {{ persisted: true }})))",
            ids[2], ids[0]
        );
        page.value(&meanwhile).await?;
        page.wait_for_text("#found", "1 of 2 captions selected").await?;
        ensure!(shown(&page).await? == ["A cat.", "A picture of 21 by 30, wording 0."]);
        ensure!(page.value("document.getElementById('copy-selected').dataset.copy").await? == "A cat.");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_presses_twice_means_it_once() -> Result<()> {
    let site = Site::start().await?;
    site.caption(20..24).await?;
    let undo = format!("{}z{}", char::from(Key::Control), char::from(Key::Null));
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/history")).await?;
        let before = shown(&page).await?;
        page.note_requests().await?;
        page.click(".caption-card:nth-child(1) .pick input").await?;
        page.double_click("#delete-selected").await?;
        page.wait_for_text("#found", "3 captions").await?;
        page.click(".caption-card:nth-child(2) .pick input").await?;
        page.click("#delete-selected").await?;
        page.wait_for_text("#found", "2 captions").await?;
        // But undoing is pressed once for each deletion.
        page.press(&format!("{undo}{undo}")).await?;
        page.wait_for_text("#found", "4 captions").await?;
        ensure!(shown(&page).await? == before, "each in its old place");

        page.click(".caption-card:nth-child(4) .pick input").await?;
        page.click("#delete-selected").await?;
        page.wait_for_text("#found", "3 captions").await?;
        page.double_click("#toast-action").await?;
        page.wait_for_text("#found", "4 captions").await?;
        let requests = page.requests().await?;
        ensure!(requests == ["delete", "delete", "restore", "restore", "delete", "restore"], "{requests:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_undone_elsewhere_is_undone_where_one_comes_back_to() -> Result<()> {
    let site = Site::start().await?;
    site.caption(20..23).await?;
    let note_return = "void addEventListener('pageshow', ({ persisted }) => sessionStorage.setItem('kept', persisted))";
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/history")).await?;
        let before = shown(&page).await?;
        page.value(note_return).await?;
        page.click(".caption-card:nth-child(2) .pick input").await?;
        page.click("#delete-selected").await?;
        page.wait_for_text("#found", "2 captions").await?;
        // Dismissed with the keyboard, the message leaves the focus where it was; the page goes on offering to undo.
        page.value("void document.getElementById('toast-close').focus()").await?;
        page.press(&char::from(Key::Escape).to_string()).await?;
        page.wait_until("document.getElementById('toast').hidden").await?;
        page.wait_until("document.activeElement.matches('.card-link')").await?;
        page.wait_until(&tells_of_deletion("#undo-text", 1)).await?;

        let place = page.value("history.length").await?;
        page.press("/").await?;
        page.press(&format!("picture{}", char::from(Key::Enter))).await?;
        page.wait_for_text("#found", "2 captions found").await?;
        page.note_sending().await?;
        page.double_click("#undo button").await?;
        page.wait_for("#delete").await?;
        ensure!(page.times_sent().await? == 1, "it is sent once");
        page.value(&format!("void history.go({place} - history.length)")).await?;
        page.wait_for_text("#found", "3 captions").await?;
        ensure!(page.value("sessionStorage.getItem('kept')").await? == "true", "the page was not as it was left");
        ensure!(shown(&page).await? == before);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_by_keyboard() -> Result<()> {
    let site = Site::start().await?;
    site.caption(20..30).await?;
    let key = |key: Key| char::from(key).to_string();
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/history")).await?;
        let before = shown(&page).await?;
        page.press(&key(Key::Down)).await?;
        page.press(&key(Key::Right)).await?;
        page.press(" ").await?;
        page.press(&key(Key::Right)).await?;
        page.press(&key(Key::Right)).await?;
        // Shift holds until the null key.
        page.press(&format!("{} {}", char::from(Key::Shift), char::from(Key::Null))).await?;
        page.wait_for_text("#found", "3 of 10 captions selected").await?;
        page.press(&key(Key::Delete)).await?;
        page.wait_for_text("#found", "7 captions").await?;
        ensure!(shown(&page).await? == [&before[..1], &before[4..]].concat());

        // The focus is on the card behind the deleted ones.
        page.press(&key(Key::Left)).await?;
        page.press(&key(Key::Enter)).await?;
        page.wait_for_text("h1", &before[0]).await?;
        page.press(&key(Key::Right)).await?;
        page.wait_for_text("h1", &before[4]).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_are_exported() -> Result<()> {
    let site = Site::start().await?;
    site.caption(20..26).await?;
    let downloads = tempfile::tempdir()?;
    in_browser(async |browser| {
        browser.set_downloads(downloads.path()).await?;
        let page = Page::open(browser, &site.at("/history?query=picture")).await?;
        page.click(".menu summary").await?;
        page.click("[name=format][value=json]").await?;
        let everything: serde_json::Value = serde_json::from_slice(&download(downloads.path(), "json").await?)?;
        let captions = everything.as_array().or_else(|| everything["captions"].as_array()).context("no list")?;
        ensure!(captions.len() == 6, "{everything}");

        page.click(".caption-card:nth-child(1) .pick input").await?;
        page.click(".caption-card:nth-child(3) .pick input").await?;
        page.click(".menu summary").await?;
        page.wait_for_text("#export-scope", "The 2 selected.").await?;
        page.click("[name=format][value=csv]").await?;
        let table = String::from_utf8(download(downloads.path(), "csv").await?)?;
        ensure!(table.lines().count() == 3, "{table}");
        for (file, caption) in [("photo-25.png", "A picture of 25 by 30"), ("photo-23.png", "A picture of 23 by 30")] {
            ensure!(table.contains(file) && table.contains(caption), "{table}");
        }

        page.click(".menu summary").await?;
        page.click("[name=format][value=txt]").await?;
        let archive = download(downloads.path(), "zip").await?;
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive))?;
        let mut names: Vec<_> =
            (0..archive.len()).map(|index| Ok(archive.by_index(index)?.name()?.into_owned())).collect::<Result<_>>()?;
        names.sort();
        ensure!(json!(names) == json!(["photo-23.txt", "photo-25.txt"]), "{names:?}");
        Ok(())
    })
    .await
}

/// The first whole file with this extension; Chromium calls unfinished ones otherwise, and may keep the name for them
/// with an empty file.
pub async fn download(folder: &Path, extension: &str) -> Result<Vec<u8>> {
    const LIMIT: Duration = Duration::from_secs(30);
    let mut poll = tokio::time::interval(Duration::from_millis(50));
    let arrives = async {
        loop {
            poll.tick().await;
            if let Some(file) = find(folder, extension)? {
                return anyhow::Ok(std::fs::read(file)?);
            }
        }
    };
    tokio::time::timeout(LIMIT, arrives).await.with_context(|| format!("no .{extension} file was downloaded"))?
}

fn find(folder: &Path, extension: &str) -> Result<Option<PathBuf>> {
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        // One that went meanwhile is an unfinished one that got its name.
        let whole = path.metadata().is_ok_and(|file| file.len() > 0);
        if whole && path.extension().is_some_and(|found| found == extension) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
