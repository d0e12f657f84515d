//! The store by itself: keys, order, and the rules that the database keeps.

use super::*;
use tempfile::TempDir;

async fn store() -> (Store, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(directory.path()).await.expect("a store");
    (store, directory)
}

fn image(sha256: &str) -> NewImage {
    NewImage {
        sha256: sha256.to_owned(),
        file_name: None,
        media_type: "image/jpeg",
        width: 40,
        height: 30,
        bytes: 1000,
    }
}

fn key(beam_size: usize) -> SearchKey {
    SearchKey { model_revision: "r1".to_owned(), precision: "float32".to_owned(), beam_size, max_length: 20 }
}

fn caption(text: &str, key: SearchKey) -> NewCaption {
    let candidate = |caption: &str, score| Candidate { caption: caption.to_owned(), score };
    NewCaption {
        model_id: "model".to_owned(),
        key,
        candidates: vec![candidate(text, -0.5), candidate("Other.", -0.75)],
        timings: Timings { decode: 1.5, queue: 0.0, encode: 70.25, search: 25.0 },
    }
}

#[tokio::test]
async fn what_is_added_is_found_by_its_key_and_by_its_id() {
    let (store, _directory) = store().await;
    let added = store.add_caption(&image("aa"), &caption("A dog.", key(5))).await.expect("added");
    assert_eq!((added.caption.as_str(), added.score), ("A dog.", -0.5));
    assert_eq!(added.candidates, caption("A dog.", key(5)).candidates);
    assert_eq!(added.timings, caption("A dog.", key(5)).timings);
    assert_eq!((added.width, added.height), (40, 30));

    let found = store.find_caption("aa", &key(5)).await.expect("no error");
    assert_eq!(found.map(|found| found.id), Some(added.id.clone()));
    let found = store.caption(&added.id).await.expect("no error");
    assert_eq!(found.map(|found| found.created_at), Some(added.created_at));
    assert!(store.has_image("aa").await.expect("no error"));
}

#[tokio::test]
async fn another_photo_model_or_search_is_another_key() {
    let (store, _directory) = store().await;
    store.add_caption(&image("aa"), &caption("A dog.", key(5))).await.expect("added");
    let mut others = vec![("bb", key(5)), ("aa", key(4))];
    for change in [
        |key: &mut SearchKey| key.model_revision = "r2".to_owned(),
        |key: &mut SearchKey| key.precision = "bfloat16".to_owned(),
        |key: &mut SearchKey| key.max_length = 19,
    ] {
        let mut other = key(5);
        change(&mut other);
        others.push(("aa", other));
    }
    for (sha256, key) in others {
        assert!(store.find_caption(sha256, &key).await.expect("no error").is_none(), "{sha256} {key:?}");
    }
}

#[tokio::test]
async fn of_two_equal_requests_the_first_is_kept() {
    let (store, _directory) = store().await;
    let (one, other) = (caption("One.", key(5)), caption("Other.", key(5)));
    let image = image("aa");
    let (one, other) = tokio::join!(store.add_caption(&image, &one), store.add_caption(&image, &other));
    let (one, other) = (one.expect("added"), other.expect("found"));
    assert_eq!(one.id, other.id);
    assert_eq!(one.caption, other.caption);
    assert_eq!(store.captions(10, None).await.expect("no error").len(), 1);
}

#[tokio::test]
async fn a_caption_without_wordings_is_refused_whole() {
    let (store, _directory) = store().await;
    let mut empty = caption("", key(5));
    empty.candidates.clear();
    store.add_caption(&image("aa"), &empty).await.expect_err("nothing to store");
    assert!(!store.has_image("aa").await.expect("no error"), "the photo's row is taken back too");
}

#[tokio::test]
async fn lists_are_newest_first() {
    let (store, _directory) = store().await;
    for name in ["aa", "bb", "cc"] {
        store.add_caption(&image(name), &caption(name, key(5))).await.expect("added");
    }
    let texts = |list: Vec<StoredCaption>| -> Vec<String> { list.into_iter().map(|stored| stored.caption).collect() };
    let all = store.captions(10, None).await.expect("no error");
    let newest = all[0].id.clone();
    assert_eq!(texts(all), ["cc", "bb", "aa"]);
    let older = store.captions(1, Some(&newest)).await.expect("no error");
    assert_eq!(texts(older), ["bb"]);
}

#[tokio::test]
async fn the_database_is_as_durable_and_strict_as_promised() {
    let (store, _directory) = store().await;
    let pragma = async |query: &'static str| -> String {
        let value: Result<String, _> = sqlx::query_scalar(query).fetch_one(&store.database).await;
        value.unwrap_or_default()
    };
    assert_eq!(pragma("PRAGMA journal_mode").await, "wal");
    let number = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(&store.database).await.expect("a number")
    };
    assert_eq!(number("PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(number("PRAGMA foreign_keys").await, 1);
}
