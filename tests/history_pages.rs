//! The history and the page of one caption, as a browser without scripts uses them.

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use support::web::{Answered, Part, TestApp, png};

async fn browse(app: &TestApp, uri: &str) -> Answered {
    let request = Request::get(uri).header(header::ACCEPT, "text/html,*/*;q=0.8");
    app.send(request.body(Body::empty()).expect("a request")).await
}

/// Sends a form; gives the address that it leads to.
async fn submit(app: &TestApp, uri: &str, fields: &str) -> String {
    let answered = app.post(uri, "application/x-www-form-urlencoded", fields.to_owned()).await;
    assert_eq!(answered.status, StatusCode::SEE_OTHER, "{}", answered.text());
    answered.header("location").to_owned()
}

/// Captions pictures of these widths; gives the captions' ids.
async fn caption(app: &TestApp, widths: impl IntoIterator<Item = u32>) -> Vec<String> {
    let mut ids = Vec::new();
    for width in widths {
        let (name, photo) = (format!("photo-{width}.png"), png(width, 4));
        let answer = app.form("/api/caption", &[Part::Image(&name, &photo)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        ids.push(answer.json()["id"].as_str().expect("an id").to_owned());
    }
    ids
}

fn cards(html: &str) -> usize {
    html.matches("class=\"caption-card\"").count()
}

/// The address in the link with this id.
fn link(html: &str, id: &str) -> Option<String> {
    let tag = html.split('<').find(|tag| tag.starts_with('a') && tag.contains(&format!("id=\"{id}\"")))?;
    Some(tag.split("href=\"").nth(1)?.split('"').next()?.replace("&#38;", "&"))
}

#[tokio::test]
async fn an_empty_history_says_so() {
    let app = TestApp::new().await;
    let html = browse(&app, "/history").await.text();
    assert!(html.contains("Nothing has been captioned yet."), "{html}");
    assert!(html.contains("0 captions"));
}

#[tokio::test]
async fn pages_follow_each_other_newest_first_without_gaps() {
    let app = TestApp::new().await;
    caption(&app, 20..70).await;
    let first = browse(&app, "/history").await;
    assert_eq!(first.header("cache-control"), "no-cache");
    let first = first.text();
    assert_eq!(cards(&first), 48);
    assert!(first.contains("50 captions"));
    assert!(first.find("A picture of 69 by 4") < first.find("A picture of 68 by 4"));
    let second = browse(&app, &link(&first, "older").expect("an older page")).await.text();
    assert_eq!(cards(&second), 2);
    assert!(second.contains("A picture of 21 by 4") && second.contains("A picture of 20 by 4"), "{second}");
    assert_eq!(link(&second, "older"), None);
    assert!(second.contains("50 captions"), "the whole, not the page");
}

#[tokio::test]
async fn search_finds_words_and_file_names_and_stays_in_the_links() {
    let app = TestApp::new().await;
    caption(&app, [10, 11]).await;
    let html = browse(&app, "/history?query=photo-11").await.text();
    assert!(cards(&html) == 1 && html.contains("1 caption found"), "{html}");
    assert!(html.contains("value=\"photo-11\""), "the field keeps the words");
    let html = browse(&app, "/history?query=%22elephants%3C").await.text();
    assert!(html.contains("No caption matches."), "{html}");
    assert!(html.contains("value=\"&#34;elephants&#60;\""), "{html}");
}

#[tokio::test]
async fn filters_take_model_and_days() {
    let app = TestApp::new().await;
    caption(&app, [10]).await;
    let found = async |query: &str| cards(&browse(&app, &format!("/history?{query}")).await.text());
    assert_eq!(found("from=2000-01-01&until=9999-12-30").await, 1);
    assert_eq!(found("from=9999-01-01").await, 0);
    assert_eq!(found("until=2000-01-01").await, 0);
    assert_eq!(found("model=another").await, 0);
    assert_eq!(found("query=&model=&from=&until=").await, 1);
}

#[tokio::test]
async fn deleting_leads_back_to_the_same_page_with_undo() {
    let app = TestApp::new().await;
    let ids = caption(&app, [10, 11, 12]).await;
    let fields = format!("query=picture&model=&ids={}&ids={}", ids[0], ids[2]);
    let back = submit(&app, "/history/delete", &fields).await;
    assert!(back.starts_with("/history?query=picture&deleted="), "{back}");
    let html = browse(&app, &back).await.text();
    assert_eq!(cards(&html), 1);
    assert!(html.contains("2 captions deleted") && html.contains("Undo"), "{html}");
    for id in [&ids[0], &ids[2]] {
        assert!(html.contains(&format!("<input type=\"hidden\" name=\"ids\" value=\"{id}\">")), "{html}");
    }
    let back = submit(&app, "/history/restore", &fields).await;
    assert_eq!(back, "/history?query=picture");
    assert_eq!(cards(&browse(&app, &back).await.text()), 3);
}

#[tokio::test]
async fn a_deleted_captions_page_offers_to_bring_it_back() {
    let app = TestApp::new().await;
    let id = caption(&app, [10]).await.remove(0);
    let address = format!("/captions/{id}");
    submit(&app, "/history/delete", &format!("ids={id}")).await;
    let gone = browse(&app, &address).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.text().contains("Bring it back"), "{}", gone.text());
    assert_eq!(submit(&app, "/history/restore", &format!("ids={id}")).await, address);
    assert_eq!(browse(&app, &address).await.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_captions_are_not_found() {
    let app = TestApp::new().await;
    let page = browse(&app, "/captions/nothing").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(!page.text().contains("Bring it back"));
    let form = "application/x-www-form-urlencoded";
    app.post("/captions/nothing", form, "caption=x").await.problem(404, "not-found");
    app.post("/captions/nothing/again", form, "beam_size=1").await.problem(404, "not-found");
    assert_eq!(submit(&app, "/history/restore", "ids=nothing").await, "/history");
}

#[tokio::test]
async fn words_are_edited_and_the_models_are_kept() {
    let app = TestApp::new().await;
    let id = caption(&app, [10]).await.remove(0);
    let address = format!("/captions/{id}");
    assert_eq!(submit(&app, &address, "caption=+My+%3Cb%3Edog%3C%2Fb%3E.+").await, address);
    let html = browse(&app, &address).await.text();
    assert!(html.contains("<h1>My &#60;b&#62;dog&#60;/b&#62;.</h1>"), "{html}");
    assert!(html.contains("kept as it was:</span> A picture of 10 by 4, wording 0."), "{html}");
    assert!(browse(&app, "/history").await.text().contains("edited"));

    submit(&app, &address, "original=true").await;
    let html = browse(&app, &address).await.text();
    assert!(html.contains("<h1>A picture of 10 by 4, wording 0.</h1>"), "{html}");
    assert!(!html.contains("kept as it was"));

    submit(&app, &address, "caption=A+picture+of+10+by+4%2C+wording+1.").await;
    assert!(browse(&app, &address).await.text().contains("<h1>A picture of 10 by 4, wording 1.</h1>"));
}

#[tokio::test]
async fn empty_words_are_refused() {
    let app = TestApp::new().await;
    let id = caption(&app, [10]).await.remove(0);
    let form = "application/x-www-form-urlencoded";
    app.post(&format!("/captions/{id}"), form, "caption=++").await.problem(422, "invalid-option");
}

#[tokio::test]
async fn a_photo_is_captioned_again_beside_the_first_caption() {
    let app = TestApp::new().await;
    let id = caption(&app, [10]).await.remove(0);
    let again = format!("/captions/{id}/again");
    let other = submit(&app, &again, "beam_size=2&max_length=9").await;
    assert_ne!(other, format!("/captions/{id}"));
    assert_eq!(browse(&app, &other).await.status, StatusCode::OK);
    assert_eq!(cards(&browse(&app, "/history").await.text()), 2);
    assert_eq!(submit(&app, &again, "beam_size=2&max_length=9").await, other, "the same options, the same caption");
    let form = "application/x-www-form-urlencoded";
    app.post(&again, form, "beam_size=0").await.problem(422, "invalid-option");
}

#[tokio::test]
async fn a_caption_knows_its_neighbours() {
    let app = TestApp::new().await;
    let ids = caption(&app, [10, 11, 12]).await;
    let html = browse(&app, &format!("/captions/{}", ids[1])).await.text();
    assert_eq!(link(&html, "newer"), Some(format!("/captions/{}", ids[2])));
    assert_eq!(link(&html, "older"), Some(format!("/captions/{}", ids[0])));
    submit(&app, "/history/delete", &format!("ids={}", ids[0])).await;
    let html = browse(&app, &format!("/captions/{}", ids[1])).await.text();
    assert_eq!(link(&html, "older"), None, "deleted ones are passed over");
}

#[tokio::test]
async fn a_caption_is_offered_as_alt_text_and_markdown() {
    let app = TestApp::new().await;
    let id = caption(&app, [10]).await.remove(0);
    let html = browse(&app, &format!("/captions/{id}")).await.text();
    for copy in ["alt=&#34;A picture of 10 by 4, wording 0.&#34;", "![A picture of 10 by 4, wording 0.](photo-10.png)"]
    {
        assert!(html.contains(&format!("data-copy=\"{copy}\"")), "{html}");
    }
}

#[tokio::test]
async fn the_ticked_captions_are_exported_whatever_the_filter_of_the_page() {
    let app = TestApp::new().await;
    let ids = caption(&app, [20, 21, 22]).await;
    let export = async |fields: &str| {
        let form = "application/x-www-form-urlencoded";
        let answered = app.post("/api/captions/export", form, fields.to_owned()).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
        answered.text()
    };
    let table = export(&format!("query=picture&model=&from=&until=&format=csv&ids={}", ids[1])).await;
    assert!(table.contains("photo-21.png") && !table.contains("photo-20.png"), "{table}");
    let table = export("query=photo-22&model=&from=&until=&format=csv").await;
    assert!(table.contains("photo-22.png") && !table.contains("photo-20.png"), "{table}");
}
