//! A page as a person meets it: looked at, clicked, typed into; files go in, cards come out.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};

use crate::chromium::Browser;

/// Generous: a busy machine captions slowly.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Brings an element into sight, painted: what is far off may not be laid out yet.
const LOOK_SCRIPT: &str = r"
    const [element, done] = arguments;
    element.scrollIntoView({ block: 'center' });
    requestAnimationFrame(() => requestAnimationFrame(done));";

/// Until styles are applied, what changes slowly has changed, and all is painted.
const SETTLE_SCRIPT: &str = r"
    const [done] = arguments;
    const painted = () => requestAnimationFrame(() => requestAnimationFrame(done));
    requestAnimationFrame(() => requestAnimationFrame(() => {
        const transitions = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
        Promise.allSettled(transitions.map((transition) => transition.finished)).then(painted);
    }));";

const POLL_EVERY: Duration = Duration::from_millis(50);

/// Drops a file as the desktop would: the page sees a drag over it and a drop with the file.
const DROP_SCRIPT: &str = r"
    const [name, type, base64] = arguments;
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type }));
    for (const step of ['dragenter', 'dragover', 'drop']) {
        const event = new DragEvent(step, { bubbles: true, cancelable: true, dataTransfer });
        document.querySelector('main').dispatchEvent(event);
    }";

/// Chooses files and posts their form as without scripts: those of the page hear of neither.
const POST_SCRIPT: &str = r"
    const transfer = new DataTransfer();
    for (const [name, base64] of arguments[0]) {
        transfer.items.add(new File([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], name));
    }
    const input = document.getElementById('photos');
    input.files = transfer.files;
    input.form.submit();";

/// Answers with an image's own width once it has loaded, or 0 if it cannot be loaded.
const LOADED_WIDTH_SCRIPT: &str = r"
    const [image, done] = arguments;
    const answer = () => done(image.naturalWidth);
    image.scrollIntoView();
    if (image.complete) answer();
    image.addEventListener('load', answer);
    image.addEventListener('error', answer);";

/// Lists in `window.asked` what scripts ask the server for from then on.
const NOTE_REQUESTS: &str = "void (window.asked = [], window.fetch = ((ask) => (address, ...others) => {
    window.asked.push(address);
    return ask(address, ...others);
})(window.fetch))";

/// Counts in `sessionStorage.sent` how often the page's forms are sent as forms; they lead away from it.
const NOTE_SENDING: &str = "void (sessionStorage.sent = 0, addEventListener('submit', ({ defaultPrevented }) => {
    if (!defaultPrevented) sessionStorage.sent = Number(sessionStorage.sent) + 1;
}))";

/// Where a photo's card stands, as its `data-state` says.
pub enum State {
    /// Captioned.
    Done,
    /// Refused.
    Failed,
}

/// A page, open in the browser.
pub struct Page {
    client: Client,
    /// How long anything may take.
    limit: Duration,
}

impl Page {
    /// Opens the page at `url`.
    pub async fn open(browser: &Browser, url: &str) -> Result<Self> {
        let client = browser.client.clone();
        client.goto(url).await?;
        Ok(Self { client, limit: ANSWER_LIMIT })
    }

    /// For what takes longer than a caption.
    pub fn with_patience(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Waits until what changed last is painted.
    pub async fn settle(&self) -> Result<()> {
        self.client.execute_async(SETTLE_SCRIPT, vec![]).await?;
        Ok(())
    }

    /// Drops a file on the page.
    pub async fn drop_file(&self, name: &str, media_type: &str, bytes: &[u8]) -> Result<()> {
        let arguments = vec![json!(name), json!(media_type), json!(STANDARD.encode(bytes))];
        self.client.execute(DROP_SCRIPT, arguments).await?;
        Ok(())
    }

    /// Sends files, by name, in the form that works without scripts.
    pub async fn post_files(&self, files: &[(&str, &[u8])]) -> Result<()> {
        let files: Vec<_> = files.iter().map(|(name, bytes)| json!([name, STANDARD.encode(bytes)])).collect();
        self.client.execute(POST_SCRIPT, vec![json!(files)]).await?;
        Ok(())
    }

    /// Chooses a file as in the browser's file dialog.
    pub async fn choose_file(&self, path: &Path) -> Result<()> {
        let path = path.to_str().context("a path that is not UTF-8")?;
        Ok(self.client.find(Locator::Css("#photos")).await?.send_keys(path).await?)
    }

    /// Waits until an expression of JavaScript holds.
    pub async fn wait_until(&self, condition: &str) -> Result<()> {
        let script = format!("return Boolean({condition})");
        let mut poll = tokio::time::interval(POLL_EVERY);
        let holds = async {
            loop {
                poll.tick().await;
                if self.client.execute(&script, vec![]).await? == json!(true) {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(self.limit, holds).await.with_context(|| format!("waited for {condition}"))?
    }

    /// Waits until the element that the selector matches reads exactly so.
    pub async fn wait_for_text(&self, selector: &str, text: &str) -> Result<()> {
        let condition = format!("document.querySelector({})?.innerText.trim() === {}", json!(selector), json!(text));
        let outcome = self.wait_until(&condition).await;
        let found = match outcome {
            Ok(()) => return Ok(()),
            Err(_) => self.value(&format!("document.querySelector({})?.innerText", json!(selector))).await?,
        };
        outcome.with_context(|| format!("it reads {found}"))
    }

    /// What an expression of JavaScript gives.
    pub async fn value(&self, expression: &str) -> Result<Value> {
        Ok(self.client.execute(&format!("return {expression}"), vec![]).await?)
    }

    /// How many elements the selector matches.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        Ok(self.client.find_all(Locator::Css(selector)).await?.len())
    }

    /// Clicks the first element that the selector matches, as soon as there is one, where nothing lies over it.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element = self.wait_for(selector).await?.0;
        self.client.execute_async(LOOK_SCRIPT, vec![serde_json::to_value(&element)?]).await?;
        element.click().await.with_context(|| format!("clicked {selector}"))
    }

    /// Clicks the element twice, faster than anything can answer, wherever it is.
    pub async fn double_click(&self, selector: &str) -> Result<()> {
        self.wait_for(selector).await?;
        let click = format!("document.querySelector({}).click()", json!(selector));
        self.value(&format!("[1, 2].forEach(() => {click})")).await?;
        Ok(())
    }

    /// Begins to note what the page's scripts ask the server for.
    pub async fn note_requests(&self) -> Result<()> {
        self.value(NOTE_REQUESTS).await?;
        Ok(())
    }

    /// What they have asked for since: the end of each path.
    pub async fn requests(&self) -> Result<Vec<String>> {
        let asked = self.value("window.asked.map((address) => address.split('/').at(-1))").await?;
        Ok(serde_json::from_value(asked)?)
    }

    /// Begins to count how often the page's forms are sent.
    pub async fn note_sending(&self) -> Result<()> {
        self.value(NOTE_SENDING).await?;
        Ok(())
    }

    /// How often they were, told on the next page.
    pub async fn times_sent(&self) -> Result<Value> {
        self.value("Number(sessionStorage.sent)").await
    }

    /// Types into whatever has the focus.
    pub async fn press(&self, keys: &str) -> Result<()> {
        Ok(self.client.active_element().await?.send_keys(keys).await?)
    }

    /// The path of the page that is open.
    pub async fn path(&self) -> Result<String> {
        Ok(self.client.current_url().await?.path().to_owned())
    }

    /// The card of the photo called `name`, once it is in `state`.
    pub async fn wait_for_card(&self, name: &str, state: State) -> Result<Card> {
        let state = match state {
            State::Done => "done",
            State::Failed => "failed",
        };
        let card = self.wait_for(&format!(".result[data-state='{state}']:has(.file-name[title='{name}'])")).await?;
        self.client.execute_async(LOOK_SCRIPT, vec![serde_json::to_value(&card.0)?]).await?;
        Ok(card)
    }

    /// The card of a stored caption among the stored ones.
    pub async fn recent_card(&self, caption_id: &str) -> Result<Card> {
        self.wait_for(&format!(".caption-card[data-caption-id='{caption_id}']")).await
    }

    /// The first element that the selector matches, as soon as there is one.
    pub async fn wait_for(&self, selector: &str) -> Result<Card> {
        let element = self.client.wait().at_most(self.limit).for_element(Locator::Css(selector)).await;
        Ok(Card(element.with_context(|| format!("waited for {selector}"))?))
    }

    /// The width in pixels of the image itself, not of its box; 0 if it could not be loaded.
    pub async fn loaded_width(&self, card: &Card, selector: &str) -> Result<u64> {
        let image = serde_json::to_value(card.find(selector).await?)?;
        let width: Value = self.client.execute_async(LOADED_WIDTH_SCRIPT, vec![image]).await?;
        width.as_u64().with_context(|| format!("no width: {width}"))
    }
}

/// A part of the page, mostly the card of one photo.
pub struct Card(Element);

impl Card {
    /// The visible text of the first element inside that the selector matches.
    pub async fn text_of(&self, selector: &str) -> Result<String> {
        Ok(self.find(selector).await?.text().await?)
    }

    /// The visible texts of all elements inside that the selector matches, in page order.
    pub async fn texts_of(&self, selector: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for element in self.0.find_all(Locator::Css(selector)).await? {
            texts.push(element.text().await?);
        }
        Ok(texts)
    }

    /// Whether the element can be seen.
    pub async fn shows(&self, selector: &str) -> Result<bool> {
        Ok(self.find(selector).await?.is_displayed().await?)
    }

    /// Clicks the element with the mouse.
    pub async fn click(&self, selector: &str) -> Result<()> {
        Ok(self.find(selector).await?.click().await?)
    }

    async fn find(&self, selector: &str) -> Result<Element> {
        let element = self.0.find(Locator::Css(selector)).await;
        element.with_context(|| format!("looked for {selector}"))
    }
}
