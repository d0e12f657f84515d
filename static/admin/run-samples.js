// Captions of a few validation photos over time, beside what people wrote.

import { address, get, jobPath } from "./api.js";
import { el } from "./dom.js";
import { showToast } from "../toast.js";
import { count } from "./words.js";

export class Samples {
  #list = document.getElementById("samples");
  #timer = null;

  constructor(job) {
    this.job = job;
  }

  async load() {
    try {
      const { samples } = await get(jobPath(this.job.id, "/samples"));
      document.getElementById("no-samples").hidden = samples.length > 0;
      const open = new Set([...this.#list.querySelectorAll("details[open]")].map((details) => details.dataset.image));
      this.#list.replaceChildren(...samples.map((sample) => this.#element(sample, open.has(String(sample.image)))));
    } catch (error) {
      showToast(error.message);
    }
  }

  /** An evaluation tells of all samples at once: they are fetched when it is over. */
  take(event) {
    if (event.event !== "sample" && event.event !== "evaluation") return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.load();
    }, 1000);
  }

  #element({ image, file, references, captions }, open) {
    const newest = captions.at(-1);
    const earlier = captions.slice(0, -1).reverse();
    const photo = el("img", {
      src: address(jobPath(this.job.id, `/samples/${image}/photo`)),
      alt: file ?? `photo ${image}`,
      loading: "lazy",
      width: 160,
      height: 120,
    });
    return el(
      "li",
      { class: "panel sample" },
      photo,
      el(
        "div",
        { class: "sample-words" },
        newest ? el("p", { class: "sample-caption" }, newest.caption) : null,
        newest ? el("p", { class: "hint" }, place(newest)) : null,
        el("h3", {}, "People wrote"),
        el(
          "ul",
          { class: "references" },
          references.map((text) => el("li", {}, text)),
        ),
        earlier.length > 0
          ? el(
              "details",
              { "data-image": String(image), open },
              el("summary", {}, `${earlier.length} earlier`),
              el(
                "ol",
                { class: "earlier" },
                earlier.map((one) => el("li", {}, one.caption, el("span", { class: "hint" }, ` ${place(one)}`))),
              ),
            )
          : null,
      ),
    );
  }
}

const place = ({ phase, iteration }) => `${phase}, iteration ${count(iteration)}`;
