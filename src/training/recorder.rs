//! Reading what a job tells: whole lines of `events.jsonl` from a place on, a bounded piece at a time.
//!
//! The process writes to a file and waits for nobody; however much it tells, this reads it in pieces.

use crate::store::{EventLine, Recorded};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// The file, in a job's folder.
pub(super) const EVENTS: &str = "events.jsonl";

/// Bytes taken in at once: some thousand events.
const PIECE: u64 = 512 * 1024;

/// Whole lines from `offset` on; none where nothing new is there. A line without its end waits for it.
pub(super) fn read(folder: &Path, offset: u64) -> io::Result<Recorded> {
    read_pieces(&folder.join(EVENTS), offset, PIECE)
}

/// Where to read on: at `offset`, or where the whole lines end before it, as a power cut can take lines that were
/// recorded already.
pub(super) fn place(folder: &Path, offset: u64) -> io::Result<u64> {
    match File::open(folder.join(EVENTS)) {
        // A folder that is not there may come back, with everything in it.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(if folder.is_dir() { 0 } else { offset }),
        file => Ok(whole_lines(file?, PIECE)?.min(offset)),
    }
}

/// Bytes up to the end of the last whole line; the trainer cuts off the rest before it writes.
fn whole_lines(mut file: File, piece: u64) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(piece);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.by_ref().take(end - start).read_to_end(&mut bytes)?;
        if let Some(last) = bytes.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn read_pieces(path: &Path, offset: u64, piece: u64) -> io::Result<Recorded> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Recorded::default()),
        file => file?,
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(piece).read_to_end(&mut bytes)?;
    match bytes.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => bytes.truncate(end + 1),
        // A line of that length is none of ours: it goes by in pieces.
        None if bytes.len() as u64 == piece => tracing::warn!(path = %path.display(), "a line is too long"),
        None => bytes.clear(),
    }
    let lines: Vec<EventLine> = String::from_utf8_lossy(&bytes).lines().filter_map(EventLine::read).collect();
    let written = bytes.iter().filter(|&&byte| byte == b'\n').count();
    if lines.len() < written {
        tracing::warn!(path = %path.display(), lines = written - lines.len(), "lines that are no events are left out");
    }
    Ok(Recorded { lines, bytes: bytes.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: i64) -> String {
        format!(r#"{{"sequence":{sequence},"time":1.0,"event":"warning","message":"m"}}"#)
    }

    fn sequences(recorded: &Recorded) -> Vec<i64> {
        recorded.lines.iter().filter_map(|line| line.sequence).collect()
    }

    #[test]
    fn whole_lines_are_read_once_and_a_torn_one_when_it_is_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(read(folder.path(), 0).expect("reads").bytes, 0, "there is no file yet");
        let path = folder.path().join(EVENTS);
        let (whole, torn) = (format!("{}\n{}\n", event(0), event(1)), event(2));
        std::fs::write(&path, format!("{whole}{}", &torn[..20])).expect("writes");
        let first = read(folder.path(), 0).expect("reads");
        assert_eq!((sequences(&first), first.bytes), (vec![0, 1], whole.len() as u64));
        let second = read(folder.path(), first.bytes).expect("reads");
        assert_eq!((second.lines.len(), second.bytes), (0, 0));
        std::fs::write(&path, format!("{whole}{torn}\n")).expect("writes");
        assert_eq!(sequences(&read(folder.path(), first.bytes).expect("reads")), [2]);
    }

    #[test]
    fn a_file_that_was_shortened_is_taken_up_at_its_last_whole_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(place(&folder.path().join("away"), 9).expect("reads"), 9);
        assert_eq!(place(folder.path(), 9).expect("reads"), 0);
        let path = folder.path().join(EVENTS);
        let (whole, torn) = (format!("{}\n", event(0)), event(1));
        let length = whole.len() as u64;
        std::fs::write(&path, format!("{whole}{}", &torn[..20])).expect("writes");
        assert_eq!(place(folder.path(), length + 5).expect("reads"), length);
        assert_eq!(place(folder.path(), length + 500).expect("reads"), length);
        assert_eq!(place(folder.path(), length).expect("reads"), length);
        assert_eq!(place(folder.path(), 3).expect("reads"), 3);
        let file = || File::open(&path).expect("is there");
        assert_eq!(whole_lines(file(), 7).expect("reads"), length, "in pieces too");
        std::fs::write(&path, &torn[..20]).expect("writes");
        assert_eq!(whole_lines(file(), 7).expect("reads"), 0);
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!("{}\n{{\"sequence\":1,\"ti{}\n\u{0}\n{}\n", event(0), event(1), event(2));
        std::fs::write(folder.path().join(EVENTS), &text).expect("writes");
        let read = read(folder.path(), 0).expect("reads");
        assert_eq!((sequences(&read), read.bytes), (vec![0, 2], text.len() as u64));
    }

    #[test]
    fn much_is_read_in_pieces_and_a_line_without_end_goes_by() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(EVENTS);
        let text = format!("{}\n{}\n{}\n", event(0), "x".repeat(500), event(1));
        std::fs::write(&path, &text).expect("writes");
        let (mut offset, mut seen) = (0, Vec::new());
        while offset < text.len() as u64 {
            let piece = read_pieces(&path, offset, 128).expect("reads");
            assert!(piece.bytes > 0 && piece.bytes <= 128);
            seen.extend(sequences(&piece));
            offset += piece.bytes;
        }
        assert_eq!(seen, [0, 1]);
    }
}
