//! `expansionnet backup` while captions are being written, and `restore` of what it wrote.

#[path = "support/program.rs"]
mod program;
mod support;

use axum::http::StatusCode;
use program::program;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Output;
use support::fake_model::FakeModel;
use support::web::{TestApp, png};
use tempfile::TempDir;

/// Runs the program on a storage folder, where no settings file lies.
fn run(storage: &Path, arguments: &[&Path]) -> Output {
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let mut command = program();
    command.args(arguments).current_dir(elsewhere.path()).env("EXPANSIONNET_STORAGE__DIRECTORY", storage);
    command.output().expect("the program starts")
}

fn back_up(storage: &Path, file: &Path) -> Output {
    run(storage, &[Path::new("backup"), file])
}

fn restore(file: &Path, directory: &Path) -> Output {
    run(Path::new("unused"), &[Path::new("restore"), file, Path::new("--directory"), directory])
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The message of a run that must fail.
#[track_caller]
fn fault(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks that this caption and its photo are there.
async fn assert_there(app: &TestApp, id: &str) {
    let caption = app.get(&format!("/api/captions/{id}")).await;
    assert_eq!(caption.status, StatusCode::OK, "{id}");
    let image = format!("/api/images/{}", caption.json()["image"]["id"].as_str().expect("an id"));
    for uri in [image.clone(), format!("{image}?size=thumbnail")] {
        let file = app.get(&uri).await;
        assert_eq!(file.status, StatusCode::OK, "{uri}");
        image::load_from_memory(&file.body).expect("a picture");
    }
}

async fn caption(app: &TestApp, width: u32) -> String {
    let answered = app.caption(png(width, 4)).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
    answered.json()["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_while_captions_are_written_has_all_of_before() {
    let app = TestApp::new().await;
    let mut before = Vec::new();
    for width in 20..40 {
        before.push(caption(&app, width).await);
    }
    let place = TempDir::new().expect("a temporary folder");
    let file = place.path().join("backup.tar");
    let (storage, written) = (app.directory.path().to_owned(), file.clone());
    let backup = tokio::task::spawn_blocking(move || back_up(&storage, &written));
    let mut width = 40;
    while !backup.is_finished() {
        caption(&app, width).await;
        width += 1;
    }
    assert_done(&backup.await.expect("it ran"));
    assert!(width > 41, "captions were written meanwhile");
    assert_eq!(std::fs::read_dir(place.path()).expect("lists").count(), 1, "nothing beside the backup");

    let restored = TempDir::new().expect("a temporary folder");
    assert_done(&restore(&file, restored.path()));
    let app = TestApp::in_directory(restored, FakeModel::new(), |_| ()).await;
    for id in &before {
        assert_there(&app, id).await;
    }
    let list = app.get("/api/captions?limit=100").await.json();
    for caption in list["captions"].as_array().expect("a list") {
        assert_there(&app, caption["id"].as_str().expect("an id")).await;
    }
    assert_eq!(app.caption(png(20, 4)).await.json()["cached"], true);
    assert_eq!(app.get("/api/captions?query=pictures&limit=1").await.json()["total"], list["total"], "searchable");
}

#[tokio::test]
async fn nothing_is_written_over() {
    let app = TestApp::new().await;
    let storage = app.directory.path();
    let place = TempDir::new().expect("a temporary folder");
    let file = place.path().join("backup.tar");
    assert_done(&back_up(storage, &file));
    assert!(fault(&back_up(storage, &file)).contains("backup.tar is there already"));
    assert!(fault(&restore(&file, storage)).contains("is there already"));
    assert!(fault(&back_up(place.path(), &place.path().join("other.tar"))).contains("there is no database"));
}

#[tokio::test]
async fn what_is_no_whole_backup_is_refused_and_leaves_nothing() {
    let app = TestApp::new().await;
    caption(&app, 20).await;
    let place = TempDir::new().expect("a temporary folder");
    let file = place.path().join("backup.tar");
    assert_done(&back_up(app.directory.path(), &file));
    let whole = std::fs::read(&file).expect("reads");
    let database = whole.windows(15).position(|bytes| bytes == b"SQLite format 3").expect("a database");
    let mut overwritten = whole.clone();
    overwritten[database + 4096..database + 3 * 4096].fill(0xAA);
    for (damage, bytes) in [
        ("photos only", &whole[..database - 512]),
        ("cut off", &whole[..database + 5000]),
        ("overwritten", &overwritten),
        ("no tar", b"hello"),
        ("empty", b""),
    ] {
        std::fs::write(&file, bytes).expect("writes");
        let message = fault(&restore(&file, &place.path().join("restored")));
        assert!(message.contains("is not a whole backup"), "{damage}: {message}");
        assert_eq!(std::fs::read_dir(place.path()).expect("lists").count(), 1, "{damage}");
    }
}

#[tokio::test]
async fn a_folder_that_is_there_stays_the_one_that_it_is() {
    let app = TestApp::new().await;
    let id = caption(&app, 20).await;
    let place = TempDir::new().expect("a temporary folder");
    let file = place.path().join("backup.tar");
    assert_done(&back_up(app.directory.path(), &file));

    // As where a disk is mounted, over which nothing can be renamed.
    let restored = TempDir::new().expect("a temporary folder");
    let number = |folder: &TempDir| std::fs::metadata(folder.path()).expect("it is there").ino();
    let before = number(&restored);
    std::fs::create_dir(restored.path().join("lost+found")).expect("makes it");
    std::fs::write(place.path().join("half.tar"), b"no tar").expect("writes");
    fault(&restore(&place.path().join("half.tar"), restored.path()));
    assert_eq!(names(restored.path()), ["lost+found"], "as it was before");
    assert_done(&restore(&file, restored.path()));
    assert_eq!(number(&restored), before);
    assert_eq!(names(restored.path()), ["expansionnet.sqlite3", "images", "lost+found", "thumbnails"]);
    let app = TestApp::in_directory(restored, FakeModel::new(), |_| ()).await;
    assert_there(&app, &id).await;
}

#[tokio::test]
async fn what_a_killed_restore_left_is_in_nobodys_way() {
    const ID: &str = "01932c6e-8f2a-7b3c-9d4e-5f6a7b8c9d0e";
    let app = TestApp::new().await;
    caption(&app, 20).await;
    let place = TempDir::new().expect("a temporary folder");
    let file = place.path().join("backup.tar");
    assert_done(&back_up(app.directory.path(), &file));
    let make = |name: &str| {
        let folder = place.path().join(name);
        std::fs::create_dir_all(folder.join("images/ab")).expect("makes it");
        folder
    };
    // Of a folder that was to be made, of one that was there, and what belongs to another.
    make(&format!(".restoring-data-{ID}"));
    make(&format!("disk/.restoring-{ID}"));
    let others = format!(".restoring-other-{ID}");
    make(&others);
    let (data, disk) = (place.path().join("data"), place.path().join("disk"));
    assert_done(&restore(&file, &data));
    assert_done(&restore(&file, &disk));
    assert_eq!(names(place.path()), [others.as_str(), "backup.tar", "data", "disk"]);
    assert_eq!(names(&data), ["expansionnet.sqlite3", "images", "thumbnails"]);
    assert_eq!(names(&disk), names(&data));

    // One that is at work, and what is no restore's.
    let other = make(&format!("busy/.restoring-{ID}"));
    let at_work = std::fs::File::open(&other).expect("opens");
    at_work.try_lock().expect("nobody has it");
    assert!(fault(&restore(&file, &place.path().join("busy"))).contains("is there already"));
    assert!(other.join("images/ab").is_dir());
    drop(at_work);
    assert_done(&restore(&file, &place.path().join("busy")));
    make("mine/.restoring-by-hand");
    assert!(fault(&restore(&file, &place.path().join("mine"))).contains("is there already"));
}

/// What is in a folder, in alphabetical order.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("lists").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_lost_photo_keeps_its_caption_in_the_backup() {
    let app = TestApp::new().await;
    let id = caption(&app, 20).await;
    std::fs::remove_dir_all(app.directory.path().join("images")).expect("removes");
    let place = TempDir::new().expect("a temporary folder");
    let file = place.path().join("backup.tar");
    let output = back_up(app.directory.path(), &file);
    assert_done(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 further photos were lost"));
    let restored = TempDir::new().expect("a temporary folder");
    assert_done(&restore(&file, restored.path()));
    let app = TestApp::in_directory(restored, FakeModel::new(), |_| ()).await;
    assert_eq!(app.get(&format!("/api/captions/{id}")).await.status, StatusCode::OK);
}
