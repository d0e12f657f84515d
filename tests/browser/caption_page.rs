//! The page of one caption: edited in place, an alternative chosen, captioned again, copied, deleted.

use anyhow::{Result, ensure};
use expansionnet::config::Access;
use fantoccini::key::Key;

use crate::in_browser;
use crate::page::Page;
use crate::site::Site;
use crate::support::fake_model::FakeModel;

const MODELS_WORDS: &str = "A picture of 40 by 30, wording 0.";

#[tokio::test(flavor = "multi_thread")]
async fn words_are_edited_in_place_and_taken_back() -> Result<()> {
    let site = Site::start().await?;
    let id = site.caption([40]).await?.remove(0);
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at(&format!("/captions/{id}"))).await?;
        page.wait_for_text("h1", MODELS_WORDS).await?;

        page.click(".edit summary").await?;
        page.wait_until("document.activeElement.id === 'caption-words'").await?;
        page.press(&format!(" Nonsense{}", char::from(Key::Escape))).await?;
        page.wait_until("!document.querySelector('.edit').open").await?;

        page.click(".edit summary").await?;
        page.wait_until("document.activeElement.id === 'caption-words'").await?;
        ensure!(page.value("document.activeElement.value").await? == MODELS_WORDS, "what was cancelled is gone");
        let (control, enter) = (char::from(Key::Control), char::from(Key::Enter));
        page.press(&format!(" Really \"one\".{control}{enter}")).await?;
        page.wait_for_text("h1", &format!("{MODELS_WORDS} Really \"one\".")).await?;
        ensure!(page.wait_for("main").await?.text_of(".generated p").await?.ends_with(MODELS_WORDS));

        page.click("[data-copy^='alt=']").await?;
        page.wait_for("[data-copy^='alt='].copied").await?;
        let copied = browser.clipboard().await?;
        ensure!(copied == format!("alt=\"{MODELS_WORDS} Really &quot;one&quot;.\""), "{copied}");

        page.click(".generated button").await?;
        page.wait_for_text("h1", MODELS_WORDS).await?;
        ensure!(page.count(".generated").await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_wording_or_another_search_is_chosen() -> Result<()> {
    let site = Site::start().await?;
    let id = site.caption([40]).await?.remove(0);
    in_browser(async |browser| {
        let address = format!("/captions/{id}");
        let page = Page::open(browser, &site.at(&address)).await?;
        page.click(".alternative-list li:nth-child(3) button").await?;
        page.wait_for_text("h1", "A picture of 40 by 30, wording 2.").await?;
        ensure!(page.path().await? == address);
        page.wait_for_text("#announcer", "Saved: A picture of 40 by 30, wording 2.").await?;
        let place = page.value("document.activeElement.matches('.alternative-list li:nth-child(3)')").await?;
        ensure!(place == true, "the focus stays where it was");

        page.click(".again summary").await?;
        page.value("document.getElementById('beam-size').value = 2").await?;
        page.click(".again button").await?;
        page.wait_until(&format!("location.pathname !== '{address}'")).await?;
        page.wait_for_text("h1", MODELS_WORDS).await?;
        ensure!(page.count(".alternative-list li").await? == 2, "as many as beams");
        // The first one stays beside it.
        page.click("#older").await?;
        page.wait_for_text("h1", "A picture of 40 by 30, wording 2.").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn unsaved_words_are_not_lost() -> Result<()> {
    let site = Site::start().await?;
    let id = site.caption([40, 41]).await?.remove(0);
    in_browser(async |browser| {
        let address = format!("/captions/{id}");
        let page = Page::open(browser, &site.at(&address)).await?;
        let left_unasked = "dispatchEvent(new Event('beforeunload', { cancelable: true }))";
        page.click(".edit summary").await?;
        page.wait_until("document.activeElement.id === 'caption-words'").await?;
        ensure!(page.value(left_unasked).await? == true, "nothing is unsaved");
        page.press(" More").await?;
        ensure!(page.value(left_unasked).await? == false);

        let step = char::from(Key::Left).to_string();
        page.value("document.querySelector('.edit summary').focus()").await?;
        page.press(&step).await?;
        ensure!(page.path().await? == address, "no step away from words that are being written");
        page.value("document.getElementById('caption-words').focus()").await?;
        page.press(&char::from(Key::Escape).to_string()).await?;
        ensure!(page.value(left_unasked).await? == true, "what was cancelled is not missed");
        page.press(&step).await?;
        page.wait_for_text("h1", "A picture of 41 by 30, wording 0.").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn words_whose_saving_is_refused_are_there_on_the_way_back() -> Result<()> {
    let site = Site::with(FakeModel::new(), |config| config.access.history = Access::Key).await?;
    let id = site.caption([40]).await?.remove(0);
    let signed_in = format!("void (document.cookie = '{}; path=/')", site.sign_in().await?);
    let words = format!("{MODELS_WORDS} More");
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/sign-in")).await?;
        page.value(&signed_in).await?;
        let page = Page::open(browser, &site.at(&format!("/captions/{id}"))).await?;
        page.click(".edit summary").await?;
        page.wait_until("document.activeElement.id === 'caption-words'").await?;
        page.press(" More").await?;
        // The sign-in ends while somebody thinks about the words.
        page.value("void (document.cookie = 'expansionnet_session=; path=/; max-age=0')").await?;
        page.click("#edit .strong").await?;
        page.wait_for("#secret").await?;
        browser.client.back().await?;
        // Not before the page knows that they were not saved: it would be loaded anew else.
        let missed = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))";
        page.wait_until(&format!("document.getElementById('caption-words') && {missed}")).await?;
        ensure!(page.value("document.getElementById('caption-words').value").await? == words);
        page.value(&signed_in).await?;
        page.click("#edit .strong").await?;
        page.wait_for_text("h1", &words).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_caption_is_brought_back_from_the_history_or_its_own_page() -> Result<()> {
    let site = Site::start().await?;
    let id = site.caption([40, 41]).await?.remove(0);
    in_browser(async |browser| {
        let address = site.at(&format!("/captions/{id}"));
        let page = Page::open(browser, &address).await?;
        page.click("#delete button").await?;
        page.wait_for_text("#found", "1 caption").await?;
        page.click(".undo-notice button").await?;
        page.wait_for_text("h1", MODELS_WORDS).await?;

        page.click("#delete button").await?;
        page.wait_for_text("#found", "1 caption").await?;
        let page = Page::open(browser, &address).await?;
        page.wait_for_text("h1", "This caption was deleted").await?;
        page.click(".error-page button").await?;
        page.wait_for_text("h1", MODELS_WORDS).await
    })
    .await
}
