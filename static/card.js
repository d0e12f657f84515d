// One photo's card: preview, progress, then the caption or what went wrong.

import { Preview } from "./preview.js";

const number = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** "−0.61", with a real minus sign. */
const scoreText = (score) => `score ${number.format(score).replace("-", "\u2212")}`;

const cloneTemplate = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

export class ResultCard {
  #preview;

  /** Called when the person asks for another try. */
  onRetry = () => {};
  /** Called when the person no longer wants this photo captioned. */
  onCancel = () => {};

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

  /** @param {string} message @param {{retry?: boolean}} [offer] */
  fail(message, { retry = false } = {}) {
    this.#find(".error-message").textContent = message;
    this.#find(".retry").hidden = !retry;
    this.#show("failed", ".result-error");
  }

  /** @param {object} answer of `POST /api/caption` */
  finish(answer) {
    this.element.dataset.captionId = answer.id;
    this.#find(".preview-image").alt = answer.caption;
    const link = this.#find(".open-caption");
    // Without the link, past captions and their photos are not for this visitor: the preview stays.
    if (link) {
      this.#preview.replaceBy(`/api/images/${answer.image.id}?size=thumbnail`);
      link.href = `/captions/${answer.id}`;
      link.setAttribute("aria-label", `Open: ${answer.caption}`);
    }
    this.#find(".result-caption").textContent = answer.caption;
    this.#find(".result-answer .score").textContent = scoreText(answer.score);
    this.#find(".copy").dataset.copy = answer.caption;
    this.#timing(answer);
    this.#alternatives(answer.candidates ?? []);
    this.#show("done", ".result-answer");
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

  /** The first candidate is the caption itself. */
  #alternatives(candidates) {
    const others = candidates.slice(1).map(({ caption, score }) => {
      const line = cloneTemplate("alternative");
      line.querySelector(".alternative-caption").textContent = caption;
      line.querySelector(".score").textContent = scoreText(score);
      return line;
    });
    this.#find(".alternative-list").replaceChildren(...others);
    this.#find(".alternatives summary").textContent = others.length === 1 ? "1 alternative" : `${others.length} alternatives`;
    this.#find(".alternatives").hidden = others.length === 0;
  }
}
