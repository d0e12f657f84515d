// This visit's photos: one card a photo, the work behind each, and the progress of them all.

import { editCaption, readCaptions, showCaption } from "./captions-api.js";
import { ResultCard } from "./card.js";
import { Together } from "./together.js";
import { captionPhoto } from "./upload.js";

/** Up to so many photos each caption is read out; beyond, only how far it is. */
const READ_OUT = 5;
const READ_OUT_EVERY = 10;
/** From so many photos on a card is a row. */
const MANY = 7;
/** So many failed photos are worth a button for all of them. */
const SEVERAL = 2;
/** Two presses within it are meant as one. */
const DOUBLE_CLICK_MS = 500;
/** Names of skipped files that are listed. */
const LISTED = 200;

export class ResultList {
  #settings;
  #options;
  #queue;
  #announce;
  #together;
  /** In page order. */
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
    this.#together = new Together(announce);
    const onClick = (id, act) => document.getElementById(id).addEventListener("click", act);
    onClick("cancel-all", () => this.#takeAllAway("waiting", "cancelled"));
    onClick("remove-failed", () => this.#takeAllAway("failed", "removed"));
    onClick("retry-failed", () => this.#retryFailed());
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
    this.#photos = new Set([...entries, ...this.#photos]);
    this.#skipped.push(...skipped);
    this.#showSkipped();
    if (photos.length === 0 && skipped.length === 0) this.#announce("There are no files in it.");
    this.#count();
    this.#section.scrollIntoView({ block: "nearest" });
    for (const entry of entries) if (entry.state === "waiting") this.#start(entry);
  }

  /** Whether leaving the page would lose photos that are not with the server yet. */
  get busy() {
    return this.#in("waiting").length > 0;
  }

  /** Brings the captions up to date: elsewhere they may have been changed or deleted. */
  async refresh() {
    const ids = this.#in("done").map(({ answer }) => answer.id);
    await readCaptions(ids, (id, caption) => {
      if (caption) this.#showWords(caption);
      else for (const entry of this.#captioned(id)) this.#drop(entry);
    });
    this.#count();
  }

  #entry(file, path, options) {
    const card = new ResultCard(path, file);
    const abort = new AbortController();
    const entry = { card, file, path, options, abort, state: "waiting", worthRetrying: false, answer: null };
    card.onRetry = () => {
      this.#retry(entry);
      this.#announce(`Trying ${path} again`);
    };
    card.onCancel = () => this.#takeAway(entry, "cancelled");
    card.onRemove = () => this.#takeAway(entry, "removed");
    card.onUse = (words) => this.#use(entry, words);
    if (file.size > this.#settings.maxBytes) {
      this.#fail(entry, { message: `This file is larger than ${this.#settings.maxBytesText}, the most the server takes.` });
    }
    return entry;
  }

  #start(entry) {
    this.#queue.add(() => this.#caption(entry));
  }

  async #caption(entry) {
    const { card, file, path, options, abort } = entry;
    if (abort.signal.aborted) return;
    let outcome;
    try {
      const request = { url: this.#settings.api, photo: file, options, signal: abort.signal };
      const answer = await captionPhoto(request, {
        onProgress: (percent) => card.upload(percent),
        onSent: () => card.read(),
        onBusy: (seconds) => card.busy(seconds),
      });
      // The bytes are with the server now.
      Object.assign(entry, { state: "done", answer, file: null });
      card.finish(answer);
      outcome = answer.caption;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#fail(entry, error);
      outcome = error.message;
    }
    this.#count();
    this.#readOut(`${path}: ${outcome}`);
  }

  /** @param {{message: string, worthRetrying?: boolean, asksToSignIn?: boolean}} error */
  #fail(entry, { message, worthRetrying = false, asksToSignIn = false }) {
    Object.assign(entry, { state: "failed", worthRetrying });
    entry.card.fail(message, { retry: worthRetrying, signIn: asksToSignIn });
  }

  #retry(entry) {
    entry.state = "waiting";
    entry.card.wait();
    this.#start(entry);
    this.#count();
  }

  #retryFailed() {
    const failed = this.#in("failed").filter((entry) => entry.worthRetrying);
    for (const entry of failed) this.#retry(entry);
    this.#announce(`Trying ${failed.length} again`);
    this.#focus(null);
  }

  async #use(entry, words) {
    const { element } = entry.card;
    if (element.hasAttribute("data-using")) return;
    element.setAttribute("data-using", "");
    try {
      this.#showWords(await editCaption(entry.answer.id, words));
      this.#count();
      this.#announce(`The caption is now: ${words}`);
    } catch (error) {
      entry.card.refuseWords(error.message);
      this.#announce(error.message);
    }
    // The second press of a double click would take it back: the former words are where these were.
    setTimeout(() => element.removeAttribute("data-using"), DOUBLE_CLICK_MS);
  }

  /** The words that a caption has now, wherever it is shown. */
  #showWords(now) {
    showCaption(document, now);
    for (const entry of this.#captioned(now.id)) {
      // Not all of it: this has all candidates, not as many as were asked for.
      entry.answer = { ...entry.answer, caption: now.caption, edited_at: now.edited_at };
      entry.card.showWords(entry.answer);
    }
  }

  #takeAway(entry, how) {
    const { element } = entry.card;
    const neighbour = element.nextElementSibling ?? element.previousElementSibling;
    this.#drop(entry);
    this.#announce(`${entry.path} ${how}`);
    this.#count();
    this.#focus(neighbour);
  }

  #takeAllAway(state, how) {
    const entries = this.#in(state);
    for (const entry of entries) this.#drop(entry);
    this.#announce(`${entries.length} ${how}`);
    this.#count();
    this.#focus(null);
  }

  #drop(entry) {
    entry.abort.abort();
    entry.card.remove();
    this.#photos.delete(entry);
  }

  /** Where the focus goes from what is taken away: to this card, or else to what is left. */
  #focus(card) {
    const otherwise = document.getElementById(this.#section.hidden ? "photos" : "results-title");
    (card ?? otherwise).focus();
  }

  #in(state) {
    return [...this.#photos].filter((entry) => entry.state === state);
  }

  /** The photos with this caption: more than one where the same photo was sent again. */
  #captioned(id) {
    return this.#in("done").filter(({ answer }) => answer.id === id);
  }

  #count() {
    const all = this.#photos.size;
    const [waiting, done, failed] = ["waiting", "done", "failed"].map((state) => this.#in(state));
    this.#list.classList.toggle("many", all >= MANY);
    this.#section.hidden = all === 0 && this.#skipped.length === 0;
    document.getElementById("tally").textContent = this.#tally();
    const bar = document.getElementById("batch-bar");
    bar.max = Math.max(all, 1);
    bar.value = done.length + failed.length;
    document.getElementById("batch").hidden = all < 2 && this.#skipped.length === 0;
    document.getElementById("cancel-all").hidden = waiting.length === 0;
    document.getElementById("retry-failed").hidden = !failed.some((entry) => entry.worthRetrying);
    document.getElementById("remove-failed").hidden = failed.length < SEVERAL;
    this.#together.offer(done.map(({ answer }) => answer));
    this.#leadAway(waiting.length > 0);
  }

  #tally() {
    const [done, failed] = [this.#in("done").length, this.#in("failed").length];
    return `${done} of ${this.#photos.size} captioned` + (failed > 0 ? `, ${failed} failed` : "");
  }

  /** While photos wait, leaving the page would lose them: its links open beside it. */
  #leadAway(beside) {
    for (const link of this.#section.querySelectorAll(".leads-away")) {
      link.target = beside ? "_blank" : "";
      link.querySelector(".new-tab").hidden = !beside;
    }
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
    const ended = all - this.#in("waiting").length;
    if (all <= READ_OUT) this.#announce(message);
    else if (ended === all || ended % READ_OUT_EVERY === 0) this.#announce(this.#tally());
  }
}
