// Folders: read to their ends, photos told from everything else by type or name.

/**
 * A file with the place it was found at.
 * @typedef {{file: File, path: string}} Photo
 */

/** Where a system names no type, the name has to do. */
const PHOTO_NAME = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|heic|heif|avif)$/i;

/**
 * What was dropped. The entries must be taken while the event lasts, so this is to be called in its
 * handler; folders are read afterwards.
 * @param {DataTransfer} transfer
 * @returns {Promise<{photos: Photo[], skipped: string[]}>} `skipped`: other files in folders, by path
 */
export function readDrop(transfer) {
  const files = [];
  const folders = [];
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    if (entry?.isDirectory) {
      folders.push(entry);
    } else {
      const file = item.getAsFile();
      if (file) files.push(file);
    }
  }
  return readFolders(folders).then(({ photos, skipped }) => ({ photos: [...asPhotos(files), ...photos], skipped }));
}

/** Files chosen one by one: what they are is for the server to say. */
export function asPhotos(files) {
  return [...files].map((file) => ({ file, path: file.name }));
}

/**
 * The files of a folder chosen in the browser's dialog.
 * @param {Iterable<File>} files
 * @returns {{photos: Photo[], skipped: string[]}}
 */
export function sortChosenFolder(files) {
  return sort([...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

/** @param {FileSystemDirectoryEntry[]} folders */
async function readFolders(folders) {
  const found = [];
  const unreadable = [];
  const waiting = [...folders];
  while (waiting.length > 0) {
    const folder = waiting.shift();
    try {
      const entries = await entriesOf(folder);
      waiting.push(...entries.filter((entry) => entry.isDirectory));
      for (const entry of entries.filter((entry) => entry.isFile)) {
        found.push({ file: await fileOf(entry), path: entry.fullPath.replace(/^\//, "") });
      }
    } catch {
      unreadable.push(`${folder.fullPath.replace(/^\//, "")}/ (cannot be read)`);
    }
  }
  const { photos, skipped } = sort(found);
  return { photos, skipped: [...skipped, ...unreadable] };
}

function sort(found) {
  const inOrder = found.sort((one, other) => one.path.localeCompare(other.path, undefined, { numeric: true }));
  return {
    photos: inOrder.filter(isPhoto),
    skipped: inOrder.filter((entry) => !isPhoto(entry)).map((entry) => entry.path),
  };
}

/** Names that start with a dot are the system's own notes about a photo. */
function isPhoto({ file }) {
  if (file.name.startsWith(".")) return false;
  return PHOTO_NAME.test(file.name) || (file.type.startsWith("image/") && file.type !== "image/svg+xml");
}

/** A reader gives a folder's entries in portions, and an empty one at the end. */
async function entriesOf(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (;;) {
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) return entries;
    entries.push(...portion);
  }
}

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
