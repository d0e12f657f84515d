//! Commands by the real program: which photos `caption` takes, closed pipes, and options that have no meaning.

#[path = "support/program.rs"]
mod program;

use program::program;
use serde_json::json;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder with the fixtures' pictures by these names, and a dataset whose training captions have two words.
fn folder_with(pictures: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, picture) in pictures {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("is below the folder")).expect("writable");
        fs::copy(repository("trainer/tests/fixtures/images").join(picture), path).expect("writable");
    }
    let image = json!({ "imgid": 1, "filename": "a.jpg", "split": "train", "sentences": [{ "raw": "A dog." }] });
    fs::write(folder.path().join("dataset.json"), json!({ "images": [image] }).to_string()).expect("writable");
    folder
}

fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).current_dir(folder.path());
    command
}

/// `caption` with the bundled model, one beam, and what standard input has.
fn caption(folder: &TempDir, arguments: &[&str], input: File) -> Command {
    let mut command = command(folder, &["caption", "--beam-size", "1", "--device", "cpu"]);
    let model = repository("models/default");
    command.env("EXPANSIONNET_MODEL__PATH", model).env("EXPANSIONNET_MODEL__THREADS", "1");
    command.args(arguments).stdin(input);
    command
}

/// Exit code, standard output, standard error.
fn end(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// The photos of the lines.
fn photos(lines: &str) -> Vec<&str> {
    lines.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect()
}

#[test]
fn folders_lists_and_standard_input_are_captioned_in_order() {
    let pictures =
        [("coco/b/2.PNG", "square.png"), ("coco/a.jpg", "landscape_q95.jpg"), ("coco/b/notes.txt", "README.md")];
    let folder = folder_with(&pictures);
    let photo = File::open(folder.path().join("coco/a.jpg")).expect("is there");
    let (code, lines, stderr) = end(caption(&folder, &["-", "coco"], photo));
    assert_eq!((code, photos(&lines)), (Some(0), vec!["-", "coco/a.jpg", "coco/b/2.PNG"]), "{stderr}");
    let captions: Vec<&str> = lines.lines().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
    assert_eq!(captions[0], captions[1], "the same photo");

    fs::write(folder.path().join("list"), "coco/b/2.PNG\ncoco\nmissing.jpg\n").expect("writable");
    let list = File::open(folder.path().join("list")).expect("is there");
    let model = repository("models/default").display().to_string();
    let ensemble = ["--list", "-", "--model", &model, "--model", &model];
    let (code, of_list, stderr) = end(caption(&folder, &ensemble, list));
    assert_eq!((code, photos(&of_list)), (Some(1), vec!["coco/b/2.PNG", "coco/a.jpg", "coco/b/2.PNG"]), "{stderr}");
    assert!(stderr.contains("missing.jpg: No such file"), "{stderr}");
}

#[test]
fn more_beams_than_a_search_can_have_are_refused() {
    let folder = folder_with(&[("a.png", "square.png")]);
    let mut wide = command(&folder, &["caption", "--beam-size", "100000", "--device", "cpu", "a.png"]);
    wide.env("EXPANSIONNET_MODEL__PATH", repository("models/default"));
    let (code, _, stderr) = end(wide);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--beam-size must be from 1 to 500, not 100000"), "{stderr}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = folder_with(&[]);
    let judged = json!([{ "id": 1, "candidate": "a dog", "references": ["A dog runs."] }]);
    fs::write(folder.path().join("captions.json"), judged.to_string()).expect("writable");
    let vocabulary = ["vocabulary", "--dataset", "dataset.json", "--output", "vocab.json"];
    for arguments in [&["completions", "bash"][..], &["evaluate", "--captions", "captions.json"], &vocabulary] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = command(&folder, arguments).stdout(writer).output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("pipe"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_vocabulary_is_counted_apart_from_what_every_vocabulary_has() {
    let folder = folder_with(&[]);
    let vocabulary = |least: &str| {
        let arguments =
            ["vocabulary", "--dataset", "dataset.json", "--output", "vocab.json", "--min-occurrences", least];
        end(command(&folder, &arguments))
    };
    let (code, _, stderr) = vocabulary("0");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--min-occurrences must be 1 or more"), "{stderr}");
    let (_, stdout, _) = vocabulary("1");
    let first = "vocab.json: 6 words: 2 of the 2 that 1 training images have, and PAD, SOS, EOS, UNK\n";
    assert!(stdout.starts_with(first), "{stdout}");
}

#[test]
fn what_is_missing_or_has_no_meaning_is_named() {
    let folder = folder_with(&[]);
    let usage = |arguments: &[&str]| {
        let (code, _, stderr) = end(command(&folder, arguments));
        assert_eq!(code, Some(2), "{stderr}");
        stderr
    };
    let stderr = usage(&["export", "pth", "--output", "weights.pth"]);
    assert!(stderr.contains("<--run <DIR>|--model <DIR>>"), "{stderr}");
    assert!(usage(&["export", "pth", "--model", "m", "--phase", "xe", "--output", "w.pth"]).contains("cannot be used"));
    for option in [["--split", "both"], ["--beam-size", "0"], ["--limit", "3"], ["--device", "cpu"]] {
        let stderr = usage(&[&["evaluate", "--captions", "captions.json"][..], &option].concat());
        let refused = format!("'--captions <FILE>' cannot be used with '{} ", option[0]);
        assert!(stderr.contains(&refused), "{stderr}");
    }
}
