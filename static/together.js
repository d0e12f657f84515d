// What can be done with all captions of this visit: copied, exported.

import { exportCaptions } from "./captions-api.js";

/** For fewer there are the cards. */
const FEWEST = 2;
/** Until then every browser has read a file that it was given to keep. */
const READ_BY_MS = 60_000;

export class Together {
  #announce;
  #captions = [];
  #tools = document.getElementById("together");
  #copy = document.getElementById("copy-all");
  /** Not on the page where past captions are not for this visitor. */
  #form = document.getElementById("export-all");
  #fault = document.getElementById("export-fault");

  /** @param {(message: string) => void} announce tells screen readers */
  constructor(announce) {
    this.#announce = announce;
    this.#form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#export(new FormData(this.#form).get("format"));
    });
  }

  /** @param {{id: string, caption: string}[]} captions this visit's, in page order */
  offer(captions) {
    this.#captions = captions;
    this.#tools.hidden = captions.length < FEWEST;
    this.#copy.dataset.copy = captions.map(({ caption }) => caption).join("\n");
  }

  /** Fetched rather than posted: a form's post would ask whether to leave the page while photos wait. */
  async #export(format) {
    // One photo sent twice has one caption.
    const ids = [...new Set(this.#captions.map(({ id }) => id))];
    let fault = "";
    try {
      download(await exportCaptions(ids, format));
    } catch (error) {
      fault = error.message;
      this.#announce(fault);
    }
    this.#fault.textContent = fault;
    this.#fault.hidden = fault === "";
  }
}

/** @param {File} file */
function download(file) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: file.name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_BY_MS);
}
