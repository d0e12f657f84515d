//! Files and folders that admins may choose: those below the roots of the settings, and nothing else.

use serde::Serialize;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

/// What is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Folders only.
    #[default]
    Folder,
    /// Datasets: JSON files.
    Dataset,
    /// Weights: safetensors and `.pth` files.
    Weights,
}

/// A folder's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Listing {
    /// The folder; empty above the roots.
    pub path: String,
    /// The folder above, where it may be seen; above a root there is the list of the roots, which is empty text.
    pub parent: Option<String>,
    /// Folders, then files, by name.
    pub entries: Vec<Entry>,
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Entry {
    /// Its name; a root's path.
    pub name: String,
    /// Its whole path.
    pub path: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Of a file.
    pub bytes: Option<u64>,
}

/// Why there is no listing.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not below a root, or not there: which of them, is not told.
    #[error("there is no such folder below training.roots")]
    Outside,
    /// The system refuses.
    #[error("the folder cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// The most entries that are listed.
const MOST: usize = 5000;

/// The content of a folder; of no folder, the roots.
///
/// # Errors
/// See [`FolderError`].
pub fn list(roots: &[PathBuf], path: &str, kind: FileKind) -> Result<Listing, FolderError> {
    if path.is_empty() {
        return Ok(top(roots));
    }
    let folder = confine(roots, Path::new(path)).ok_or(FolderError::Outside)?;
    let mut entries: Vec<Entry> =
        fs::read_dir(&folder)?.flatten().filter_map(|entry| entry_of(roots, &entry, kind)).take(MOST).collect();
    entries.sort_by(|one, other| (!one.folder, &one.name).cmp(&(!other.folder, &other.name)));
    let above = folder.parent().and_then(|parent| confine(roots, parent));
    let parent = Some(above.map_or_else(String::new, |parent| parent.display().to_string()));
    Ok(Listing { path: folder.display().to_string(), parent, entries })
}

/// The path without links, where it leads below a root.
pub fn confine(roots: &[PathBuf], path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    let below = |root: &PathBuf| root.canonicalize().is_ok_and(|root| path.starts_with(root));
    roots.iter().any(below).then_some(path)
}

fn top(roots: &[PathBuf]) -> Listing {
    let there = roots.iter().filter_map(|root| root.canonicalize().ok());
    let entry = |root: PathBuf| {
        let path = root.display().to_string();
        Entry { name: path.clone(), path, folder: true, bytes: None }
    };
    Listing { path: String::new(), parent: None, entries: there.map(entry).collect() }
}

/// Hidden files are nobody's choice, and links that lead out of the roots are not there.
fn entry_of(roots: &[PathBuf], entry: &DirEntry, kind: FileKind) -> Option<Entry> {
    let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
    let path = match entry.file_type().ok()?.is_symlink() {
        true => confine(roots, &entry.path())?,
        false => entry.path(),
    };
    let about = fs::metadata(&path).ok()?;
    let folder = about.is_dir();
    let wanted = folder || (about.is_file() && kind.has(&path));
    let bytes = (!folder).then_some(about.len());
    wanted.then(|| Entry { name, path: path.display().to_string(), folder, bytes })
}

impl FileKind {
    fn has(self, path: &Path) -> bool {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match self {
            FileKind::Folder => false,
            FileKind::Dataset => extension == "json",
            FileKind::Weights => ["safetensors", "pth", "pt"].contains(&extension),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// `root/{photos/, dataset.json, body.pth, .hidden/}`, `outside/secret.json`, and links between them.
    fn folders() -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |path: &str| folder.path().join(path);
        for path in ["root/photos", "root/.hidden", "outside", "root2"] {
            fs::create_dir_all(at(path)).expect("a folder");
        }
        for path in ["root/dataset.json", "root/body.pth", "outside/secret.json"] {
            fs::write(at(path), "{}").expect("a file");
        }
        symlink(at("outside"), at("root/way-out")).expect("a link");
        symlink(at("root/photos"), at("root/way-in")).expect("a link");
        let roots = vec![at("root")];
        (folder, roots)
    }

    fn names(listing: &Listing) -> Vec<&str> {
        listing.entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn a_root_is_listed_without_what_leads_out_of_it() {
        let (_folder, roots) = folders();
        let top = list(&roots, "", FileKind::Dataset).expect("lists");
        assert_eq!((top.entries.len(), top.parent), (1, None));
        let root = &top.entries[0].path;
        let listing = list(&roots, root, FileKind::Dataset).expect("lists");
        assert_eq!(names(&listing), ["photos", "way-in", "dataset.json"]);
        assert_eq!(listing.parent.as_deref(), Some(""));
        assert_eq!(listing.entries[2].bytes, Some(2));
        assert_eq!(names(&list(&roots, root, FileKind::Weights).expect("lists")), ["photos", "way-in", "body.pth"]);
        let photos = list(&roots, &listing.entries[0].path, FileKind::Folder).expect("lists");
        assert_eq!((photos.entries.len(), photos.parent.as_ref()), (0, Some(root)));
    }

    #[test]
    fn nothing_outside_of_the_roots_is_told() {
        let (folder, roots) = folders();
        let root = roots[0].display().to_string();
        for path in
            ["/", "/etc", &format!("{root}/../outside"), &format!("{root}/way-out"), &format!("{root}2"), "none"]
        {
            assert!(matches!(list(&roots, path, FileKind::Folder), Err(FolderError::Outside)), "{path}");
        }
        assert_eq!(confine(&roots, &folder.path().join("outside/secret.json")), None);
        assert!(confine(&roots, &folder.path().join("outside/../root/dataset.json")).is_some());
    }
}
