// The list of this visit's photos: one card a photo, the running count, and the work behind each card.

import { ResultCard } from "./card.js";
import { captionPhoto } from "./upload.js";

export class ResultList {
  #settings;
  #options;
  #queue;
  #announce;
  #section = document.getElementById("results");
  #list = document.getElementById("result-list");
  #tally = document.getElementById("tally");

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
  }

  /** Shows a card for each photo at once, newest batch on top, and queues the uploads. */
  add(photos) {
    // Read now: later changes are for later photos.
    const options = this.#options();
    const cards = photos.map((photo) => this.#card(photo, options));
    this.#list.prepend(...cards.map((card) => card.element));
    this.#section.hidden = false;
    this.#section.scrollIntoView({ block: "nearest" });
    this.#count();
  }

  /** A card for something that is not sent at all. */
  addRefused(name, message) {
    const card = new ResultCard(name);
    card.fail(message);
    this.#list.prepend(card.element);
    this.#section.hidden = false;
    this.#announce(`${name}: ${message}`);
    this.#count();
  }

  #card(photo, options) {
    const card = new ResultCard(photo.name, photo);
    if (photo.size > this.#settings.maxBytes) {
      card.fail(`This file is larger than ${this.#settings.maxBytesText}, the most the server takes.`);
      return card;
    }
    const abort = new AbortController();
    const start = () => this.#queue.add(() => this.#caption(card, photo, options, abort.signal));
    card.onRetry = () => {
      card.wait();
      this.#count();
      start();
    };
    card.onCancel = () => {
      abort.abort();
      card.element.remove();
      this.#count();
    };
    start();
    return card;
  }

  async #caption(card, photo, options, signal) {
    if (signal.aborted) return;
    try {
      const request = { url: this.#settings.api, photo, options, signal };
      const answer = await captionPhoto(request, {
        onProgress: (percent) => card.upload(percent),
        onSent: () => card.read(),
        onBusy: (seconds) => card.busy(seconds),
      });
      card.finish(answer);
      this.#announce(`${photo.name}: ${answer.caption}`);
    } catch (error) {
      if (signal.aborted) return;
      card.fail(error.message, { retry: error.worthRetrying ?? false });
      this.#announce(`${photo.name}: ${error.message}`);
    }
    this.#count();
  }

  #count() {
    const inState = (state) => this.#list.querySelectorAll(`[data-state="${state}"]`).length;
    const all = this.#list.children.length;
    const failed = inState("failed");
    const done = inState("done");
    this.#section.hidden = all === 0;
    this.#tally.textContent =
      `${done} of ${all} captioned` + (failed > 0 ? `, ${failed} failed` : "");
  }
}
