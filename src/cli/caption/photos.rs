//! Which photos are meant: as they are named, those of folders, and those of a list.

use anyhow::{Context, bail};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Means standard input, as a photo or as the list.
const STANDARD_INPUT: &str = "-";

/// What the names of photos end in, as far as folders are searched for them.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// The photos in the order in which they or their folders are named, those of the list last.
pub(super) fn find(named: &[PathBuf], list: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    let takers = named.iter().map(PathBuf::as_path).chain(list).filter(|path| is_standard_input(path)).count();
    if takers > 1 {
        bail!("standard input (-) has one photo or one list, and was named {takers} times");
    }
    let listed = list.map(read_list).transpose()?.unwrap_or_default();
    let mut photos = Vec::new();
    for path in named.iter().chain(&listed) {
        match path.is_dir() {
            true => photos.extend(photos_of(path)?),
            false => photos.push(path.clone()),
        }
    }
    match (photos.is_empty(), list) {
        (true, Some(list)) => bail!("the list {} names no photo", list.display()),
        _ => Ok(photos),
    }
}

/// The bytes of a photo.
pub(super) async fn read(photo: &Path) -> anyhow::Result<Vec<u8>> {
    if is_standard_input(photo) {
        return Ok(tokio::task::spawn_blocking(standard_input).await??);
    }
    Ok(tokio::fs::read(photo).await?)
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

fn standard_input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One path a line. Names are bytes, which need not be UTF-8.
fn read_list(file: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let text = if is_standard_input(file) { standard_input() } else { fs::read(file) };
    let text = text.with_context(|| format!("the list {} can't be read", file.display()))?;
    let lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Ok(lines.filter(|line| !line.is_empty()).map(|line| PathBuf::from(OsString::from_vec(line.to_vec()))).collect())
}

/// The photos of a folder and of the folders in it.
fn photos_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut photos = Vec::new();
    add_photos(folder, &mut photos)?;
    if photos.is_empty() {
        bail!("{} has no photos: nothing in it ends in .{}", folder.display(), ENDINGS.join(", ."));
    }
    Ok(photos)
}

/// Adds them in the order of names. Links to folders are not followed: they may lead back.
fn add_photos(folder: &Path, photos: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<DirEntry>>>());
    let mut entries = entries.with_context(|| format!("the folder {} can't be read", folder.display()))?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().with_context(|| path.display().to_string())?;
        if kind.is_dir() {
            add_photos(&path, photos)?;
        } else if is_named_like_photo(&path) && path.is_file() {
            photos.push(path);
        }
    }
    Ok(())
}

fn is_named_like_photo(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder with empty files of these names.
    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("is below the folder")).expect("writable");
            fs::write(path, "").expect("writable");
        }
        folder
    }

    #[test]
    fn photos_of_folders_come_in_the_order_of_their_names() {
        let folder = folder_with(&["b/2.JPG", "b/1.tiff", "b/notes.txt", "c.png", "a.webp", "README", "d/x.json"]);
        symlink(folder.path(), folder.path().join("b/back")).expect("writable");
        let found = find(&[folder.path().to_owned()], None).expect("has photos");
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).expect("is in it")).collect();
        assert_eq!(names, ["a.webp", "b/1.tiff", "b/2.JPG", "c.png"].map(Path::new));
        let error = find(&[folder.path().join("d")], None).expect_err("has none").to_string();
        assert!(error.ends_with("nothing in it ends in .jpg, .jpeg, .png, .webp, .gif, .bmp, .tif, .tiff"), "{error}");
    }

    #[test]
    fn lists_have_a_path_a_line_whatever_its_bytes() {
        let folder = folder_with(&["b/1.png"]);
        let list = folder.path().join("list");
        let in_folder = folder.path().join("b");
        let text = [&b"x.jpg\r\n\n\xff.png\n"[..], in_folder.as_os_str().as_encoded_bytes()].concat();
        fs::write(&list, text).expect("writable");
        let found = find(&["first".into(), "-".into()], Some(&list)).expect("are named");
        let odd = PathBuf::from(OsString::from_vec(b"\xff.png".to_vec()));
        let expected: [PathBuf; 5] = ["first".into(), "-".into(), "x.jpg".into(), odd, in_folder.join("1.png")];
        assert_eq!(found, expected);

        fs::write(&list, "\n").expect("writable");
        assert!(find(&[], Some(&list)).expect_err("has none").to_string().ends_with("names no photo"));
        let error = find(&["-".into()], Some(Path::new("-"))).expect_err("both want it").to_string();
        assert!(error.contains("was named 2 times"), "{error}");
    }
}
