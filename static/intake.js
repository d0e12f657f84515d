// The ways in: choosing files, dropping them anywhere on the page, pasting them.

/**
 * Calls `onPhotos(File[])` for every way in, and `onFolder()` when a folder was dropped.
 * @param {HTMLFormElement} form holds the file input, and the drop zone that lights up
 */
export function watchArrivals(form, { onPhotos, onFolder }) {
  watchInput(form, onPhotos);
  watchDrops(onPhotos, onFolder);
  watchPastes(onPhotos);
}

function watchInput(form, onPhotos) {
  const input = form.querySelector("input[type=file]");
  input.addEventListener("change", () => {
    const photos = [...input.files];
    // Emptied, so that choosing the same file again is a change again.
    input.value = "";
    if (photos.length > 0) onPhotos(photos);
  });
  // Enter in an option field would post the form and leave the page.
  form.addEventListener("submit", (event) => event.preventDefault());
}

function watchDrops(onPhotos, onFolder) {
  // A picture of this page dragged about looks like a file, too.
  let startedHere = false;
  const carriesFiles = (event) => !startedHere && event.dataTransfer?.types.includes("Files");
  const light = (on) => document.body.classList.toggle("dragging", on);

  document.addEventListener("dragstart", () => {
    startedHere = true;
  });
  document.addEventListener("dragend", () => {
    startedHere = false;
  });

  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    light(true);
  });
  document.addEventListener("dragleave", (event) => {
    // Without a related target the pointer has left the window, not just an element.
    if (event.relatedTarget === null) light(false);
  });
  document.addEventListener("drop", (event) => {
    light(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    const { photos, folders } = sortItems(event.dataTransfer);
    if (photos.length > 0) onPhotos(photos);
    if (folders > 0) onFolder();
  });
}

/** Tells files from folders, which look like files until they are read. */
function sortItems(transfer) {
  const photos = [];
  let folders = 0;
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    if (item.webkitGetAsEntry?.()?.isDirectory) folders += 1;
    else photos.push(item.getAsFile());
  }
  return { photos, folders };
}

function watchPastes(onPhotos) {
  document.addEventListener("paste", (event) => {
    const photos = [...(event.clipboardData?.files ?? [])];
    if (photos.length === 0) return;
    event.preventDefault();
    onPhotos(photos);
  });
}
