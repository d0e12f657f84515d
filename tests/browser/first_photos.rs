//! A person's first photos: dropped and chosen, captions read, copied, and found again after the server was
//! killed and started anew, by the real program with the bundled model. And what may come in between: no scripts, a
//! picture that only the browser reads, a sign-in that ends.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use expansionnet::config::Access;
use serde_json::Value;

use crate::chromium::Browser;
use crate::in_browser;
use crate::page::{Page, State};
use crate::server::Server;
use crate::site::Site;
use crate::support::fake_model::FakeModel;
use crate::support::web::png;

/// The picture that is dropped, and the one that is chosen.
const DROPPED: &str = "landscape_q95.jpg";
const CHOSEN: &str = "portrait.png";

/// 24 by 16 pixels of one colour in a format that the server does not read.
const AVIF: &str = "\
    AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAA\
    AAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAJgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEA\
    AGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAGAAAABAAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwA\
    AAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAALm1kYXQSAAoJGBDv7RAQ0GhAMhccR4eF3dNNNMLA\
    AACusZyS9XA0B15OwA==";

#[tokio::test(flavor = "multi_thread")]
async fn photos_are_captioned_and_found_again_after_a_restart() -> Result<()> {
    let storage = tempfile::tempdir()?;
    let mut server = Server::start(storage.path()).await?;
    in_browser(async |browser| journey(browser, &mut server, storage.path()).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_stay_where_the_history_is_closed() -> Result<()> {
    let site = Site::with(FakeModel::new(), |config| config.access.history = Access::Key).await?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/")).await?;
        page.drop_file("photo.png", "image/png", &png(50, 30)).await?;
        let card = page.wait_for_card("photo.png", State::Done).await?;
        page.wait_until("document.querySelector('.preview-image').src.startsWith('blob:')").await?;
        ensure!(page.loaded_width(&card, ".preview-image").await? > 0, "the picture is broken");
        let complaints = browser.complaints().await?;
        ensure!(complaints.is_empty(), "the browser complained: {complaints:#?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_browser_reads_is_sent_as_a_jpeg() -> Result<()> {
    let site = Site::start().await?;
    let avif = STANDARD.decode(AVIF)?;
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/")).await?;
        page.drop_file("IMG_1.avif", "image/avif", &avif).await?;
        page.drop_file("cut.avif", "image/avif", &avif[..60]).await?;
        let card = page.wait_for_card("IMG_1.avif", State::Done).await?;
        ensure!(card.text_of(".result-caption").await? == "A picture of 24 by 16, wording 0.");
        let kept =
            "fetch('/api/captions').then((answer) => answer.json()).then((list) => list.captions[0].image.file_name)";
        ensure!(page.value(kept).await? == "IMG_1.jpg");
        let card = page.wait_for_card("cut.avif", State::Failed).await?;
        let reason = card.text_of(".error-message").await?;
        ensure!(reason.starts_with("This looks like AVIF"), "{reason}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_the_page_tells_of_every_photo() -> Result<()> {
    let site = Site::start().await?;
    let id = site.caption([40]).await?.remove(0);
    let known = png(40, 30);
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/")).await?;
        let served = page.value("fetch('/').then((page) => page.text())").await?.to_string();
        ensure!(served.contains("multiple required") && served.contains("At most 32 photos at once"), "{served}");
        ensure!(page.value("document.getElementById('photos').required").await? == false, "photos may be dropped");

        page.post_files(&[("known.png", known.as_slice()), ("notes.txt", b"Milk, bread, three eggs.".as_slice())])
            .await?;
        let posted = page.wait_for("[aria-labelledby='posted-title']").await?;
        let failed = posted.text_of(".failed-list").await?;
        ensure!(failed.starts_with("notes.txt: This looks like text"), "{failed}");
        ensure!(posted.text_of(".result-caption").await? == "A picture of 40 by 30, wording 0.");
        ensure!(page.loaded_width(&posted, ".preview-image").await? > 0, "no thumbnail");
        posted.click(".result-caption a").await?;
        page.wait_for("#delete").await?;
        ensure!(page.path().await? == format!("/captions/{id}"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_ends_is_told_on_the_card() -> Result<()> {
    let site = Site::with(FakeModel::new(), |config| config.access.captioning = Access::Key).await?;
    let signed_in = format!("void (document.cookie = '{}; path=/')", site.sign_in().await?);
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/sign-in")).await?;
        page.value(&signed_in).await?;
        let page = Page::open(browser, &site.at("/")).await?;
        page.value("void (document.cookie = 'expansionnet_session=; path=/; max-age=0')").await?;
        page.drop_file("photo.png", "image/png", &png(50, 30)).await?;
        let card = page.wait_for_card("photo.png", State::Failed).await?;
        ensure!(card.text_of(".error-message").await? == "Sign in, then try again.");
        ensure!(card.shows(".sign-in").await?);
        ensure!(page.value("document.querySelector('.sign-in').target").await? == "_blank", "the page stays");
        // As somebody does in the other tab.
        page.value(&signed_in).await?;
        card.click(".retry").await?;
        page.wait_for_card("photo.png", State::Done).await?;
        Ok(())
    })
    .await
}

/// What a person does, in order.
async fn journey(browser: &Browser, server: &mut Server, storage: &Path) -> Result<()> {
    let page = Page::open(browser, server.url()).await?;

    let answer = drop_a_photo(&page, server).await?;
    copy_the_caption(&page, browser, &answer).await?;
    read_the_alternatives(&page, &answer).await?;
    use_an_alternative(&page, &answer).await?;
    choose_a_photo(&page, server).await?;
    drop_a_text_file(&page, server).await?;

    server.kill()?;
    *server = Server::start(storage).await?;
    let page = Page::open(browser, server.url()).await?;
    find_it_among_recent_captions(&page, &answer).await?;

    // The browser itself reports the refused text file; anything else is a fault of the page.
    let complaints = browser.complaints().await?;
    let unexpected: Vec<_> =
        complaints.iter().filter(|line| !(line.contains("/api/caption") && line.contains("415"))).collect();
    ensure!(unexpected.is_empty(), "the browser complained: {unexpected:#?}");
    Ok(())
}

/// Drops a photo on the page; its card shows what the API says of the same bytes.
/// Returns the API's answer.
async fn drop_a_photo(page: &Page, server: &Server) -> Result<Value> {
    let photo = std::fs::read(picture(DROPPED))?;
    page.drop_file(DROPPED, "image/jpeg", &photo).await?;
    let card = page.wait_for_card(DROPPED, State::Done).await?;

    let (status, answer) = server.caption(DROPPED, photo).await?;
    ensure!(status == 200, "the API answered {status}: {answer}");
    let caption = text(&answer, "caption")?;
    ensure!(caption.len() > 1 && caption.ends_with('.'), "an odd caption: {caption:?}");
    ensure!(card.text_of(".result-caption").await? == caption);
    ensure!(card.text_of(".result-answer .score").await? == score_text(&answer)?);
    Ok(answer)
}

async fn copy_the_caption(page: &Page, browser: &Browser, answer: &Value) -> Result<()> {
    let card = page.wait_for_card(DROPPED, State::Done).await?;
    card.click(".copy").await?;
    page.wait_for(".copy.copied").await?;
    ensure!(card.text_of(".copy").await? == "Copied");
    ensure!(browser.clipboard().await? == text(answer, "caption")?);
    Ok(())
}

/// The other candidates, best first, each with its score.
async fn read_the_alternatives(page: &Page, answer: &Value) -> Result<()> {
    let card = page.wait_for_card(DROPPED, State::Done).await?;
    let candidates = answer["candidates"].as_array().context("no candidates")?;
    ensure!(candidates.len() > 1, "no alternatives to show: {answer}");
    let expected = candidates[1..]
        .iter()
        .map(|candidate| Ok(format!("{}\n{}\nUse this", text(candidate, "caption")?, score_text(candidate)?)))
        .collect::<Result<Vec<_>>>()?;

    card.click(".alternatives summary").await?;
    ensure!(card.texts_of(".alternative").await? == expected);
    Ok(())
}

/// Puts another wording in the caption's place, and then the model's best again, which stands among the others now.
async fn use_an_alternative(page: &Page, answer: &Value) -> Result<()> {
    let card = page.wait_for_card(DROPPED, State::Done).await?;
    let other = card.text_of(".alternative-caption").await?;
    // A double click is one wish.
    page.double_click(".use").await?;
    page.wait_for_text("#announcer", &format!("The caption is now: {other}")).await?;
    ensure!(card.text_of(".result-caption").await? == other);
    ensure!(card.text_of(".result-answer .score").await? == "edited");
    page.wait_until("!document.querySelector('.result[data-using]')").await?;
    card.click(".use").await?;
    page.wait_for_text(".result-caption", text(answer, "caption")?).await?;
    ensure!(card.text_of(".result-answer .score").await? == score_text(answer)?);
    Ok(())
}

async fn choose_a_photo(page: &Page, server: &Server) -> Result<()> {
    let path = picture(CHOSEN);
    page.choose_file(&path).await?;
    let card = page.wait_for_card(CHOSEN, State::Done).await?;

    let (status, answer) = server.caption(CHOSEN, std::fs::read(path)?).await?;
    ensure!(status == 200, "the API answered {status}: {answer}");
    ensure!(card.text_of(".result-caption").await? == text(&answer, "caption")?);
    Ok(())
}

/// A file that is no picture gets the server's own words, and no button for a hopeless retry.
async fn drop_a_text_file(page: &Page, server: &Server) -> Result<()> {
    let (name, contents) = ("notes.txt", b"Milk, bread, three eggs.\n".to_vec());
    page.drop_file(name, "text/plain", &contents).await?;
    let card = page.wait_for_card(name, State::Failed).await?;

    let (status, problem) = server.caption(name, contents).await?;
    ensure!(status == 415, "the API answered {status}: {problem}");
    ensure!(card.text_of(".error-message").await? == text(&problem, "detail")?);
    ensure!(!card.shows(".retry").await?, "a text file will never be a picture");
    Ok(())
}

async fn find_it_among_recent_captions(page: &Page, answer: &Value) -> Result<()> {
    let card = page.recent_card(text(answer, "id")?).await?;
    ensure!(card.text_of(".caption-text").await? == text(answer, "caption")?);
    let width = page.loaded_width(&card, ".thumbnail img").await?;
    ensure!(width > 0, "the thumbnail did not load");
    Ok(())
}

/// A synthetic picture that is part of the project.
fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("trainer/tests/fixtures/images").join(name)
}

fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str> {
    object[field].as_str().with_context(|| format!("no {field:?} in {object}"))
}

/// The score as the page writes it, with a real minus sign.
fn score_text(object: &Value) -> Result<String> {
    let score = object["score"].as_f64().with_context(|| format!("no score in {object}"))?;
    Ok(format!("score {score:.2}").replace('-', "\u{2212}"))
}
