// Admin pages: copy buttons and times in words. The pages work without.

import { enableCopyButtons } from "./clipboard.js";
import { keepTimesFresh } from "./relative-time.js";

const announcer = document.getElementById("announcer");

enableCopyButtons(document, (message) => {
  announcer.textContent = message;
});
keepTimesFresh(document);
