// The ways in: choosing files or a folder, dropping them anywhere on the page, pasting them.

import { asPhotos, readDrop, sortChosenFolder } from "./folders.js";

/**
 * Calls `onPhotos({photos, skipped})` for every way in.
 * @param {HTMLFormElement} form holds the file inputs, and the drop zone that lights up
 * @param {(found: {photos: import("./folders.js").Photo[], skipped: string[]}) => void} onPhotos
 */
export function watchArrivals(form, onPhotos) {
  watchInput(form.querySelector("#photos"), (files) => onPhotos({ photos: asPhotos(files), skipped: [] }));
  watchFolderInput(form, onPhotos);
  watchDrops(onPhotos);
  watchPastes(onPhotos);
  // For browsers without scripts: here photos also come otherwise, and the input is emptied at once.
  form.querySelector("#photos").required = false;
  // Enter in an option field would post the form and leave the page.
  form.addEventListener("submit", (event) => event.preventDefault());
}

function watchInput(input, onFiles) {
  input.addEventListener("change", () => {
    const files = [...input.files];
    // Emptied, so that choosing the same file again is a change again.
    input.value = "";
    if (files.length > 0) onFiles(files);
  });
}

/** Hidden in the page as served: phones have no folders to choose, and without scripts it could do nothing. */
function watchFolderInput(form, onPhotos) {
  const input = form.querySelector("#folder");
  const button = form.querySelector("#choose-folder");
  if (!("webkitdirectory" in input) || matchMedia("(pointer: coarse)").matches) return;
  button.hidden = false;
  button.addEventListener("click", () => input.click());
  watchInput(input, (files) => onPhotos(sortChosenFolder(files)));
}

function watchDrops(onPhotos) {
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
  document.addEventListener("drop", async (event) => {
    light(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    onPhotos(await readDrop(event.dataTransfer));
  });
}

function watchPastes(onPhotos) {
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    onPhotos({ photos: asPhotos(files), skipped: [] });
  });
}
