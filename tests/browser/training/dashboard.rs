//! The pages for admins, as an admin uses them; and pictures of them for the documents, on demand.

use crate::accessibility;
use crate::chromium::{Browser, Look};
use crate::page::Page;
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Of the only admin.
pub const PASSWORD: &str = "squares and discs";

/// Training takes its time on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where pictures of the pages go; none are taken without.
const PICTURES: &str = "EXPANSIONNET_SCREENSHOTS";

/// No taller than this, in pixels.
const TALLEST: u32 = 2600;

const LOOKS: [(&str, Look); 4] = [
    ("light", Look { width: 1280, height: 900, phone: false, dark: false }),
    ("dark", Look { width: 1280, height: 900, phone: false, dark: true }),
    ("phone-light", Look { width: 390, height: 844, phone: true, dark: false }),
    ("phone-dark", Look { width: 390, height: 844, phone: true, dark: true }),
];

/// Sets fields of the recipe's form, as typing does.
const FILL: &str = r#"
    for (const [key, value] of arguments[0]) {
        const input = document.querySelector(`[data-key="${key}"] :is(input, select)`);
        if (!input) throw new Error(`no field ${key}`);
        input.value = value;
        if (input.value !== value) throw new Error(`${key} does not take ${value}`);
        input.dispatchEvent(new Event("input", { bubbles: true }));
    }"#;

/// Where pictures are wanted.
pub fn pictures_folder() -> Option<PathBuf> {
    std::env::var_os(PICTURES).map(PathBuf::from)
}

/// A signed-in admin.
pub struct Dashboard<'a> {
    pub page: Page,
    pub browser: &'a Browser,
    url: String,
}

impl<'a> Dashboard<'a> {
    /// Comes to the overview by way of the sign-in page.
    pub async fn sign_in(browser: &'a Browser, server: &Server) -> Result<Self> {
        let page = Page::open(browser, &format!("{}/admin", server.url())).await?.with_patience(PATIENCE);
        page.click("#secret").await?;
        page.press(PASSWORD).await?;
        page.click("main button[type='submit']").await?;
        page.wait_until("location.pathname === '/admin' && !document.getElementById('no-runs').hidden").await?;
        Ok(Self { page, browser, url: server.url().to_owned() })
    }

    pub async fn open(&self, path: &str) -> Result<()> {
        Ok(self.browser.client.goto(&format!("{}{path}", self.url)).await?)
    }

    /// Chooses from a list.
    pub async fn choose(&self, selector: &str, value: &str) -> Result<()> {
        self.page.wait_for(&format!("{selector} option[value='{value}']")).await?;
        let script = "const [selector, value] = arguments; const list = document.querySelector(selector); \
                      list.value = value; list.dispatchEvent(new Event('change', { bubbles: true }));";
        self.browser.client.execute(script, vec![json!(selector), json!(value)]).await?;
        Ok(())
    }

    /// Replaces what a field holds, key by key.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        self.page.click(selector).await?;
        self.page.value("void document.activeElement.select()").await?;
        self.page.press(text).await
    }

    /// Sets many fields of the recipe.
    pub async fn fill(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.browser.client.execute(FILL, vec![json!(settings)]).await?;
        Ok(())
    }

    /// Starts, warnings or not.
    pub async fn press_start(&self) -> Result<()> {
        self.page.click("#start").await?;
        let decided =
            "!location.pathname.endsWith('/new') || document.getElementById('start').textContent === 'Start anyway'";
        self.page.wait_until(decided).await?;
        if self.page.path().await?.ends_with("/new") {
            self.page.click("#start").await?;
        }
        Ok(())
    }

    /// Runs axe on the page in every look, and keeps pictures of it where they are wanted.
    pub async fn look_at(&self, name: &str) -> Result<()> {
        self.browser.hide_scrollbars().await?;
        for (look_name, look) in LOOKS {
            self.browser.set_look(look).await?;
            self.page.settle().await?;
            accessibility::check(self.browser, &self.page, name, look).await?;
            let width = self.page.value("document.documentElement.scrollWidth").await?;
            ensure!(
                width.as_u64().is_some_and(|width| width <= u64::from(look.width)),
                "{name}, {look_name}: {width} wide"
            );
            let Some(folder) = pictures_folder() else { continue };
            std::fs::create_dir_all(&folder)?;
            let height = self.page.value("document.documentElement.scrollHeight").await?;
            let height = height.as_u64().and_then(|height| u32::try_from(height).ok()).context("a height")?;
            // As tall as the page, so that nothing is cut and what sticks to the window's edge is at the page's end.
            self.browser.set_look(Look { height: height.clamp(look.height, TALLEST), ..look }).await?;
            self.page.settle().await?;
            let picture = self.browser.picture().await?;
            std::fs::write(folder.join(format!("{name}-{look_name}.webp")), picture)?;
        }
        self.browser.set_look(LOOKS[0].1).await
    }
}
