//! For the store's tests: a temporary store, and what to put into it.

use super::{Candidate, CleanCopy, NewCaption, NewImage, SearchKey, Store, Timings};
use tempfile::TempDir;

pub(super) async fn store() -> (Store, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(directory.path()).await.expect("a store");
    (store, directory)
}

/// A photo with files of a thousand bytes together.
pub(super) async fn image(store: &Store, sha256: &str) -> NewImage {
    let copy = CleanCopy { bytes: vec![1; 900], media_type: "image/jpeg", thumbnail: vec![2; 100] };
    let files = store.stage_files(sha256, copy).await.expect("writes");
    NewImage { sha256: sha256.to_owned(), file_name: None, width: 40, height: 30, files }
}

pub(super) fn key(beam_size: usize) -> SearchKey {
    SearchKey { model_revision: "r1".to_owned(), precision: "float32".to_owned(), beam_size, max_length: 20 }
}

pub(super) fn caption(text: &str, key: SearchKey) -> NewCaption {
    let candidate = |caption: &str, score| Candidate { caption: caption.to_owned(), score };
    NewCaption {
        model_id: "model".to_owned(),
        key,
        candidates: vec![candidate(text, -0.5), candidate("Other.", -0.75)],
        timings: Timings { decode: 1.5, queue: 0.0, encode: 70.25, search: 25.0 },
    }
}

/// Every photo's and thumbnail's file, by its path in the storage folder.
pub(super) fn files(directory: &TempDir) -> Vec<String> {
    let mut found = Vec::new();
    for kind in ["images", "thumbnails"] {
        for shelf in std::fs::read_dir(directory.path().join(kind)).into_iter().flatten().flatten() {
            let files = std::fs::read_dir(shelf.path()).expect("a shelf").flatten();
            found.extend(files.map(|file| file.path()));
        }
    }
    found.sort();
    let in_folder =
        |path: std::path::PathBuf| path.strip_prefix(directory.path()).map(|path| path.display().to_string());
    found.into_iter().map(|path| in_folder(path).expect("below it")).collect()
}

/// How many rows a table has.
pub(super) async fn rows(store: &Store, table: &str) -> i64 {
    let query = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&store.database).await.expect("a number")
}
