// Several plots with common controls: phase, axis, smoothing, log scale, zoom.

import { Plot } from "./plot.js";

/** Plots are drawn anew at most this often, whatever comes in. */
const REDRAW_MS = 500;

export class PlotBoard {
  #grid = document.getElementById("plot-grid");
  #phase = document.getElementById("plot-phase");
  #axis = document.getElementById("plot-axis");
  #smoothing = document.getElementById("plot-smoothing");
  #log = document.getElementById("plot-log");
  #reset = document.getElementById("plot-reset");
  #plots = new Map();
  #timer = null;

  /** @param {(controls: {phase: string, byTime: boolean}) => {kind: object, lines: object[], view: object}[]} compose */
  constructor(compose) {
    this.compose = compose;
    for (const control of [this.#phase, this.#axis]) control?.addEventListener("change", () => this.#start());
    this.#smoothing.addEventListener("input", () => this.draw());
    this.#log.addEventListener("change", () => this.draw());
    this.#reset.addEventListener("click", () => this.#zoom(null));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const plot of this.#plots.values()) plot.redraw();
    });
  }

  /** Offers these phases, `{value, text}`, and keeps the choice. */
  offerPhases(options) {
    const key = options.map(({ value }) => value).join();
    if (this.#phase.dataset.key === key) return;
    const chosen = this.#phase.value;
    this.#phase.dataset.key = key;
    this.#phase.replaceChildren(...options.map(({ value, text }) => new Option(text, value)));
    if (options.some(({ value }) => value === chosen)) this.#phase.value = chosen;
  }

  /** Draws soon. */
  drawSoon() {
    this.#timer ??= setTimeout(() => requestAnimationFrame(() => this.draw()), REDRAW_MS);
  }

  /** Draws now. True where there is anything to see. */
  draw() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const controls = { phase: this.#phase.value, byTime: this.#axis?.value === "time" };
    const composed = this.compose(controls);
    const shown = new Set(composed.map(({ kind }) => kind.title));
    for (const [title, plot] of this.#plots) plot.element.hidden ||= !shown.has(title);
    for (const { kind, lines, view } of composed) {
      const settings = {
        smoothing: kind.noLog || kind.exact ? 0 : Number(this.#smoothing.value),
        log: this.#log.checked,
        byTime: controls.byTime,
        ...view,
      };
      this.#plot(kind).show(lines, settings);
    }
    return composed.some(({ lines }) => lines.some(({ xs }) => xs.length > 0));
  }

  #plot(kind) {
    if (!this.#plots.has(kind.title)) {
      const plot = new Plot(kind, { onZoom: (range) => this.#zoom(range), sync: "board" });
      this.#plots.set(kind.title, plot);
      this.#grid.append(plot.element);
    }
    return this.#plots.get(kind.title);
  }

  #zoom(range) {
    this.#reset.disabled = range === null;
    for (const plot of this.#plots.values()) plot.zoom(range);
  }

  /** Another axis: a range of the old one means nothing on it. */
  #start() {
    this.#zoom(null);
    this.draw();
  }
}
