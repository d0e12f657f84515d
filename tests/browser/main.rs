//! The pages in a real browser: one file for each thing that people come for, and axe on every page.

mod accessibility;
mod admin_forms;
mod caption_page;
mod chromium;
mod first_photos;
mod history;
mod many_photos;
mod page;
#[path = "../support/server.rs"]
mod server;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod training;

use anyhow::Result;
use tokio::sync::Mutex;

use chromium::Browser;

/// Gives a person a browser. What they do returns errors instead of panicking, so that the browser is always
/// closed. One at a time: several browsers on a small machine only slow each other down.
async fn in_browser(person: impl AsyncFnOnce(&Browser) -> Result<()>) -> Result<()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    let browser = Browser::start().await?;
    let outcome = person(&browser).await;
    if outcome.is_err() && browser.keep_screenshot("browser-failure.png").await.is_err() {
        eprintln!("no screenshot of the failure could be taken");
    }
    browser.close().await?;
    outcome
}
