//! The examples of `docs/API.md`, run as they stand, one after the other, against the real server.

use super::read;
use super::server::Server;
use super::support::web::png;
use anyhow::{Context, Result, ensure};
use std::process::Command;

const DOCUMENTED: &str = "http://127.0.0.1:8080";

/// Shell that makes a failed `curl` or a failed command end the script.
const STRICT: &str = "set -eu -o pipefail\n\
     curl() { command curl --fail-with-body --silent --show-error --max-time 60 \"$@\"; echo >&2; }\n";

/// Standard output of a command that must succeed.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{} does not start", command.get_program().display()))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    Ok(stdout.into_owned())
}

/// Every block of this language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let start = format!("```{language}\n");
    text.split(start.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_documented_works_when_pasted() -> Result<()> {
    let text = read("docs/API.md");
    let script = blocks(&text, "sh").concat();
    ensure!(script.matches("curl ").count() > 15, "the examples are not read as they should be");
    ensure!(text.contains("correct horse battery staple"));

    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("photo.jpg"), png(64, 48))?;
    let settings = [("ACCESS__ADMIN_PASSWORD", "correct horse battery staple")];
    let server = Server::start_with(&folder.path().join("storage"), &settings).await?;
    let script = format!("{STRICT}{}", script.replace(DOCUMENTED, server.url()));
    let stdout = run(Command::new("bash").args(["-c", &script]).current_dir(folder.path()))?;
    ensure!(stdout.contains("My dog Bello in the park."), "{stdout}");
    ensure!(stdout.contains("\"cached\":false") && stdout.contains("\"revision\""), "{stdout}");
    for file in ["stored.jpg", "thumbnail.jpg", "captions.csv", "captions.zip"] {
        ensure!(std::fs::metadata(folder.path().join(file))?.len() > 0, "{file}");
    }
    Ok(())
}

/// Where this fails to start: `sudo apt-get install python3`.
#[tokio::test(flavor = "multi_thread")]
async fn the_python_of_the_document_captions_a_photo() -> Result<()> {
    let text = read("docs/API.md");
    let program = blocks(&text, "python").concat();
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("photo.jpg"), png(64, 48))?;
    let server = Server::start(&folder.path().join("storage")).await?;
    let program = program.replace(DOCUMENTED, server.url());
    let printed = run(Command::new("python3").args(["-c", &program]).current_dir(folder.path()))?;
    let (_, captioned) = server.caption("photo.jpg", png(64, 48)).await?;
    ensure!(captioned["cached"] == true, "the program sent another photo: {captioned}");
    ensure!(captioned["caption"] == printed.trim(), "{printed}");
    Ok(())
}
