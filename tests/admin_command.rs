//! `expansionnet admin`, run as a program, beside an open store as a running server has it.

#[path = "support/program.rs"]
mod program;

use expansionnet::store::{SessionRole, Store};
use program::program;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tempfile::TempDir;

/// The program in an empty folder.
struct Program {
    folder: TempDir,
}

impl Program {
    fn new() -> Program {
        Program { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The default place of the server's store.
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The server's store, in the default place.
    async fn store(&self) -> Store {
        Store::open(&self.data()).await.expect("a store")
    }

    /// Runs it with this standard input; gives exit code, standard output, standard error.
    fn run(&self, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = program();
        command.args(arguments).current_dir(self.folder.path()).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // Commands that read nothing may be gone before all is written.
        child.stdin.take().expect("piped").write_all(input.as_bytes()).ok();
        let Output { status, stdout, stderr } = child.wait_with_output().expect("the program ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (status.code(), text(stdout), text(stderr))
    }

    #[track_caller]
    fn admin(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(&[&["admin"], arguments].concat(), "", &[]);
        assert_eq!(code, Some(0), "{stderr}");
        stdout
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_a_line_of_standard_input() {
    let program = Program::new();
    let store = program.store().await;
    let session = store.start_session(&SessionRole::Admin, 1).await.expect("starts");
    let (code, stdout, stderr) = program.run(&["admin", "set-password"], "correct horse\r\nmore", &[]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "{stderr}");
    assert!(!stderr.contains("horse"), "{stderr}");
    assert!(store.is_admin_password("correct horse").await.expect("reads"));
    assert_eq!(store.session(&session).await.expect("reads"), None, "admins have to sign in again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_password_changes_nothing() {
    let program = Program::new();
    for input in ["", "too short\n"] {
        let (code, _, stderr) = program.run(&["admin", "set-password"], input, &[]);
        assert_eq!(code, Some(1));
        assert!(stderr.contains("10 characters or more"), "{stderr}");
        assert!(!program.data().exists(), "nothing is made for it");
    }
    assert!(!program.store().await.has_admin_password().await.expect("reads"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_elsewhere_than_the_server_makes_no_storage_of_its_own() {
    let program = Program::new();
    let place = program.data().display().to_string();
    for arguments in [&["create-key", "Photo app"][..], &["list-keys"], &["revoke-key", "none"]] {
        let (code, stdout, stderr) = program.run(&[&["admin"], arguments].concat(), "", &[]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.contains(&format!("there is no storage in {place}")) && stderr.contains("--config"), "{stderr}");
        assert!(!program.data().exists(), "{arguments:?}");
    }
    let (code, key, stderr) = program.run(&["admin", "create-key", "--create", "Photo app"], "", &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("New storage") && stderr.contains(&place), "{stderr}");
    assert!(program.store().await.valid_key(key.trim_end()).await.expect("reads").is_some());
    let (_, _, stderr) = program.run(&["admin", "list-keys"], "", &[]);
    assert!(stderr.contains(&format!("Storage: {place}")), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_password_may_be_set_before_the_first_start() {
    let program = Program::new();
    let (code, _, stderr) = program.run(&["admin", "set-password"], "correct horse\n", &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("New storage") && stderr.contains(&program.data().display().to_string()), "{stderr}");
    assert!(program.store().await.is_admin_password("correct horse").await.expect("reads"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_listed_and_revoked() {
    let program = Program::new();
    let store = program.store().await;
    assert_eq!(program.admin(&["list-keys"]), "");
    let key = program.admin(&["create-key", "Photo app"]);
    let key = key.trim_end();
    let id = store.valid_key(key).await.expect("reads").expect("holds").id;
    let list = program.admin(&["list-keys"]);
    let fields: Vec<&str> = list.trim_end().split('\t').collect();
    assert_eq!((fields[0], fields[3], fields[4], fields[5]), (id.as_str(), "never used", "Photo app", "app"), "{list}");
    assert!(!list.contains(key), "{list}");

    let admins = program.admin(&["create-key", "--admin", "Nightly"]);
    assert!(store.valid_key(admins.trim_end()).await.expect("reads").is_some_and(|key| key.admin));
    assert!(program.admin(&["list-keys"]).contains("\tNightly\tadmin\n"));

    program.admin(&["revoke-key", &id]);
    assert_eq!(store.valid_key(key).await.expect("reads"), None);
    assert!(program.admin(&["list-keys"]).contains("\trevoked\t"));
    let (code, _, stderr) = program.run(&["admin", "revoke-key", &id], "", &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no valid key"), "{stderr}");
    let (code, _, stderr) = program.run(&["admin", "create-key", " "], "", &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("1 to 100 characters"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_password_may_come_from_the_environment() {
    let program = Program::new();
    // Without a model the server ends, but not before it has set the password.
    let serve = |password| {
        let environment = [("EXPANSIONNET_ACCESS__ADMIN_PASSWORD", password), ("EXPANSIONNET_MODEL__PATH", "none")];
        let (code, _, stderr) = program.run(&["serve", "--address", "127.0.0.1:0"], "", &environment);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(!stderr.contains(password), "{stderr}");
        stderr
    };
    let fault = serve("too short");
    assert!(fault.contains("EXPANSIONNET_ACCESS__ADMIN_PASSWORD"), "{fault}");
    let log = serve("correct horse");
    assert!(log.contains("no model folder none"), "{log}");
    serve("another password");
    let store = program.store().await;
    assert!(store.is_admin_password("correct horse").await.expect("reads"), "the first one stays");
}
