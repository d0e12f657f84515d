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

    /// The end of what the program said on standard error.
    fn ended(&mut self) -> Unavailable {
        const KEPT: i64 = 500;
        // Whatever still writes to it has an end of its own.
        let mut text = Vec::new();
        let length = self.errors.seek(SeekFrom::End(0)).unwrap_or(0) as i64;
        let start = SeekFrom::Start((length - KEPT).max(0) as u64);
        let read = self.errors.seek(start).and_then(|_| self.errors.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let last_words = match read {
            Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
            _ => "it gave no reason".to_owned(),
        };
        Unavailable::Ended { last_words }
    }
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
