//! A child process that is asked line by line, and ended when it keeps silent or is dropped.

use super::Unavailable;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// A running program. Threads of their own write its input and read its output, so that neither side
/// ever waits for the other and a silent program is noticed.
pub(super) struct LineProcess {
    child: Child,
    questions: Sender<String>,
    answers: Receiver<io::Result<String>>,
    errors: File,
    timeout: Duration,
}

impl LineProcess {
    /// Starts a program.
    pub(super) fn start(mut command: Command, timeout: Duration) -> Result<Self, Unavailable> {
        let errors = tempfile::tempfile()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors.try_clone()?);
        let mut child = command.spawn().map_err(Unavailable::NoJava)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Unavailable::NoJava(io::Error::other("it has no pipes")));
        };
        let (questions, to_ask) = channel();
        let (answered, answers) = channel();
        // Both end when the program does, or when this process is dropped and with it the program.
        thread::spawn(move || write_lines(&to_ask, input));
        thread::spawn(move || read_lines(output, &answered));
        Ok(LineProcess { child, questions, answers, errors, timeout })
    }

    /// Sends a line, without waiting for the program to read it.
    pub(super) fn send(&mut self, line: String) -> Result<(), Unavailable> {
        self.questions.send(line).map_err(|_| self.ended())
    }

    /// The next line of the output.
    pub(super) fn answer(&mut self) -> Result<String, Unavailable> {
        match self.answers.recv_timeout(self.timeout) {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(reason)) => Err(reason.into()),
            Err(RecvTimeoutError::Timeout) => Err(Unavailable::TimedOut(self.timeout)),
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
        }
    }

    /// Waits until the output is closed, which is when the program is done.
    pub(super) fn finish(mut self) -> Result<(), Unavailable> {
        loop {
            match self.answers.recv_timeout(self.timeout) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Err(Unavailable::TimedOut(self.timeout)),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.child.wait()?.success() { Ok(()) } else { Err(self.ended()) }
    }

    /// Why the program ended, by what it said on standard error.
    fn ended(&mut self) -> Unavailable {
        let said = self.said().ok();
        let last_words = said.and_then(|text| last_words(&text)).unwrap_or_else(|| "it gave no reason".to_owned());
        Unavailable::Ended { last_words }
    }

    /// What the program said on standard error, or the end of it where that is long.
    fn said(&mut self) -> io::Result<String> {
        const READ: u64 = 1 << 20;
        // Whatever still writes to it has an end of its own.
        let length = self.errors.seek(SeekFrom::End(0))?;
        self.errors.seek(SeekFrom::Start(length.saturating_sub(READ)))?;
        let mut text = Vec::new();
        self.errors.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The exceptions that a program tells of, without the calls that led there, else the end of the text.
fn last_words(text: &str) -> Option<String> {
    const KEPT: usize = 1000; // characters
    // Java names its options at the start, which is no fault: "NOTE: Picked up JDK_JAVA_OPTIONS: …".
    let is_note = |line: &str| line.trim_start_matches("NOTE: ").starts_with("Picked up ");
    let is_exception = |line: &str| {
        let is_call = line.trim_start().starts_with("at ");
        !is_call && (line.contains("Exception") || line.contains("Caused by"))
    };
    let lines: Vec<&str> = text.lines().filter(|line| !is_note(line)).collect();
    let exceptions: Vec<&str> = lines.iter().copied().filter(|line| is_exception(line)).collect();
    let kept = if exceptions.is_empty() { lines } else { exceptions }.join("\n");
    let kept = kept.trim();
    let left_out = kept.chars().count().saturating_sub(KEPT);
    (!kept.is_empty()).then(|| kept.chars().skip(left_out).collect())
}

impl Drop for LineProcess {
    fn drop(&mut self) {
        // Both fail where the program has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_lines(lines: &Receiver<String>, input: impl Write) {
    let mut input = BufWriter::new(input);
    while let Ok(line) = lines.recv() {
        // What waits goes in one piece.
        let mut waiting = std::iter::once(line).chain(lines.try_iter());
        let written = waiting.try_for_each(|line| writeln!(input, "{line}"));
        if written.and_then(|()| input.flush()).is_err() {
            return;
        }
    }
}

fn read_lines(output: impl Read, lines: &Sender<io::Result<String>>) {
    for line in BufReader::new(output).lines() {
        if lines.send(line).is_err() {
            return;
        }
    }
}
