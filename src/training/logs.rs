//! What a job's process says to people: the end of its log.

use super::process::LOG;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes that are searched, from the end.
const TAIL: u64 = 4 * 1024 * 1024;
/// Bytes of the end in which the last line is looked for.
const LAST: u64 = 64 * 1024;

/// The last lines that hold a text; case does not count.
///
/// # Errors
/// When the file cannot be read; a file that is not there has no lines.
pub fn tail(folder: &Path, search: &str, lines: usize) -> io::Result<Vec<String>> {
    let (text, search) = (end_of(&folder.join(LOG), TAIL)?, search.to_lowercase());
    // A line that is written over again and again (a progress bar) is one line.
    let shown = text.lines().map(|line| line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default());
    let found: Vec<&str> = shown.filter(|line| line.to_lowercase().contains(&search)).collect();
    Ok(found[found.len().saturating_sub(lines)..].iter().map(|&line| line.to_owned()).collect())
}

/// The last line, as a reason: without `error:` before it.
pub(super) async fn last_words(folder: &Path) -> Option<String> {
    let path = folder.join(LOG);
    let read = tokio::task::spawn_blocking(move || end_of(&path, LAST).ok());
    let text = read.await.ok()??;
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(last.trim().trim_start_matches("error: ").to_owned())
}

fn end_of(path: &Path, bytes: u64) -> io::Result<String> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        file => file?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_is_searched_and_its_last_line_is_a_reason() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(tail(folder.path(), "", 5).expect("reads"), [""; 0]);
        std::fs::write(folder.path().join(LOG), "one\ntwo\n 1 %\r 99 %\rthree\nerror: no such file\n\n")
            .expect("writes");
        assert_eq!(tail(folder.path(), "O", 2).expect("reads"), ["two", "error: no such file"]);
        assert_eq!(tail(folder.path(), "three", 2).expect("reads"), ["three"]);
        assert_eq!(last_words(folder.path()).await.as_deref(), Some("no such file"));
    }
}
