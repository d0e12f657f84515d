//! Searching, editing and deleting, and what each does to the others.

use super::*;
use crate::store::NewImage;
use crate::store::fixtures::{caption, files, image, key, store};
use proptest::prelude::{ProptestConfig, any, proptest};
use tempfile::TempDir;

/// A store with these captions, oldest first: the photo's name, its model, the words.
async fn history(captions: &[(&str, &str, &str)]) -> (Store, TempDir) {
    let (store, directory) = store().await;
    for (index, (name, model, words)) in captions.iter().enumerate() {
        let photo = image(&store, &format!("{index:02x}")).await;
        let mut caption = caption(words, key(5));
        caption.model_id = (*model).to_owned();
        let photo = NewImage { file_name: Some((*name).to_owned()), ..photo };
        store.add_caption(photo, caption).await.expect("added");
    }
    (store, directory)
}

const GRASS: &str = "A dog runs through the grass.";
const BEACH: &str = "Two dogs running on a beach.";
const CAFE: &str = "A café with cats.";

async fn three() -> (Store, TempDir) {
    history(&[("beach.jpg", "small", GRASS), ("IMG_7.jpg", "large", BEACH), ("cats.jpg", "small", CAFE)]).await
}

async fn shown(store: &Store, filter: &CaptionFilter) -> Vec<String> {
    let found = store.captions(filter, 100, None).await.expect("no error");
    assert_eq!(store.count_captions(filter).await.expect("no error"), found.len() as u64);
    found.iter().map(|stored| stored.shown().to_owned()).collect()
}

fn words(query: &str) -> CaptionFilter {
    CaptionFilter { query: Some(query.to_owned()), ..CaptionFilter::default() }
}

async fn search(store: &Store, query: &str) -> Vec<String> {
    shown(store, &words(query)).await
}

async fn first(store: &Store, query: &str) -> StoredCaption {
    store.captions(&words(query), 1, None).await.expect("no error").remove(0)
}

#[tokio::test]
async fn lists_are_newest_first_page_by_page() {
    let (store, _directory) = three().await;
    assert_eq!(shown(&store, &CaptionFilter::default()).await, [CAFE, BEACH, GRASS]);
    let first = store.captions(&CaptionFilter::default(), 2, None).await.expect("no error");
    let rest = store.captions(&CaptionFilter::default(), 2, Some(&first[1].id)).await.expect("no error");
    assert_eq!(rest.iter().map(|stored| stored.caption.as_str()).collect::<Vec<_>>(), [GRASS]);
}

#[tokio::test]
async fn words_are_found_in_captions_and_names_in_any_form() {
    let (store, _directory) = three().await;
    for (query, expected) in [
        ("dog", vec![BEACH, GRASS]),
        ("run dogs", vec![BEACH, GRASS]),
        ("beach", vec![BEACH, GRASS]),
        ("grass beach", vec![GRASS]),
        ("gra", vec![GRASS]),
        ("gra dog", vec![]),
        ("\"two dogs\"", vec![BEACH]),
        ("\"dogs two\"", vec![]),
        ("IMG_7", vec![BEACH]),
        ("cafe", vec![CAFE]),
        ("CAFÉ !", vec![CAFE]),
        ("zebra", vec![]),
        ("!?", vec![]),
        (" ", vec![CAFE, BEACH, GRASS]),
    ] {
        assert_eq!(search(&store, query).await, expected, "{query}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_people_type_is_a_syntax_error(
        texts in proptest::collection::vec(any::<String>(), 50),
        operators in proptest::collection::vec("([ \"*^+:(){}a-c-]|AND|OR|NOT|NEAR\\(|shown:){0,12}", 50),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (store, _directory) = history(&[("a.jpg", "small", "A dog.")]).await;
            for query in texts.iter().chain(&operators) {
                search(&store, query).await;
            }
        });
    }
}

#[tokio::test]
async fn captions_are_filtered_by_model_and_day() {
    let (store, _directory) = three().await;
    for (words, time) in
        [(GRASS, "2026-02-27T23:59:59Z"), (BEACH, "2026-02-28T00:00:00Z"), (CAFE, "2026-03-01T00:00:00Z")]
    {
        let update = sqlx::query("UPDATE captions SET created_at = ? WHERE caption = ?").bind(time).bind(words);
        update.execute(&store.writer).await.expect("updates");
    }
    let day = |day: &str| Some(day.to_owned());
    let from = CaptionFilter { from: day("2026-02-28"), ..CaptionFilter::default() };
    assert_eq!(shown(&store, &from).await, [CAFE, BEACH]);
    let until = CaptionFilter { until: day("2026-02-28"), ..CaptionFilter::default() };
    assert_eq!(shown(&store, &until).await, [BEACH, GRASS]);
    let one_day = CaptionFilter { from: day("2026-02-28"), until: day("2026-02-28"), ..CaptionFilter::default() };
    assert_eq!(shown(&store, &one_day).await, [BEACH]);
    // The day of a clock that is ahead begins and ends earlier.
    for (utc_offset_minutes, expected) in [(60, vec![BEACH, GRASS]), (-60, vec![CAFE]), (1440, vec![GRASS])] {
        let shifted = CaptionFilter { utc_offset_minutes, ..one_day.clone() };
        assert_eq!(shown(&store, &shifted).await, expected, "{utc_offset_minutes}");
    }
    let small = CaptionFilter { model: Some("small".to_owned()), ..CaptionFilter::default() };
    assert_eq!(shown(&store, &small).await, [CAFE, GRASS]);
    assert_eq!(store.caption_models().await.expect("no error"), ["large", "small"]);
}

#[tokio::test]
async fn an_edit_is_shown_and_found_and_keeps_the_models_words() {
    let (store, _directory) = three().await;
    let id = first(&store, "grass").await.id;
    let edited = store.edit_caption(&id, Some("A wolf.")).await.expect("no error").expect("a caption");
    assert_eq!((edited.shown(), edited.caption.as_str()), ("A wolf.", GRASS));
    assert!(edited.edited_at.is_some());
    assert_eq!(search(&store, "wolf").await, ["A wolf."]);
    assert_eq!(search(&store, "grass").await, Vec::<String>::new());
    for back in [None, Some(GRASS)] {
        store.edit_caption(&id, Some("A wolf.")).await.expect("no error");
        let undone = store.edit_caption(&id, back).await.expect("no error").expect("a caption");
        assert_eq!((undone.shown(), &undone.edited, &undone.edited_at), (GRASS, &None, &None));
        assert_eq!(search(&store, "grass").await, [GRASS]);
    }
    assert!(store.edit_caption("unknown", Some("A wolf.")).await.expect("no error").is_none());
}

#[tokio::test]
async fn the_newest_name_is_found() {
    let (store, _directory) = three().await;
    let cats = first(&store, "cats.jpg").await;
    store.edit_caption(&cats.id, Some("Kittens.")).await.expect("no error");
    store.name_photo(cats, Some("holiday.jpg".to_owned())).await.expect("renames");
    assert_eq!(search(&store, "holiday").await, ["Kittens."]);
    let photo = NewImage { file_name: Some("sea.jpg".to_owned()), ..image(&store, "02").await };
    store.add_caption(photo, caption("A cow.", key(4))).await.expect("added");
    assert_eq!(search(&store, "sea").await, ["A cow.", "Kittens."]);
    assert_eq!(search(&store, "holiday").await, Vec::<String>::new());
    assert_eq!(search(&store, "cats").await, Vec::<String>::new());
}

#[tokio::test]
async fn deleted_captions_are_nowhere_until_they_are_brought_back() {
    let (store, _directory) = three().await;
    let StoredCaption { id, image_id, .. } = first(&store, "cats").await;
    let ids = [id.clone(), id.clone(), "unknown".to_owned()];
    assert_eq!(store.delete_captions(&ids).await.expect("no error"), 1);
    assert_eq!(store.delete_captions(&ids).await.expect("no error"), 0);
    assert_eq!(shown(&store, &CaptionFilter::default()).await, [BEACH, GRASS]);
    assert_eq!(search(&store, "cats").await, Vec::<String>::new());
    assert!(store.caption(&id).await.expect("no error").is_none());
    assert!(store.image(&image_id).await.expect("no error").is_none(), "its photo is hidden too");
    assert!(store.edit_caption(&id, Some("A cow.")).await.expect("no error").is_none());
    assert!(store.captions_with_ids(&ids).await.expect("no error").is_empty());

    assert_eq!(store.restore_captions(&ids).await.expect("no error"), 1);
    assert_eq!(store.restore_captions(&ids).await.expect("no error"), 0);
    assert_eq!(search(&store, "cats").await, [CAFE]);
    assert!(store.image(&image_id).await.expect("no error").is_some());
    assert_eq!(store.captions_with_ids(&ids).await.expect("no error").len(), 1);
}

#[tokio::test]
async fn a_deleted_caption_is_no_answer_and_is_replaced() {
    let (store, directory) = history(&[("a.jpg", "small", "A dog.")]).await;
    let old = first(&store, "dog").await.id;
    store.edit_caption(&old, Some("A wolf.")).await.expect("no error");
    store.delete_captions(std::slice::from_ref(&old)).await.expect("no error");
    assert!(store.find_caption("00", &key(5)).await.expect("no error").is_none());
    let new = store.add_caption(image(&store, "00").await, caption("A cat.", key(5))).await.expect("added");
    assert_ne!(new.id, old);
    assert_eq!((new.shown(), &new.edited_at), ("A cat.", &None));
    assert_eq!(store.restore_captions(&[old]).await.expect("no error"), 0);
    assert_eq!(search(&store, "wolf").await, Vec::<String>::new());
    assert_eq!(search(&store, "cat").await, ["A cat."]);
    assert_eq!(files(&directory).len(), 2);
}
