//! The program itself: settings from the environment, messages, exit codes.

#[path = "support/program.rs"]
mod program;

use expansionnet::store::FolderLock;
use program::program;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Runs the program in an empty folder.
struct Run {
    folder: TempDir,
    command: Command,
}

impl Run {
    fn new(arguments: &[&str]) -> Run {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = program();
        command.args(arguments).current_dir(folder.path());
        Run { folder, command }
    }

    fn env(mut self, name: &str, value: &str) -> Run {
        self.command.env(name, value);
        self
    }

    fn file(self, name: &str, text: &str) -> Run {
        std::fs::write(self.folder.path().join(name), text).expect("writes");
        self
    }

    /// Exit code, standard output, standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = self.command.output().expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (status.code(), text(stdout), text(stderr))
    }

    /// Standard error of a run that must fail.
    #[track_caller]
    fn fault(self) -> String {
        let (code, _, stderr) = self.end();
        assert_eq!(code, Some(1), "{stderr}");
        stderr
    }
}

#[test]
fn the_environment_overrides_the_file_in_the_working_directory() {
    let file = "[model]\npath = \"from/file\"";
    let fault = Run::new(&["serve", "--address", "127.0.0.1:0"]).file("config.toml", file).fault();
    assert!(fault.contains("no model folder from/file"), "{fault}");
    let fault = Run::new(&["serve", "--address", "127.0.0.1:0"])
        .file("config.toml", file)
        .env("EXPANSIONNET_MODEL__PATH", "from/environment")
        .fault();
    assert!(fault.contains("no model folder from/environment"), "{fault}");
}

#[test]
fn a_folder_that_another_server_uses_is_left_alone() {
    let serve = Run::new(&["serve", "--address", "127.0.0.1:0"]);
    let _other = FolderLock::take(&serve.folder.path().join("data")).expect("nobody is there");
    let fault = serve.fault();
    let process = format!("data is in use by another server (process {})", std::process::id());
    assert!(fault.contains(&process), "{fault}");
}

#[test]
fn mistakes_in_the_environment_are_named_with_the_variable() {
    for (name, value, message) in [
        ("EXPANSIONNET_SERVER__PORT", "80", "server.port: there is no such setting"),
        ("EXPANSIONNET_SERVE__ADDRESS", "x:1", "serve: there is no such setting"),
        ("EXPANSIONNET_SERVER__MAX_UPLOAD_BYTES", "much", "server.max_upload_bytes: "),
        ("EXPANSIONNET_MODEL__DEVICE", "tpu", "model.device: "),
        ("EXPANSIONNET_CAPTIONING__BEAM_SIZE", "11", "captioning.beam_size: must be from 1"),
        ("EXPANSIONNET_SERVER__ADDRESS", "", "server.address: must be host:port"),
    ] {
        let fault = Run::new(&["serve"]).env(name, value).fault();
        assert!(fault.contains(message), "{name}: {fault}");
        // An unknown section is named alone: EXPANSIONNET_SERVE.
        let section = name.split("__").next().unwrap_or(name);
        let source = if message.starts_with("serve:") { section } else { name };
        assert!(fault.contains(source), "{name}: {fault}");
    }
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let fault = Run::new(&["serve", "--address", &address]).fault();
    assert!(fault.contains(&format!("cannot listen on {address}")), "{fault}");
}

#[test]
fn a_model_folder_without_a_model_is_an_error() {
    let run = Run::new(&["serve", "--address", "127.0.0.1:0"]);
    let run = run.env("EXPANSIONNET_MODEL__PATH", ".");
    let fault = run.fault();
    assert!(fault.contains("the model cannot be used"), "{fault}");
    let fault = Run::new(&["caption", "--model", ".", "photo.jpg"]).fault();
    assert!(fault.contains("the model . cannot be used"), "{fault}");
}

#[test]
fn a_file_name_that_is_not_utf8_has_its_line_of_json() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default").display().to_string();
    let mut run = Run::new(&["caption", "--json", "--device", "cpu", "--beam-size", "1", "--model", &model]);
    let photo = OsStr::from_bytes(b"square-\xff.png");
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("trainer/tests/fixtures/images/square.png");
    std::fs::copy(picture, run.folder.path().join(photo)).expect("writable");
    run.command.arg(photo).arg(OsStr::from_bytes(b"missing-\xff.png"));
    let (code, stdout, stderr) = run.end();
    assert_eq!(code, Some(1), "{stderr}");
    let lines: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    assert_eq!(
        (&lines[0]["image"], &lines[1]["image"]),
        (&"square-\u{fffd}.png".into(), &"missing-\u{fffd}.png".into())
    );
    assert!(lines[0]["caption"].is_string() && lines[1]["error"].is_string(), "{stdout}");
}

#[test]
fn help_teaches_by_examples() {
    let (code, help, _) = Run::new(&["--help"]).end();
    assert_eq!(code, Some(0));
    for part in ["expansionnet serve", "expansionnet caption photo.jpg", "EXPANSIONNET_<SECTION>__<KEY>"] {
        assert!(help.contains(part), "{part} is missing in {help}");
    }
    let (code, _, usage) = Run::new(&["caption"]).end();
    assert_eq!(code, Some(2));
    assert!(usage.contains("<IMAGE>"), "{usage}");
}

#[test]
fn completions_name_the_commands() {
    let (code, script, _) = Run::new(&["completions", "bash"]).end();
    assert_eq!(code, Some(0));
    assert!(script.contains("caption") && script.contains("--beam-size"), "{script}");
}
