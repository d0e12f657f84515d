//! A search goes along to the pages of what it found, through their forms, and back.

use super::{FORM, caption, three};
use crate::support::web::TestApp;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};

async fn browse(app: &TestApp, uri: &str) -> String {
    let request = Request::get(uri).header(header::ACCEPT, "text/html,*/*;q=0.8");
    app.send(request.body(Body::empty()).expect("a request")).await.text()
}

/// Sends a form; gives the address that it leads to.
async fn submit(app: &TestApp, uri: &str, fields: &str) -> String {
    let answered = app.post(uri, FORM, fields.to_owned()).await;
    assert_eq!(answered.status, StatusCode::SEE_OTHER, "{}", answered.text());
    answered.header("location").to_owned()
}

#[tokio::test]
async fn neighbours_are_those_of_the_search() {
    let (app, ids) = three().await;
    caption(&app, 23, "beach.jpg").await;
    let [older, newer] = [&ids[1], &ids[2]].map(|id| format!("/captions/{id}?query=dog"));
    let list = browse(&app, "/history?query=dog").await;
    assert!(list.contains(&format!("href=\"{newer}\"")), "{list}");
    let page = browse(&app, &newer).await;
    assert!(page.contains("<a href=\"/history?query=dog\">History</a>"), "{page}");
    assert!(page.contains(&format!("id=\"older\" class=\"button\" rel=\"next\" href=\"{older}\"")), "{page}");
    assert!(!page.contains("id=\"newer\""), "what is newer was not found: {page}");
    let page = browse(&app, &older).await;
    assert!(page.contains(&format!("href=\"{newer}\"")) && !page.contains("id=\"older\""), "{page}");
}

#[tokio::test]
async fn forms_of_a_caption_keep_to_the_search() {
    let (app, ids) = three().await;
    let address = format!("/captions/{}?query=dog", ids[2]);
    let page = browse(&app, &address).await;
    assert!(page.contains(&format!("id=\"edit\" method=\"post\" action=\"{address}\"")), "{page}");
    assert_eq!(submit(&app, &address, "caption=A+wolf.").await, address);
    let again = submit(&app, &format!("/captions/{}/again?query=dog", ids[2]), "beam_size=2").await;
    assert!(again.ends_with("?query=dog") && again != address, "{again}");

    let fields = format!("query=dog&ids={}", ids[2]);
    let back = submit(&app, "/history/delete", &fields).await;
    assert_eq!(back, format!("/history?query=dog&deleted={}", ids[2]));
    let gone = browse(&app, &address).await;
    assert!(gone.contains("href=\"/history?query=dog\"") && gone.contains("value=\"dog\""), "{gone}");
    assert_eq!(submit(&app, "/history/restore", &fields).await, address);
}
