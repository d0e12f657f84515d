//! The command line: one file a command.

mod admin;
mod backup;
mod beams;
mod caption;
mod completions;
mod evaluate;
mod export;
mod import;
mod serve;
mod train;
mod vocabulary;

use crate::captioning::QueueSettings;
use crate::config::{CaptioningConfig, LogFormat};
use anyhow::Context;
use clap::{Parser, Subcommand};
use serde::de::DeserializeOwned;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ChoiceError;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Captions for photos, by ExpansionNet v2.
///
/// Settings come from config.toml, EXPANSIONNET_<SECTION>__<KEY> variables and the options below, the
/// later ones winning. RUST_LOG sets how much is logged to standard error, e.g. RUST_LOG=debug.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  expansionnet serve                              the page on http://127.0.0.1:8080
  expansionnet serve --address 0.0.0.0:80         for the whole network
  expansionnet caption photo.jpg                  a caption, without a server
  expansionnet caption --json photos > out.jsonl  a folder of them, for programs
  expansionnet admin set-password                 for signing in at /sign-in
  expansionnet evaluate --captions captions.json  the table of the papers, for any captions
  expansionnet backup backup.tar                  everything that is kept, while serving
  expansionnet completions bash > /etc/bash_completion.d/expansionnet";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Caption(caption::CaptionPhotos),
    Import(import::Import),
    Export(export::Export),
    Train(train::Train),
    Features(train::Features),
    Admin(admin::Admin),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Vocabulary(vocabulary::MakeVocabulary),
    Evaluate(Box<evaluate::Evaluate>),
    Completions(completions::Completions),
}

impl Cli {
    /// Runs the command; its exit code is the program's.
    ///
    /// # Errors
    /// What kept the command from doing its work, for a person to read.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Caption(caption) => caption.run(),
            Command::Import(import) => import.run(),
            Command::Export(export) => export.run(),
            Command::Train(train) => train.run(),
            Command::Features(features) => features.run(),
            Command::Admin(admin) => admin.run(),
            Command::Backup(backup) => backup.run(),
            Command::Restore(restore) => restore.run(),
            Command::Vocabulary(vocabulary) => vocabulary.run(),
            Command::Evaluate(evaluate) => evaluate.run(),
            Command::Completions(completions) => completions.run(),
        }
    }
}

/// Logs to standard error, by RUST_LOG or from this level on.
fn start_logging(default: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Pretty => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
}

/// Writes a line to standard error; whoever has closed it does not want to know, and the work goes on.
fn remark(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints text and the end of its line to standard output.
fn print(text: impl Display) -> anyhow::Result<()> {
    write_out(format!("{text}\n").as_bytes())
}

/// Writes to standard output; whoever has closed it, `head` for one, has what they wanted.
fn write_out(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}

/// The folders of a model, or of an ensemble, for messages.
fn names_of(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" with ")
}

/// How the queue behaves, by the settings.
fn queue_settings(captioning: &CaptioningConfig) -> QueueSettings {
    QueueSettings {
        capacity: captioning.queue_capacity,
        max_batch_size: captioning.max_batch_size,
        timeout: Duration::from_secs(captioning.request_timeout_seconds),
    }
}

/// Writes a file beside its place, then renames it, so that it is never half there.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    trainer::files::write_whole(path, bytes).with_context(|| format!("{} can't be written", path.display()))
}

/// An error and what it came of; a cause that an error tells in its own words is not told again.
pub fn said(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.contains(&cause) {
        true => said,
        false if said.is_empty() => cause,
        false => format!("{said}: {cause}"),
    })
}

/// Reads one of the choices of a setting, e.g. `cpu`; the error lists them.
fn choice<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let deserializer = text.into_deserializer();
    T::deserialize(deserializer).map_err(|error: ChoiceError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use trainer::device::PrecisionChoice;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn causes_are_told_once() {
        let missing = anyhow::Error::from(std::io::Error::other("no such file"));
        assert_eq!(said(&missing), "no such file");
        assert_eq!(said(&missing.context("a.json can't be read")), "a.json can't be read: no such file");
        let told = anyhow::Error::from(std::io::Error::other("no such file")).context("a.json: no such file");
        assert_eq!(said(&told), "a.json: no such file");
    }

    #[test]
    fn choices_are_those_of_the_settings() {
        assert_eq!(choice("bfloat16"), Ok(PrecisionChoice::Bfloat16));
        let error = choice::<PrecisionChoice>("float8").expect_err("no such format");
        assert!(error.contains("float32"), "{error}");
    }
}
