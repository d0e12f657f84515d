//! The file of a run's events: whole lines only, numbered on over all processes that worked on the run.

use super::Listener;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes read first to find the last line.
const TAIL: u64 = 1 << 16;

/// Opens the file to add events, and says which number comes next. A last line that a dying process left
/// unfinished is cut off: nobody can have read it as a line.
///
/// # Errors
/// When the file can't be read or written.
pub(super) fn open(path: &Path) -> io::Result<(Listener, u64)> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let (whole, next) = last_line(&mut file)?;
    file.set_len(whole)?;
    let mut length = whole;
    let listener: Listener = Box::new(move |line| {
        let text = line.to_json();
        // Half a line (the disk is full) would spoil the next one; and is no reason to stop a training.
        match file.write_all(&text) {
            Ok(()) => length += text.len() as u64,
            Err(_) => drop(file.set_len(length)),
        }
    });
    Ok((listener, next))
}

/// Where the whole lines end, and the number after the newest of them.
fn last_line(file: &mut File) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    let mut window = TAIL;
    loop {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        (&*file).take(length - start).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let newest = tail[..whole].split(|&byte| byte == b'\n').rev().find_map(sequence_of);
        match newest {
            Some(sequence) => return Ok((start + whole as u64, sequence + 1)),
            None if start == 0 => return Ok((whole as u64, 0)),
            None => window = window.saturating_mul(8),
        }
    }
}

/// The number of a line, whatever else a former version wrote there.
fn sequence_of(line: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        sequence: u64,
    }
    serde_json::from_slice::<Numbered>(line).ok().map(|line| line.sequence)
}

#[cfg(test)]
mod tests {
    use super::super::Events;
    use super::*;

    fn sequences(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).expect("readable");
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines().map(|line| sequence_of(line.as_bytes()).expect("a whole line")).collect()
    }

    fn file() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("events.jsonl");
        (folder, path)
    }

    #[test]
    fn numbers_go_on_over_processes() {
        let (_folder, path) = file();
        for _ in 0..3 {
            let mut events = Events::kept_in(&path).expect("opens");
            events.warn("one");
            events.log("two");
        }
        assert_eq!(sequences(&path), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn numbers_go_on_after_lines_of_a_former_version() {
        let (_folder, path) = file();
        std::fs::write(&path, "{\"sequence\":41,\"event\":\"forgotten\"}\n").expect("writable");
        Events::kept_in(&path).expect("opens").warn("the next");
        assert_eq!(sequences(&path), [41, 42]);
    }

    #[test]
    fn half_a_line_is_cut_off_wherever_the_process_died() {
        let (_folder, path) = file();
        Events::kept_in(&path).expect("opens").warn("whole");
        let whole = std::fs::read(&path).expect("readable");
        for cut in 0..whole.len() {
            std::fs::write(&path, [&whole[..], &whole[..cut]].concat()).expect("writable");
            Events::kept_in(&path).expect("opens").warn("after it");
            assert_eq!(sequences(&path), [0, 1], "cut at {cut}");
        }
        std::fs::write(&path, &whole[..5]).expect("writable");
        Events::kept_in(&path).expect("opens").warn("the first");
        assert_eq!(sequences(&path), [0]);
    }

    #[test]
    fn the_last_line_is_found_behind_more_than_is_read_at_first() {
        let (_folder, path) = file();
        let mut events = Events::kept_in(&path).expect("opens");
        events.warn("short");
        events.warn("long ".repeat(TAIL as usize));
        drop(events);
        Events::kept_in(&path).expect("opens").warn("after it");
        assert_eq!(sequences(&path), [0, 1, 2]);
        // A line that is none, e.g. zeros after a power cut, is passed over.
        let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
        file.write_all(b"\0\0\0\n").expect("writable");
        assert_eq!(last_line(&mut File::open(&path).expect("opens")).expect("readable").1, 3);
    }
}
