// The start page's entry: wires the ways in (choose, drop, paste) to the upload queue.

import { refreshShown } from "./captions-api.js";
import { enableCopyButtons } from "./clipboard.js";
import { watchArrivals } from "./intake.js";
import { captionOptions } from "./options.js";
import { keepTimesFresh } from "./relative-time.js";
import { ResultList } from "./results.js";
import { UploadQueue } from "./upload.js";

const UPLOADS_AT_A_TIME = 2;

const form = document.getElementById("upload");
const settings = {
  api: form.dataset.api,
  maxBytes: Number(form.dataset.maxUploadBytes),
  maxBytesText: form.dataset.maxUploadText,
};

const announcer = document.getElementById("announcer");
const announce = (message) => {
  announcer.textContent = message;
};

const options = captionOptions(form);
const queue = new UploadQueue(UPLOADS_AT_A_TIME);
const results = new ResultList({ settings, options, queue, announce });

watchArrivals(form, (found) => results.add(found));
// What is with the server is in the history whatever happens here; what waits would be lost.
window.addEventListener("beforeunload", (event) => {
  if (results.busy) event.preventDefault();
});
// Back from other pages, this one may come out of the browser's memory as it was, with what they changed or deleted.
window.addEventListener("pageshow", (event) => {
  const recent = document.getElementById("recent");
  // Without recent captions, past ones are not for this visitor.
  if (!event.persisted || !recent) return;
  refreshShown(recent);
  results.refresh();
});
enableCopyButtons(document, announce);
keepTimesFresh(document);
