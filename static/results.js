// This visit's photos: one card a photo, the work behind each, and the progress of them all.

import { ResultCard } from "./card.js";
import { captionPhoto } from "./upload.js";

/** Up to so many photos each caption is read out; beyond, only how far it is. */
const READ_OUT = 5;
const READ_OUT_EVERY = 10;
/** From so many photos on a card is a row. */
const MANY = 7;
/** Names of skipped files that are listed. */
const LISTED = 200;

/** States of a photo that need nothing more. */
const ENDED = ["done", "failed"];

export class ResultList {
  #settings;
  #options;
  #queue;
  #announce;
  #photos = new Set();
  #skipped = [];
  #section = document.getElementById("results");
  #list = document.getElementById("result-list");

  /**
   * @param {{settings: {api: string, maxBytes: number, maxBytesText: string},
   *          options: () => Object<string, number>, queue: import("./upload.js").UploadQueue,
   *          announce: (message: string) => void}} parts
   */
  constructor({ settings, options, queue, announce }) {
    this.#settings = settings;
    this.#options = options;
    this.#queue = queue;
    this.#announce = announce;
    document.getElementById("cancel-all").addEventListener("click", () => this.#cancelAll());
    document.getElementById("retry-failed").addEventListener("click", () => this.#retryFailed());
  }

  /**
   * Shows a card for each photo at once, newest batch on top, and queues the uploads.
   * @param {{photos: import("./folders.js").Photo[], skipped: string[]}} found
   */
  add({ photos, skipped }) {
    // Read now: later changes are for later photos.
    const options = this.#options();
    const entries = photos.map(({ file, path }) => this.#entry(file, path, options));
    this.#list.prepend(...entries.map((entry) => entry.card.element));
    this.#skipped.push(...skipped);
    this.#showSkipped();
    if (photos.length === 0 && skipped.length === 0) this.#announce("There are no files in it.");
    this.#count();
    this.#section.scrollIntoView({ block: "nearest" });
    for (const entry of entries) if (entry.state === "waiting") this.#start(entry);
  }

  /** Whether leaving the page would lose photos that are not with the server yet. */
  get busy() {
    return this.#in("waiting") > 0;
  }

  #entry(file, path, options) {
    const card = new ResultCard(path, file);
    const entry = { card, file, path, options, state: "waiting", worthRetrying: false, abort: new AbortController() };
    this.#photos.add(entry);
    card.onRetry = () => {
      this.#retry(entry);
      this.#announce(`Trying ${path} again`);
    };
    card.onCancel = () => {
      const neighbour = card.element.nextElementSibling ?? card.element.previousElementSibling;
      this.#cancel(entry);
      this.#announce(`${path} cancelled`);
      this.#count();
      this.#focus(neighbour);
    };
    if (file.size > this.#settings.maxBytes) {
      this.#fail(entry, `This file is larger than ${this.#settings.maxBytesText}, the most the server takes.`, false);
    }
    return entry;
  }

  #start(entry) {
    this.#queue.add(() => this.#caption(entry));
  }

  async #caption(entry) {
    const { card, file, path, options, abort } = entry;
    if (abort.signal.aborted) return;
    try {
      const request = { url: this.#settings.api, photo: file, options, signal: abort.signal };
      const answer = await captionPhoto(request, {
        onProgress: (percent) => card.upload(percent),
        onSent: () => card.read(),
        onBusy: (seconds) => card.busy(seconds),
      });
      entry.state = "done";
      // The bytes are with the server now.
      entry.file = null;
      card.finish(answer);
      this.#readOut(`${path}: ${answer.caption}`);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#fail(entry, error.message, error.worthRetrying ?? false);
      this.#readOut(`${path}: ${error.message}`);
    }
    this.#count();
  }

  #fail(entry, message, worthRetrying) {
    entry.state = "failed";
    entry.worthRetrying = worthRetrying;
    entry.card.fail(message, { retry: worthRetrying });
  }

  #retry(entry) {
    entry.state = "waiting";
    entry.card.wait();
    this.#start(entry);
    this.#count();
  }

  #retryFailed() {
    const failed = [...this.#photos].filter((entry) => entry.state === "failed" && entry.worthRetrying);
    for (const entry of failed) this.#retry(entry);
    this.#announce(`Trying ${failed.length} again`);
    this.#focus(null);
  }

  #cancel(entry) {
    entry.abort.abort();
    entry.card.remove();
    this.#photos.delete(entry);
  }

  #cancelAll() {
    const waiting = [...this.#photos].filter((entry) => !ENDED.includes(entry.state));
    for (const entry of waiting) this.#cancel(entry);
    this.#announce(`${waiting.length} cancelled`);
    this.#count();
    this.#focus(null);
  }

  /** Where the focus goes from what is taken away: to this card, or else to what is left. */
  #focus(card) {
    const otherwise = document.getElementById(this.#section.hidden ? "photos" : "results-title");
    (card ?? otherwise).focus();
  }

  #in(state) {
    return [...this.#photos].filter((entry) => entry.state === state).length;
  }

  #count() {
    const all = this.#photos.size;
    const [done, failed] = [this.#in("done"), this.#in("failed")];
    const worthRetrying = [...this.#photos].some((entry) => entry.state === "failed" && entry.worthRetrying);
    this.#list.classList.toggle("many", all >= MANY);
    this.#section.hidden = all === 0 && this.#skipped.length === 0;
    document.getElementById("tally").textContent =
      `${done} of ${all} captioned` + (failed > 0 ? `, ${failed} failed` : "");
    const bar = document.getElementById("batch-bar");
    bar.max = Math.max(all, 1);
    bar.value = done + failed;
    document.getElementById("batch").hidden = all < 2 && this.#skipped.length === 0;
    document.getElementById("cancel-all").hidden = done + failed === all;
    document.getElementById("retry-failed").hidden = !worthRetrying;
  }

  #showSkipped() {
    const count = this.#skipped.length;
    if (count === 0) return;
    const names = this.#skipped.slice(0, LISTED);
    if (count > LISTED) names.push(`and ${count - LISTED} more`);
    const lines = names.map((name) => Object.assign(document.createElement("li"), { textContent: name }));
    document.getElementById("skipped-names").replaceChildren(...lines);
    document.getElementById("skipped-count").textContent =
      count === 1 ? "1 file that is no photo was skipped" : `${count} files that are no photos were skipped`;
    document.getElementById("skipped").hidden = false;
  }

  #readOut(message) {
    const all = this.#photos.size;
    const ended = this.#in("done") + this.#in("failed");
    if (all <= READ_OUT) this.#announce(message);
    else if (ended === all || ended % READ_OUT_EVERY === 0) this.#announce(`${ended} of ${all} photos ready`);
  }
}
