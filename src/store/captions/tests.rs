//! The store by itself: keys, order, and the rules that the database keeps.

use super::*;
use crate::store::FileKind;
use crate::store::fixtures::{caption, files, image, key, rows, store};

#[tokio::test]
async fn what_is_added_is_found_by_its_key_and_by_its_id() {
    let (store, _directory) = store().await;
    let added = store.add_caption(image(&store, "aa").await, caption("A dog.", key(5))).await.expect("added");
    assert_eq!((added.caption.as_str(), added.score), ("A dog.", -0.5));
    assert_eq!(added.candidates, caption("A dog.", key(5)).candidates);
    assert_eq!(added.timings, caption("A dog.", key(5)).timings);
    assert_eq!((added.width, added.height), (40, 30));

    let found = store.find_caption("aa", &key(5)).await.expect("no error");
    assert_eq!(found.map(|found| found.id), Some(added.id.clone()));
    let found = store.caption(&added.id).await.expect("no error");
    assert_eq!(found.map(|found| found.created_at), Some(added.created_at));
    assert!(store.image(&added.image_id).await.expect("no error").is_some());
}

#[tokio::test]
async fn another_photo_model_or_search_is_another_key() {
    let (store, _directory) = store().await;
    store.add_caption(image(&store, "aa").await, caption("A dog.", key(5))).await.expect("added");
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
    let (image_one, image_other) = (image(&store, "aa").await, image(&store, "aa").await);
    let (one, other) = tokio::join!(store.add_caption(image_one, one), store.add_caption(image_other, other));
    let (one, other) = (one.expect("added"), other.expect("found"));
    assert_eq!(one.id, other.id);
    assert_eq!(one.caption, other.caption);
    assert_eq!(rows(&store, "captions").await, 1);
}

#[tokio::test]
async fn a_caption_without_wordings_is_refused_whole() {
    let (store, directory) = store().await;
    let mut empty = caption("", key(5));
    empty.candidates.clear();
    store.add_caption(image(&store, "aa").await, empty).await.expect_err("nothing to store");
    assert_eq!(rows(&store, "images").await, 0, "the photo's row is taken back too");
    assert_eq!(files(&directory), Vec::<String>::new());
}

#[tokio::test]
async fn files_and_rows_come_together() {
    let (store, directory) = store().await;
    let unused = image(&store, "bb").await;
    store.add_caption(image(&store, "aa").await, caption("A dog.", key(5))).await.expect("added");
    drop(unused);
    assert_eq!(files(&directory), ["images/aa/aa.jpg", "thumbnails/aa/aa.jpg"]);
}

#[tokio::test]
async fn lost_files_come_back_with_the_next_upload() {
    let (store, directory) = store().await;
    store.add_caption(image(&store, "aa").await, caption("A dog.", key(5))).await.expect("added");
    std::fs::remove_file(directory.path().join("images/aa/aa.jpg")).expect("removes");
    let added = store.add_caption(image(&store, "aa").await, caption("A dog.", key(4))).await.expect("added");
    assert_eq!(files(&directory), ["images/aa/aa.jpg", "thumbnails/aa/aa.jpg"]);
    let kept = store.image(&added.image_id).await.expect("no error").expect("a photo");
    assert_eq!(store.read_file(&kept, FileKind::Photo).await.expect("reads"), Some(vec![1; 900]));
}

#[tokio::test]
async fn a_full_database_leaves_neither_rows_nor_files() {
    let (store, directory) = store().await;
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.writer).await.expect("a number");
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(limit).execute(&store.writer).await.expect("sets the limit");
    let long = caption(&"A dog. ".repeat(10_000), key(5));
    let error = store.add_caption(image(&store, "aa").await, long).await.expect_err("no room");
    assert!(error.is_full(), "{error}");
    assert_eq!((rows(&store, "images").await, rows(&store, "captions").await), (0, 0));
    assert_eq!(files(&directory), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_cannot_be_placed_leaves_no_row() {
    let (store, directory) = store().await;
    let staged = image(&store, "aa").await;
    std::fs::create_dir(directory.path().join("thumbnails/aa/aa.jpg")).expect("a folder in the way");
    store.add_caption(staged, caption("A dog.", key(5))).await.expect_err("cannot be placed");
    assert_eq!((rows(&store, "images").await, rows(&store, "captions").await), (0, 0));
    assert_eq!(files(&directory), ["thumbnails/aa/aa.jpg"], "the folder in the way");
}

#[tokio::test]
async fn a_photo_goes_by_its_newest_name() {
    let (store, _directory) = store().await;
    let named = async |name: &str| NewImage { file_name: Some(name.to_owned()), ..image(&store, "aa").await };
    let first = store.add_caption(named("one.jpg").await, caption("A dog.", key(5))).await.expect("added");
    assert_eq!(first.file_name.as_deref(), Some("one.jpg"));
    let again = store.add_caption(named("two.jpg").await, caption("A dog.", key(4))).await.expect("added");
    assert_eq!(again.file_name.as_deref(), Some("two.jpg"));
    let unnamed = store.add_caption(image(&store, "aa").await, caption("A dog.", key(3))).await.expect("added");
    assert_eq!(unnamed.file_name.as_deref(), Some("two.jpg"), "no name takes none away");
    let renamed = store.name_photo(unnamed, Some("three.jpg".to_owned())).await.expect("renames");
    assert_eq!(renamed.file_name.as_deref(), Some("three.jpg"));
    let first = store.caption(&first.id).await.expect("no error").expect("a caption");
    assert_eq!(first.file_name.as_deref(), Some("three.jpg"));
}

#[tokio::test]
async fn another_caption_is_added_to_a_photo_that_is_here() {
    let (store, _directory) = store().await;
    let added = store.add_caption(image(&store, "aa").await, caption("A dog.", key(5))).await.expect("added");
    let mut photo = store.image(&added.image_id).await.expect("no error").expect("a photo");
    let more = store.add_caption_of(&photo, &caption("A cat.", key(4))).await.expect("no error").expect("added");
    assert_eq!((more.caption.as_str(), &more.image_id), ("A cat.", &added.image_id));
    photo.id = "gone".to_owned();
    assert!(store.add_caption_of(&photo, &caption("A cow.", key(3))).await.expect("no error").is_none());
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

#[tokio::test]
async fn a_deleted_caption_stays_beside_the_one_in_its_place() {
    let (store, _directory) = store().await;
    let add = async |words: &str| {
        store.add_caption(image(&store, "aa").await, caption(words, key(5))).await.expect("added").id
    };
    let old = add("A dog.").await;
    store.edit_caption(&old, Some("A wolf.")).await.expect("no error");
    store.delete_captions(std::slice::from_ref(&old)).await.expect("deletes");
    let new = add("A cat.").await;
    assert_eq!(store.caption_in_place_of(&old).await.expect("no error"), Some(new.clone()));
    assert_eq!(store.caption_in_place_of(&new).await.expect("no error"), None, "it is there itself");
    let both = [old.clone(), new.clone()];
    assert_eq!(store.restore_captions(&both).await.expect("no error"), 0);
    store.delete_captions(&both).await.expect("deletes");
    assert_eq!(store.restore_captions(&both).await.expect("no error"), 1, "only one of them");
    store.delete_captions(&both).await.expect("deletes");
    assert_eq!(store.restore_captions(std::slice::from_ref(&old)).await.expect("no error"), 1);
    let restored = store.caption(&old).await.expect("no error").expect("a caption");
    assert_eq!((restored.shown(), restored.caption.as_str()), ("A wolf.", "A dog."));
    assert_eq!((rows(&store, "captions").await, rows(&store, "captions_search").await), (2, 2));
}

#[tokio::test]
async fn changes_with_a_condition_are_made_or_not() {
    let (store, _directory) = store().await;
    let id = store.add_caption(image(&store, "aa").await, caption("A dog.", key(5))).await.expect("added").id;
    let is_cat = |found: &StoredCaption| found.shown() == "A cat.";
    let refused = store.edit_caption_if(&id, Some("A wolf."), is_cat).await.expect("no error");
    assert!(matches!(refused, Conditional::Otherwise), "{refused:?}");
    let edited = store.edit_caption_if(&id, Some("A cat."), |_| true).await.expect("no error");
    assert!(matches!(&edited, Conditional::Done(edited) if edited.shown() == "A cat."), "{edited:?}");
    let deleted = store.delete_caption_if(&id, |found| !is_cat(found)).await.expect("no error");
    assert!(matches!(deleted, Conditional::Otherwise), "{deleted:?}");
    let deleted = store.delete_caption_if(&id, is_cat).await.expect("no error");
    assert!(matches!(deleted, Conditional::Done(())), "{deleted:?}");
    let gone = store.delete_caption_if(&id, is_cat).await.expect("no error");
    assert!(matches!(gone, Conditional::Gone), "{gone:?}");
}

/// What made captions as they were.
const BEFORE: [&str; 2] = [
    include_str!("../../../migrations/0001_images_and_captions.sql"),
    include_str!("../../../migrations/0002_history.sql"),
];
const DELETED_CAPTIONS: &str = include_str!("../../../migrations/0007_deleted_captions.sql");

#[tokio::test]
async fn a_history_of_before_is_taken_over_as_it_is() {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};
    let directory = tempfile::tempdir().expect("a temporary folder");
    let options = SqliteConnectOptions::new().filename(directory.path().join("before.sqlite3"));
    let options = options.create_if_missing(true).foreign_keys(true);
    let mut database = options.connect().await.expect("a database");
    for migration in BEFORE {
        sqlx::raw_sql(migration).execute(&mut database).await.expect("migrates");
    }
    let rows = "INSERT INTO images (id, sha256, media_type, width, height, bytes, file_name) \
                VALUES ('photo', 'aa', 'image/png', 1, 1, 1, 'beach.png'); \
                INSERT INTO captions (id, image_id, model_id, model_revision, precision, beam_size, max_length, \
                caption, score, candidates, decode_ms, queue_ms, encode_ms, search_ms, edited, deleted_at) \
                VALUES ('a', 'photo', 'm', 'r', 'f', 5, 20, 'A dog.', -1, '[]', 0, 0, 0, 0, NULL, NULL), \
                ('b', 'photo', 'm', 'r', 'f', 4, 20, 'A dog.', -1, '[]', 0, 0, 0, 0, 'A wolf.', '2026-01-01'), \
                ('c', 'photo', 'm', 'r', 'f', 3, 20, 'A cat.', -1, '[]', 0, 0, 0, 0, NULL, NULL); \
                DELETE FROM captions WHERE id = 'a'";
    sqlx::raw_sql(rows).execute(&mut database).await.expect("inserts");
    let mut transaction = database.begin().await.expect("begins");
    sqlx::raw_sql(DELETED_CAPTIONS).execute(&mut *transaction).await.expect("migrates");
    transaction.commit().await.expect("commits");

    let found = "SELECT id, shown, deleted_at IS NOT NULL FROM captions \
                 WHERE number IN (SELECT rowid FROM captions_search WHERE captions_search MATCH ?) ORDER BY id";
    for (word, expected) in [("wolf", vec![("b", "A wolf.", true)]), ("cat", vec![("c", "A cat.", false)])] {
        let rows: Vec<(String, String, bool)> =
            sqlx::query_as(found).bind(word).fetch_all(&mut database).await.expect("no error");
        let rows: Vec<_> = rows.iter().map(|(id, shown, deleted)| (id.as_str(), shown.as_str(), *deleted)).collect();
        assert_eq!(rows, expected, "{word}");
    }
    // The search still follows the names, and the rows their photo.
    let renamed = "UPDATE images SET file_name = 'sea.png'";
    sqlx::raw_sql(renamed).execute(&mut database).await.expect("renames");
    let named: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM captions_search WHERE captions_search MATCH 'sea'")
        .fetch_one(&mut database)
        .await
        .expect("a number");
    assert_eq!(named, 2);
    sqlx::raw_sql("DELETE FROM images").execute(&mut database).await.expect("deletes");
    let left: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM captions").fetch_one(&mut database).await.expect("a number");
    assert_eq!(left, 0);
}
