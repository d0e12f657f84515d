// The caption page's entry: copying, editing by keyboard, stepping through the history.

import { readCaptions } from "./captions-api.js";
import { enableCopyButtons } from "./clipboard.js";
import { notePlace, returnToPlace } from "./place.js";
import { keepTimesFresh } from "./relative-time.js";

/** Live regions tell of no change while their page is still being taken in. */
const AFTER_LOADING_MS = 500;

const announcer = document.getElementById("announcer");
const announce = (message) => {
  announcer.textContent = message;
};
const title = document.querySelector("h1");
const edit = document.querySelector("details.edit");

enableCopyButtons(document, announce);
keepTimesFresh(document);
watchEditing(edit.querySelector("form"));
guardWords(edit.querySelector("form"));
watchChanges();
watchSteps();

/** @param {HTMLFormElement} form in `edit` */
function watchEditing(form) {
  const words = form.elements.caption;
  const cancel = form.querySelector("#cancel-edit");
  for (const part of [cancel, form.querySelector(".with-keys")]) part.hidden = false;

  const close = () => {
    words.value = words.defaultValue;
    edit.open = false;
    edit.querySelector("summary").focus();
  };
  edit.addEventListener("toggle", () => {
    if (!edit.open) return;
    words.focus();
    words.setSelectionRange(words.value.length, words.value.length);
  });
  cancel.addEventListener("click", close);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    else return;
    event.preventDefault();
  });
}

/** Words that were not saved are not lost without a question, and outlive a step away and back. */
function guardWords(form) {
  const words = form.elements.caption;
  let sent = false;
  form.addEventListener("submit", () => {
    sent = true;
  });
  words.addEventListener("input", () => {
    sent = false;
  });
  const unsaved = () => !sent && words.value !== words.defaultValue;
  window.addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });
  // Back from another page, the browser shows this one as it was left, though the caption may have changed since.
  window.addEventListener("pageshow", async (event) => {
    if (!event.persisted) return;
    // What was sent may have been refused, for want of a sign-in for one.
    if (sent && !(await isSaved(words.value))) sent = false;
    if (!unsaved()) location.reload();
  });
}

/** Whether the caption of this page has these words, as far as the server can be asked. */
async function isSaved(words) {
  let saved = false;
  await readCaptions([location.pathname.split("/").at(-1)], (_, caption) => {
    saved = caption?.caption === words.trim().split(/\s+/).join(" ");
  });
  return saved;
}

/** The forms that change the words lead back here: the place stays, and the change is told. */
function watchChanges() {
  const alternatives = [...document.querySelectorAll(".alternative-list li")];
  for (const form of document.querySelectorAll("#edit, .generated, .alternative-list form")) {
    const place = alternatives.indexOf(form.closest("li")) + 1;
    const selector = place > 0 ? `.alternative-list li:nth-child(${place})` : ".edit summary";
    form.addEventListener("submit", () => notePlace(selector, title.textContent));
  }
  const before = returnToPlace();
  if (before === undefined || before === title.textContent) return;
  setTimeout(() => announce(`Saved: ${title.textContent}`), AFTER_LOADING_MS);
}

/** Left and right lead to the neighbours in the history, but not away from words that are being written. */
function watchSteps() {
  const steps = { ArrowLeft: document.getElementById("newer"), ArrowRight: document.getElementById("older") };
  document.addEventListener("keydown", (event) => {
    if (edit.open || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest?.("input, select, textarea")) return;
    steps[event.key]?.click();
  });
}
