//! axe on every page, in the light, in the dark and on a phone: no serious findings.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::chromium::{Browser, Look};
use crate::in_browser;
use crate::page::{Page, State};
use crate::site::Site;
use crate::support::web::png;

const LOOKS: [Look; 3] = [
    Look { width: 1280, height: 900, phone: false, dark: false },
    Look { width: 1280, height: 900, phone: false, dark: true },
    Look { width: 360, height: 740, phone: true, dark: false },
];

/// Impacts that must not be found.
const SERIOUS: [&str; 2] = ["serious", "critical"];

/// One rule of axe that a page breaks.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "the other fields are read in the message of a failure")]
struct Finding {
    impact: Option<String>,
    rule: String,
    elements: Vec<String>,
}

const RUN: &str = "
    const done = arguments[0];
    const brief = ({ impact, id, nodes }) => ({ impact, rule: id, elements: nodes.map((node) => node.html) });
    axe.run().then(({ violations }) => done(violations.map(brief)), (error) => done(String(error)));";

/// The engine, fetched once.
fn engine() -> Result<&'static str> {
    static ENGINE: OnceLock<String> = OnceLock::new();
    if let Some(engine) = ENGINE.get() {
        return Ok(engine);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".axe/axe.min.js");
    let engine = std::fs::read_to_string(script).context("this test needs axe; fetch it with: cargo xtask setup")?;
    Ok(ENGINE.get_or_init(|| engine))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_has_serious_findings() -> Result<()> {
    let site = Site::start().await?;
    let ids = site.caption(20..30).await?;
    let caption = format!("/captions/{}", ids[4]);
    let edited = format!("/captions/{}", ids[5]);
    let deleted = format!("/captions/{}", ids[6]);
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at(&edited)).await?;
        page.click(".alternative-list li:nth-child(2) button").await?;
        page.wait_for(".generated").await?;
        let page = Page::open(browser, &site.at(&deleted)).await?;
        page.click("#delete button").await?;
        page.wait_for(".undo-notice").await?;

        for look in LOOKS {
            browser.set_look(look).await?;
            check_start_page_with_results(browser, &site, look).await?;
            for path in ["/history", "/history?query=nothing", &caption, &edited, &deleted, "/sign-in", "/nothing"] {
                let page = Page::open(browser, &site.at(path)).await?;
                // As a person finds them: with everything that can be opened open.
                page.value("document.querySelectorAll('details').forEach((part) => part.open = true)").await?;
                check(browser, &page, path, look).await?;
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_read_on_a_phone() -> Result<()> {
    let site = Site::start().await?;
    let phone = LOOKS[2];
    in_browser(async |browser| {
        browser.set_look(phone).await?;
        let page = Page::open(browser, &site.at("/docs")).await?;
        page.wait_for(".swagger-ui .info .title").await?;
        let width = page.value("document.documentElement.clientWidth").await?;
        ensure!(width == phone.width, "it is shown at a width of {width}");
        page.click("a[href='/']").await?;
        page.wait_for("#upload").await?;
        Ok(())
    })
    .await
}

async fn check_start_page_with_results(browser: &Browser, site: &Site, look: Look) -> Result<()> {
    let page = Page::open(browser, &site.at("/")).await?;
    page.drop_file("notes.txt", "text/plain", b"Milk, bread, three eggs.").await?;
    page.drop_file("photo.png", "image/png", &png(50, 30)).await?;
    page.wait_for_card("notes.txt", State::Failed).await?;
    page.wait_for_card("photo.png", State::Done).await?;
    page.value("document.querySelectorAll('.result details').forEach((part) => part.open = true)").await?;
    if look.phone {
        // What failed and cannot be shown takes no picture's room.
        page.wait_until("document.querySelector(\".result[data-state='failed'] .preview\").offsetHeight === 0").await?;
    }
    check(browser, &page, "/", look).await
}

/// Runs axe, and sees that nothing sticks out at the side.
pub async fn check(browser: &Browser, page: &Page, path: &str, look: Look) -> Result<()> {
    browser.client.execute(engine()?, vec![]).await?;
    let found = browser.client.execute_async(RUN, vec![]).await?;
    let findings: Vec<Finding> = serde_json::from_value(found.clone()).with_context(|| found.to_string())?;
    let serious: Vec<_> =
        findings.iter().filter(|finding| SERIOUS.contains(&finding.impact.as_deref().unwrap_or_default())).collect();
    ensure!(serious.is_empty(), "{path} {look:?}: {serious:#?}");
    let width = page.value("document.documentElement.scrollWidth").await?;
    let fits = width.as_u64().is_some_and(|width| width <= u64::from(look.width));
    ensure!(fits, "{path} is {width} pixels wide in a window of {}", look.width);
    Ok(())
}
