// The caption page's entry: copying, editing by keyboard, stepping through the history.

import { enableCopyButtons } from "./clipboard.js";
import { keepTimesFresh } from "./relative-time.js";

const announcer = document.getElementById("announcer");
enableCopyButtons(document, (message) => {
  announcer.textContent = message;
});
keepTimesFresh(document);
watchEditing(document.querySelector("details.edit"));
watchSteps();

/** @param {HTMLDetailsElement} details holds the form */
function watchEditing(details) {
  const form = details.querySelector("form");
  const words = form.elements.caption;
  const cancel = form.querySelector("#cancel-edit");
  for (const part of [cancel, form.querySelector(".with-keys")]) part.hidden = false;

  const close = () => {
    words.value = words.defaultValue;
    details.open = false;
    details.querySelector("summary").focus();
  };
  details.addEventListener("toggle", () => {
    if (!details.open) return;
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

/** Left and right lead to the neighbours in the history. */
function watchSteps() {
  const steps = { ArrowLeft: document.getElementById("newer"), ArrowRight: document.getElementById("older") };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest?.("input, select, textarea")) return;
    steps[event.key]?.click();
  });
}
