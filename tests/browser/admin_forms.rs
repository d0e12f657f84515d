//! The forms of the pages for admins: pressed twice, come back to, on a phone. The page itself answers what would start
//! something: nothing is trained here.

use anyhow::{Result, ensure};

use crate::chromium::{Browser, Look};
use crate::in_browser;
use crate::page::Page;
use crate::site::Site;

const PHONE: Look = Look { width: 360, height: 740, phone: true, dark: false };

/// Answers as the server does where all is well, with a job that is none.
const ANSWER: &str = "void (window.fetch = async (address) => {
    return Response.json(address.endsWith('/check') ? { findings: [] } : { id: 'none', jobs: [] });
})";

/// Whether the buttons below the form of a new run can be seen and pressed.
const IN_REACH: &str = "['check', 'start'].every((id) => {
    const button = document.getElementById(id);
    const { left, top, width, height } = button.getBoundingClientRect();
    return button.contains(document.elementFromPoint(left + width / 2, top + height / 2));
})";

/// Whether the end of the page can be scrolled out from under the message.
const ENDS_ABOVE_THE_MESSAGE: &str = "(() => {
    scrollTo(0, document.documentElement.scrollHeight);
    const edges = (selector) => document.querySelector(selector).getBoundingClientRect();
    return edges('.site-footer').bottom <= edges('#toast').top;
})()";

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_forms_start_one_thing_and_work_on_the_way_back() -> Result<()> {
    let site = Site::start().await?;
    let signed_in = format!("void (document.cookie = '{}; path=/')", site.sign_in().await?);
    in_browser(async |browser| {
        let page = Page::open(browser, &site.at("/sign-in")).await?;
        page.value(&signed_in).await?;
        start_a_run(browser, &site).await?;
        start_an_evaluation(browser, &site).await?;
        create_a_key(browser, &site).await?;
        read_a_message_on_a_phone(browser, &site).await
    })
    .await
}

async fn start_a_run(browser: &Browser, site: &Site) -> Result<()> {
    let page = Page::open(browser, &site.at("/admin/runs/new")).await?;
    page.wait_for("[data-key='model.d_model']").await?;
    answer(&page).await?;
    page.double_click("#start").await?;
    come_back(browser, &page).await?;
    page.wait_until("['check', 'start'].every((id) => !document.getElementById(id).disabled)").await?;
    let requests = page.requests().await?;
    ensure!(requests == ["check", "jobs"], "{requests:?}");
    // It was checked already.
    page.click("#start").await?;
    come_back(browser, &page).await?;
    let requests = page.requests().await?;
    ensure!(requests == ["check", "jobs", "jobs"], "{requests:?}");
    Ok(())
}

async fn start_an_evaluation(browser: &Browser, site: &Site) -> Result<()> {
    let page = Page::open(browser, &site.at("/admin/evaluate")).await?;
    page.click("#models input").await?;
    let fill = "['dataset', 'images'].forEach((id) => { document.getElementById(id).value = '/data/photos'; })";
    page.value(fill).await?;
    answer(&page).await?;
    page.double_click("#start").await?;
    come_back(browser, &page).await?;
    page.wait_for_text("#start", "Evaluate").await?;
    page.click("#start").await?;
    come_back(browser, &page).await?;
    // Besides, the page asks for the list of evaluations every few seconds.
    let requests = page.requests().await?;
    ensure!(requests.iter().filter(|request| *request == "evaluations").count() == 2, "{requests:?}");
    Ok(())
}

/// By the form alone, without a script of its own.
async fn create_a_key(browser: &Browser, site: &Site) -> Result<()> {
    let page = Page::open(browser, &site.at("/admin/keys")).await?;
    page.note_sending().await?;
    page.click("#name").await?;
    page.press("Phone").await?;
    page.double_click(".key-form button").await?;
    page.wait_for("#new-key").await?;
    ensure!(page.times_sent().await? == 1, "it is sent once");
    ensure!(page.count(".key").await? == 1);
    Ok(())
}

async fn read_a_message_on_a_phone(browser: &Browser, site: &Site) -> Result<()> {
    browser.set_look(PHONE).await?;
    let page = Page::open(browser, &site.at("/admin/runs/new")).await?;
    page.wait_for("[data-key='model.d_model']").await?;
    page.value("void (document.getElementById('run-name').value = '')").await?;
    page.click("#start").await?;
    let message = "The run needs a name.";
    page.wait_for_text("#toast-text", message).await?;
    ensure!(page.value("document.getElementById('announcer').textContent").await? == message, "it is told");
    page.wait_until(IN_REACH).await?;
    page.wait_until(ENDS_ABOVE_THE_MESSAGE).await?;
    page.click("#toast-close").await?;
    page.wait_until("document.getElementById('toast').hidden").await?;
    page.wait_until("document.activeElement.id === 'run-name'").await?;
    page.wait_until("getComputedStyle(document.body).paddingBottom === '0px'").await
}

/// From here on the page answers itself, and notes what is asked.
async fn answer(page: &Page) -> Result<()> {
    page.value(ANSWER).await?;
    page.note_requests().await
}

/// From the page of the job, which is none, to the one before, as the browser has kept it.
async fn come_back(browser: &Browser, page: &Page) -> Result<()> {
    page.wait_for(".error-page").await?;
    browser.client.back().await?;
    page.wait_until("window.asked").await
}
