//! A zip of text files named like the photos, as training tools read them: `dog.jpg` has its words in `dog.txt`.

use super::Encode;
use crate::store::StoredCaption;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use zip::ZipWriter;
use zip::write::{SimpleFileOptions, StreamWriter};

/// One text file a caption. The newest caption of a photo has the plain name.
pub(super) struct Sidecars {
    zip: ZipWriter<StreamWriter<Written>>,
    written: Written,
    names: Names,
}

impl Sidecars {
    pub(super) fn new() -> Sidecars {
        let written = Written::default();
        Sidecars { zip: ZipWriter::new_stream(written.clone()), written, names: Names::default() }
    }
}

impl Encode for Sidecars {
    fn head(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn page(&mut self, captions: Vec<StoredCaption>) -> io::Result<Vec<u8>> {
        for caption in captions {
            let stem = stem(caption.file_name.as_deref()).unwrap_or_else(|| caption.image_id.clone());
            self.zip.start_file(self.names.unused(&stem) + ".txt", SimpleFileOptions::default())?;
            self.zip.write_all(caption.shown().as_bytes())?;
        }
        Ok(self.written.take())
    }

    fn tail(self: Box<Self>) -> io::Result<Vec<u8>> {
        self.zip.finish()?;
        Ok(self.written.take())
    }
}

/// What was written since it was last taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A photo's name without its extension, with only what every system takes in a file name.
fn stem(file_name: Option<&str>) -> Option<String> {
    let name = file_name?;
    let stem = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.chars().all(|c| c.is_ascii_alphanumeric()) => stem,
        _ => name,
    };
    let allowed = |c: char| if c.is_control() || "<>:\"/\\|?*".contains(c) { '_' } else { c };
    let stem: String = stem.chars().map(allowed).collect();
    let stem = cut(stem.trim_matches(['.', ' '])).trim_end_matches(['.', ' ']);
    (!stem.is_empty()).then(|| stem.to_owned())
}

/// As much of a name as a file's name may have with a number and `.txt` behind it: 255 bytes, on most systems.
fn cut(stem: &str) -> &str {
    const MAX_BYTES: usize = 255 - "-4294967295.txt".len();
    let ends = stem.char_indices().map(|(start, character)| start + character.len_utf8());
    let end = ends.take_while(|end| *end <= MAX_BYTES).last().unwrap_or_default();
    &stem[..end]
}

/// Names that are taken; systems that do not tell capitals from small letters would mix such names up.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    /// The last number that a name was given.
    numbers: HashMap<String, u32>,
}

impl Names {
    /// `dog`, then `dog-2`, `dog-3`.
    fn unused(&mut self, stem: &str) -> String {
        let mut name = stem.to_owned();
        let number = self.numbers.entry(stem.to_lowercase()).or_insert(1);
        while !self.taken.insert(name.to_lowercase()) {
            *number += 1;
            name = format!("{stem}-{number}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_lose_the_extension_and_what_some_systems_refuse() {
        for (name, expected) in [
            ("dog.jpg", Some("dog")),
            ("my.dog.JPEG", Some("my.dog")),
            ("dog", Some("dog")),
            ("a. b", Some("a. b")),
            ("a:b?.png", Some("a_b_")),
            (".jpg", Some("jpg")),
            ("...", None),
        ] {
            assert_eq!(stem(Some(name)).as_deref(), expected, "{name}");
        }
        assert_eq!(stem(None), None);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for (name, bytes) in
            [("x".repeat(300), 240), ("ä".repeat(300), 240), ("犬".repeat(200), 240), ("😀".repeat(200), 240)]
        {
            let stem = stem(Some(&format!("{name}.jpg"))).expect("a name");
            assert_eq!((stem.len(), name.starts_with(&stem)), (bytes, true), "{name}");
        }
        let odd = format!("x{}.jpg", "犬".repeat(200));
        assert_eq!(stem(Some(&odd)).map(|stem| stem.len()), Some(238), "no character is cut in two");
        assert_eq!(stem(Some(&format!("{} . y.jpg", "x".repeat(238)))), Some("x".repeat(238)));
    }

    #[test]
    fn names_are_used_once() {
        let mut names = Names::default();
        let given: Vec<_> = ["dog", "Dog", "dog-2", "dog", "cat"].map(|stem| names.unused(stem)).into();
        assert_eq!(given, ["dog", "Dog-2", "dog-2-2", "dog-3", "cat"]);
    }
}
