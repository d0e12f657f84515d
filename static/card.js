// One photo's card: preview, progress, then the caption with its alternatives, or what went wrong.

import { Preview } from "./preview.js";
import { scoreText, showScore } from "./score.js";

const cloneTemplate = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

export class ResultCard {
  #preview;

  /** Called when the person asks for another try. */
  onRetry = () => {};
  /** Called when the person no longer wants this photo captioned. */
  onCancel = () => {};
  /** Called when the person has seen what went wrong and wants the card away. */
  onRemove = () => {};
  /** Called with the words that the person wants instead. */
  onUse = () => {};

  /**
   * @param {string} name shown above the caption
   * @param {Blob} photo previewed where the browser can show it
   */
  constructor(name, photo) {
    this.element = cloneTemplate("result-card");
    this.#find(".file-name").textContent = name;
    this.#find(".file-name").title = name;
    this.#find(".bar").setAttribute("aria-label", `Progress of ${name}`);
    this.#find(".cancel").setAttribute("aria-label", `Cancel ${name}`);
    this.#find(".cancel").addEventListener("click", () => this.onCancel());
    this.#find(".remove").setAttribute("aria-label", `Remove ${name}`);
    this.#find(".remove").addEventListener("click", () => this.onRemove());
    this.#find(".retry").addEventListener("click", () => this.onRetry());
    this.#preview = new Preview(this.#find(".preview-frame"), this.#find(".preview-image"), photo);
  }

  /** Takes the card off the page. */
  remove() {
    this.#preview.stop();
    this.element.remove();
  }

  /** Back in the queue. */
  wait() {
    this.#progress("waiting", "Waiting for its turn", 0);
  }

  /** On the way to the server; `percent` of it has left. */
  upload(percent) {
    this.#progress("uploading", `Uploading ${Math.round(percent)} %`, percent);
  }

  /** With the server. */
  read() {
    this.#progress("reading", "Reading the photo…");
  }

  /** Turned away for now; sent again in `seconds`. */
  busy(seconds) {
    this.#progress("waiting", `The server asks for a moment. Trying again in ${seconds} s`);
  }

  /** @param {string} message @param {{retry?: boolean, signIn?: boolean}} [offer] */
  fail(message, { retry = false, signIn = false } = {}) {
    this.#find(".error-message").textContent = message;
    this.#find(".retry").hidden = !retry;
    this.#find(".sign-in").hidden = !signIn;
    this.#show("failed", ".result-error");
  }

  /** @param {object} answer of `POST /api/caption` */
  finish(answer) {
    this.element.dataset.captionId = answer.id;
    const link = this.#find(".open-caption");
    // Without the link, past captions and their photos are not for this visitor: the preview stays.
    if (link) {
      this.#preview.replaceBy(`/api/images/${answer.image.id}?size=thumbnail`);
      link.href = `/captions/${answer.id}`;
    }
    this.#timing(answer);
    this.showWords(answer);
    this.#show("done", ".result-answer");
  }

  /** The words that the caption has now. */
  showWords(answer) {
    this.#find(".preview-image").alt = answer.caption;
    this.#find(".result-caption").textContent = answer.caption;
    showScore(this.#find(".result-answer .score"), answer);
    for (const place of this.element.querySelectorAll(".of-caption")) place.textContent = answer.caption;
    this.#find(".copy").dataset.copy = answer.caption;
    this.#alternatives(answer);
    this.#find(".not-used").hidden = true;
  }

  /** Why the words that the person chose are not the caption's. */
  refuseWords(message) {
    this.#find(".not-used").textContent = message;
    this.#find(".not-used").hidden = false;
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }

  /** Without a percentage the bar shows that something goes on, not how far it is. */
  #progress(state, text, percent) {
    this.#find(".status-text").textContent = text;
    const bar = this.#find(".bar");
    if (percent === undefined) bar.removeAttribute("value");
    else bar.value = percent;
    this.#show(state, ".result-progress");
  }

  #show(state, part) {
    this.element.dataset.state = state;
    for (const name of [".result-progress", ".result-error", ".result-answer"]) {
      const element = this.#find(name);
      const losesFocus = name !== part && element.contains(document.activeElement);
      element.hidden = name !== part;
      if (losesFocus) this.element.focus({ preventScroll: true });
    }
  }

  #timing({ timings_ms: steps, cached }) {
    const place = this.#find(".timing");
    if (cached) {
      place.textContent = "captioned before";
      place.title = "The same photo with the same options was captioned before; this is that caption.";
    } else if (steps) {
      const total = Object.values(steps).reduce((sum, step) => sum + step, 0);
      place.textContent = total < 1000 ? `${Math.round(total)} ms` : `${(total / 1000).toFixed(1)} s`;
      place.title = Object.entries(steps).map(([name, ms]) => `${name} ${Math.round(ms)} ms`).join(", ");
    }
  }

  /** All of the model's wordings but the one that is shown; where a person's is, that is all of them. */
  #alternatives({ candidates = [], caption: shown }) {
    const others = candidates.filter(({ caption }) => caption !== shown).map((other) => this.#alternative(other));
    const list = this.#find(".alternative-list");
    const summary = this.#find(".alternatives summary");
    if (list.contains(document.activeElement)) summary.focus({ preventScroll: true });
    list.replaceChildren(...others);
    summary.textContent = others.length === 1 ? "1 alternative" : `${others.length} alternatives`;
    this.#find(".alternatives").hidden = others.length === 0;
  }

  #alternative({ caption, score }) {
    const line = cloneTemplate("alternative");
    line.querySelector(".alternative-caption").textContent = caption;
    line.querySelector(".score").textContent = scoreText(score);
    // Where past captions are not for this visitor, there is none.
    const use = line.querySelector(".use");
    use?.setAttribute("aria-label", `Use this: ${caption}`);
    use?.addEventListener("click", () => this.onUse(caption));
    return line;
  }
}
