// Small pictures of photos that are still on their way: made when their card comes into sight, given back
// when it leaves, so that hundreds of cards hold the memory of a few.

import { drawJpeg } from "./jpeg.js";

const SIDE = 480;
const AHEAD = "300px";

const previews = new WeakMap();
const sight = new IntersectionObserver(
  (changes) => {
    for (const { target, isIntersecting } of changes) previews.get(target)?.inSight(isIntersecting);
  },
  { rootMargin: AHEAD },
);

/** One photo is decoded at a time: each takes its full size in memory for a moment. */
let line = Promise.resolve();

export class Preview {
  #frame;
  #image;
  #file;
  #wanted = false;
  #url = null;

  /**
   * @param {HTMLElement} frame whose coming into sight is watched
   * @param {HTMLImageElement} image hidden until there is something to show
   * @param {Blob} file
   */
  constructor(frame, image, file) {
    this.#frame = frame;
    this.#image = image;
    previews.set(frame, this);
    this.#watch(file);
  }

  inSight(visible) {
    this.#wanted = visible;
    if (visible) line = line.then(() => this.#draw());
    else this.#forget();
  }

  /** From now on the server's thumbnail, which the browser loads and forgets by itself; if that fails, as before. */
  replaceBy(address) {
    const file = this.#file;
    this.stop();
    const outcome = new AbortController();
    const { signal } = outcome;
    this.#image.addEventListener("load", () => outcome.abort(), { signal });
    const failed = () => {
      outcome.abort();
      this.#image.hidden = true;
      this.#image.removeAttribute("src");
      this.#watch(file);
    };
    this.#image.addEventListener("error", failed, { signal });
    this.#image.loading = "lazy";
    this.#image.src = address;
    this.#image.hidden = false;
  }

  /** Nothing more is shown. */
  stop() {
    sight.unobserve(this.#frame);
    this.#wanted = false;
    this.#forget();
    this.#file = null;
  }

  #watch(file) {
    this.#file = file;
    sight.observe(this.#frame);
  }

  async #draw() {
    if (!this.#wanted || this.#url !== null) return;
    // Where there is nothing to show, the server decides whether it can read it.
    const small = await drawJpeg(this.#file, 0.8, { resizeWidth: SIDE, resizeQuality: "medium" });
    this.#frame.classList.toggle("no-picture", small === null);
    if (!this.#wanted || small === null) return;
    this.#url = URL.createObjectURL(small);
    this.#image.src = this.#url;
    this.#image.hidden = false;
  }

  #forget() {
    if (this.#url === null) return;
    this.#image.hidden = true;
    this.#image.removeAttribute("src");
    URL.revokeObjectURL(this.#url);
    this.#url = null;
  }
}
