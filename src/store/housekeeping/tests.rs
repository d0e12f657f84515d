//! What goes, and what stays.

use super::*;
use crate::store::CaptionFilter;
use crate::store::fixtures::{caption, files, image, key, rows, store};
use std::path::Path;
use std::time::SystemTime;
use tempfile::TempDir;

const KEEP_ALL: Retention = Retention { undo: Duration::from_secs(3600), age: None, bytes: None };

/// A store with a photo of 1,000 bytes and a caption for each name; the captions' ids, oldest first.
async fn photos(names: &[&str]) -> (Store, TempDir, Vec<String>) {
    let (store, directory) = store().await;
    let mut ids = Vec::new();
    for name in names {
        let photo = image(&store, name).await;
        ids.push(store.add_caption(photo, caption(name, key(5))).await.expect("added").id);
    }
    (store, directory, ids)
}

async fn shown(store: &Store) -> Vec<String> {
    let found = store.captions(&CaptionFilter::default(), 100, None).await.expect("no error");
    found.into_iter().map(|stored| stored.caption).collect()
}

/// Sets a time of a caption, relative to now.
async fn set(store: &Store, column: &str, id: &str, time: &str) {
    let update = format!("UPDATE captions SET {column} = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', ?) WHERE id = ?");
    sqlx::query(sqlx::AssertSqlSafe(update)).bind(time).bind(id).execute(&store.writer).await.expect("updates");
}

#[tokio::test]
async fn a_deletion_is_final_when_its_time_is_over() {
    let (store, directory, ids) = photos(&["aa", "bb"]).await;
    store.delete_captions(&ids).await.expect("deletes");
    set(&store, "deleted_at", &ids[0], "-3601 seconds").await;
    let removed = store.keep_house(&KEEP_ALL).await.expect("a round");
    assert_eq!(removed, Removed { captions: 1, photos: 1 });
    assert_eq!(files(&directory), ["images/bb/bb.jpg", "thumbnails/bb/bb.jpg"]);
    assert_eq!(store.restore_captions(&ids).await.expect("restores"), 1);
    assert_eq!(shown(&store).await, ["bb"]);
    assert_eq!(rows(&store, "captions_search").await, 1);
    assert_eq!(store.keep_house(&KEEP_ALL).await.expect("a round"), Removed::default());
}

#[tokio::test]
async fn a_photo_stays_as_long_as_it_has_a_caption() {
    let (store, directory, ids) = photos(&["aa"]).await;
    store.add_caption(image(&store, "aa").await, caption("Other.", key(4))).await.expect("added");
    store.delete_captions(&ids).await.expect("deletes");
    let at_once = Retention { undo: Duration::ZERO, ..KEEP_ALL };
    let removed = store.keep_house(&at_once).await.expect("a round");
    assert_eq!(removed, Removed { captions: 1, photos: 0 });
    assert_eq!(files(&directory).len(), 2);
}

#[tokio::test]
async fn captions_beyond_the_age_go() {
    let (store, directory, ids) = photos(&["aa", "bb"]).await;
    set(&store, "created_at", &ids[0], "-2 days").await;
    let a_day = Retention { age: Some(Duration::from_secs(24 * 3600)), ..KEEP_ALL };
    let removed = store.keep_house(&a_day).await.expect("a round");
    assert_eq!(removed, Removed { captions: 1, photos: 1 });
    assert_eq!(shown(&store).await, ["bb"]);
    assert_eq!(files(&directory).len(), 2);
}

#[tokio::test]
async fn the_oldest_photos_go_where_there_is_no_room() {
    let (store, directory, _) = photos(&["aa", "bb", "cc"]).await;
    store.add_caption(image(&store, "aa").await, caption("Other.", key(4))).await.expect("added");
    for (bytes, left) in [(3000, 3), (2999, 2), (1000, 1), (999, 0)] {
        let bounded = Retention { bytes: Some(bytes), ..KEEP_ALL };
        store.keep_house(&bounded).await.expect("a round");
        assert_eq!(files(&directory).len(), 2 * left, "{bytes}");
        assert_eq!(rows(&store, "images").await, left as i64);
    }
}

#[tokio::test]
async fn many_go_in_one_round() {
    let (store, _directory, ids) = photos(&["aa"]).await;
    sqlx::query(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 450) \
         INSERT INTO captions (id, image_id, model_id, model_revision, precision, beam_size, max_length, \
         caption, score, candidates, decode_ms, queue_ms, encode_ms, search_ms, deleted_at) \
         SELECT CAST(n AS TEXT), image_id, model_id, model_revision, precision, n + 10, max_length, \
         caption, score, candidates, decode_ms, queue_ms, encode_ms, search_ms, created_at FROM captions, numbers",
    )
    .execute(&store.writer)
    .await
    .expect("inserts");
    let at_once = Retention { undo: Duration::ZERO, ..KEEP_ALL };
    let removed = store.keep_house(&at_once).await.expect("a round");
    assert_eq!(removed, Removed { captions: 450, photos: 0 });
    assert!(store.caption(&ids[0]).await.expect("no error").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_and_an_upload_of_the_same_photo_do_not_cross() {
    let (store, directory, mut ids) = photos(&["aa"]).await;
    let at_once = Retention { undo: Duration::ZERO, ..KEEP_ALL };
    for _ in 0..50 {
        store.delete_captions(&ids).await.expect("deletes");
        let upload = store.add_caption(image(&store, "aa").await, caption("aa", key(5)));
        let (round, upload) = tokio::join!(
            tokio::spawn({
                let store = store.clone();
                async move { store.keep_house(&at_once).await }
            }),
            upload
        );
        round.expect("no panic").expect("a round");
        ids = vec![upload.expect("added").id];
        assert_eq!(shown(&store).await, ["aa"]);
        assert_eq!(files(&directory), ["images/aa/aa.jpg", "thumbnails/aa/aa.jpg"]);
    }
}

#[tokio::test]
async fn sessions_that_are_over_go() {
    let (store, _directory, _) = photos(&[]).await;
    for expires_at in ["2026-01-01T00:00:00Z", "9999-01-01T00:00:00Z"] {
        let session = sqlx::query("INSERT INTO sessions (hash, role, expires_at) VALUES (?1, 'admin', ?1)");
        session.bind(expires_at).execute(&store.writer).await.expect("inserts");
    }
    store.keep_house(&KEEP_ALL).await.expect("a round");
    assert_eq!(rows(&store, "sessions").await, 1);
}

/// Makes a file, if need be, that was written at this time.
fn set_modified(path: &Path, time: SystemTime) {
    let file = std::fs::File::options().create(true).append(true).open(path).expect("opens");
    file.set_modified(time).expect("sets the time");
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_away() {
    let (store, directory, _) = photos(&["aa"]).await;
    let on_the_way = image(&store, "bb").await;
    let path = |name: &str| directory.path().join(name);
    for name in ["images/ab/ab01.jpg", "images/ab/ab02.png", "thumbnails/ab/ab02.jpg", "images/aa/notes.txt"] {
        std::fs::create_dir_all(path(name).parent().expect("a folder")).expect("makes it");
        std::fs::write(path(name), b"left").expect("writes");
    }
    std::fs::create_dir_all(path(".restoring-01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e/images")).expect("makes it");
    // Whatever their times say: clocks are set, and file systems have their own.
    set_modified(&path("images/aa/.staged-old"), SystemTime::now() + Duration::from_secs(3600));
    let on_its_way: Vec<_> = files(&directory).into_iter().filter(|name| name.contains("bb/.staged-")).collect();
    assert_eq!(on_its_way.len(), 2);
    on_its_way.iter().for_each(|name| set_modified(&path(name), SystemTime::UNIX_EPOCH));

    store.sweep().await.expect("sweeps");
    let placed = ["images/aa/aa.jpg", "images/aa/notes.txt", "thumbnails/aa/aa.jpg"].map(str::to_owned);
    let mut expected = [&placed[..], &on_its_way].concat();
    expected.sort();
    assert_eq!(files(&directory), expected);
    assert!(!path(".restoring-01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e").exists());
    store.add_caption(on_the_way, caption("bb", key(5))).await.expect("added");
    assert_eq!(shown(&store).await, ["bb", "aa"]);
}
