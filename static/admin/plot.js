// One plot, drawn by uPlot: lines with a legend that shows values, zoom by mouse and keys, a picture to keep.

import uPlot from "../uplot.js";
import { el, icon } from "./dom.js";
import { smoothed } from "./series.js";

const HEIGHT = 200;
const COLOURS = 8;
/** Values are said when the keys have rested as long. */
const SAID_MS = 300;
/** Lines of so few points show each of them. */
const FEW = 30;

export class Plot {
  #kind;
  #host;
  #canvas = el("div", { class: "plot-canvas" });
  #legend = el("ul", { class: "plot-legend" });
  #plot = null;
  #names = [];
  #colours = [];
  #gaps = [];
  #hidden = new Set();
  #view = null;
  #zoom = null;
  #data = null;
  #saying = null;

  /**
   * @param {{title: string, format: (value: number) => string, noLog?: boolean, top?: number}} kind
   * @param {{onZoom: (range: [number, number] | null) => void, sync: string}} shared
   */
  constructor(kind, { onZoom, sync }) {
    this.#kind = kind;
    this.shared = { onZoom, sync };
    const png = el(
      "button",
      { class: "button quiet small", type: "button", title: "Save as a picture", onclick: () => this.savePicture() },
      icon("export"),
      el("span", { class: "visually-hidden" }, `Save the plot of ${kind.title} as a picture`),
    );
    this.#canvas.tabIndex = 0;
    this.#canvas.setAttribute("role", "img");
    this.#canvas.addEventListener("keydown", (event) => this.#onKey(event));
    this.#host = el(
      "section",
      { class: "panel plot", "aria-label": kind.title },
      el("header", { class: "plot-head" }, el("h3", {}, kind.title), png),
      this.#canvas,
      this.#legend,
    );
    new ResizeObserver(() => this.#fit()).observe(this.#canvas);
  }

  get element() {
    return this.#host;
  }

  /**
   * Shows lines.
   *
   * @param {{label: string, xs: number[], ys: (number | null)[], parts: number[], colour?: number}[]} lines
   *   `colour` is the number of its colour, where that is not its place
   * @param {{smoothing: number, log: boolean, byTime: boolean, boundaries: {x: number, label: string}[],
   *   place: (x: number) => string}} view
   */
  show(lines, view) {
    const shown = lines.filter((line) => line.xs.length > 0);
    this.#host.hidden = shown.length === 0;
    if (shown.length === 0) return;
    const names = shown.map((line) => line.label);
    const same =
      this.#plot !== null && names.join() === this.#names.join() && sameKind(view, this.#view) && this.#view !== null;
    this.#names = names;
    this.#colours = shown.map((line, index) => line.colour ?? index);
    this.#gaps = shown.map(({ xs, parts }) => parts.slice(1).map((start) => [xs[start - 1], xs[start]]));
    this.#view = view;
    this.#data = this.#table(shown, view);
    if (same) {
      this.#plot.setData(this.#data, this.#zoom === null);
      this.#showValues();
    } else this.#rebuild();
    this.#describe();
  }

  /** Zooms to a range of the x axis, or back to all of it. */
  zoom(range) {
    this.#zoom = range;
    if (this.#plot === null || this.#host.hidden) return;
    const xs = this.#data[0];
    const [min, max] = range ?? [xs[0], xs.at(-1)];
    this.#plot.setScale("x", { min, max });
  }

  /** Draws anew, for other colours. */
  redraw() {
    if (this.#plot !== null) this.#rebuild();
  }

  /** Saves what is shown, with its title and legend. */
  savePicture() {
    const source = this.#plot.ctx.canvas;
    const ratio = source.width / this.#canvas.clientWidth;
    const picture = el("canvas", { width: source.width, height: source.height + 64 * ratio });
    const context = picture.getContext("2d");
    context.fillStyle = colour("--surface");
    context.fillRect(0, 0, picture.width, picture.height);
    context.drawImage(source, 0, 32 * ratio);
    context.font = `600 ${15 * ratio}px system-ui, sans-serif`;
    context.fillStyle = colour("--ink");
    context.fillText(`${this.#kind.title} · ${document.querySelector("h1").textContent}`, 12 * ratio, 22 * ratio);
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    let x = 12 * ratio;
    for (const [index, name] of this.#names.entries()) {
      context.fillStyle = lineColour(this.#colours[index]);
      context.fillText(`● ${name}`, x, picture.height - 12 * ratio);
      x += context.measureText(`● ${name}   `).width;
    }
    const link = el("a", { download: `${this.#kind.title.toLowerCase().replaceAll(/\W+/g, "-")}.png` });
    picture.toBlob((blob) => {
      link.href = URL.createObjectURL(blob);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  }

  /** All lines over their common axis; each twice where it is smoothed, the faint one first. */
  #table(lines, view) {
    const positive = (ys) => (view.log && !this.#kind.noLog ? ys.map((y) => (y > 0 ? y : null)) : ys);
    const tables = lines.map((line) => {
      const raw = positive(line.ys);
      if (view.smoothing === 0) return [line.xs, raw];
      // A few points are shown as they are: their mean would only lag behind.
      return [line.xs, raw, line.xs.length > FEW ? positive(smoothed(line, view.smoothing)) : raw];
    });
    return uPlot.join(tables);
  }

  #rebuild() {
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), this.#data, this.#canvas);
    this.#buildLegend();
    if (this.#zoom !== null) this.zoom(this.#zoom);
  }

  #options() {
    const { smoothing, log, byTime } = this.#view;
    const lines = this.#names.flatMap((name, index) => {
      const stroke = lineColour(this.#colours[index]);
      const line = {
        label: name,
        stroke,
        width: 1.75,
        show: !this.#hidden.has(name),
        points: { show: sparse },
        gaps: (plot) => this.#gapsOf(plot, index),
      };
      return smoothing > 0 ? [{ ...line, stroke: faint(stroke), width: 1, points: { show: false } }, line] : [line];
    });
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: AXIS_FONT,
    };
    const logarithmic = log && !this.#kind.noLog;
    const onAxis = this.#kind.onAxis ?? this.#kind.format;
    return {
      width: Math.max(this.#canvas.clientWidth, 200),
      height: HEIGHT,
      legend: { show: false },
      cursor: {
        sync: { key: this.shared.sync, scales: ["x", null], setSeries: false },
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => this.shared.onZoom(null) },
        points: { size: 7 },
      },
      scales: {
        x: { time: byTime },
        y: logarithmic ? { distr: 3 } : { range: (_, min, max) => this.#range(min, max) },
      },
      axes: [
        { ...axis, values: (_, splits) => splits.map(byTime ? timeOfDay(splits) : short), space: 60, size: 28 },
        {
          ...axis,
          size: 56,
          values: (_, splits) => splits.map((value) => (value === null ? "" : onAxis(value))),
        },
      ],
      series: [{}, ...lines],
      hooks: {
        setCursor: [() => this.#showValues()],
        setSelect: [(plot) => this.#select(plot)],
        drawAxes: [(plot) => this.#drawBoundaries(plot)],
      },
    };
  }

  #range(min, max) {
    if (min === null || max === null) return [0, 1];
    if (this.#kind.top) return [0, Math.max(this.#kind.top, max)];
    const margin = (max - min || Math.abs(max) || 1) * 0.08;
    return [min >= 0 && min - margin < 0 ? 0 : min - margin, max + margin];
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const range = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.shared.onZoom(range);
  }

  /** Nothing joins the end of a phase with the beginning of the next. */
  #gapsOf(plot, index) {
    return this.#gaps[index].map(([from, to]) => [plot.valToPos(from, "x", true), plot.valToPos(to, "x", true)]);
  }

  #drawBoundaries({ ctx, bbox, valToPos, scales }) {
    ctx.save();
    ctx.strokeStyle = colour("--field-line");
    ctx.fillStyle = colour("--muted");
    ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    let free = 0;
    for (const { x, label } of this.#view.boundaries) {
      if (x < scales.x.min || x > scales.x.max) continue;
      const left = Math.round(valToPos(x, "x", true));
      ctx.beginPath();
      ctx.moveTo(left, bbox.top);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.stroke();
      // Where phases are short, the first one's name alone has room.
      const end = left + 4 * devicePixelRatio + ctx.measureText(label).width;
      if (left < free || end > bbox.left + bbox.width) continue;
      ctx.fillText(label, left + 4 * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
      free = end;
    }
    ctx.restore();
  }

  #buildLegend() {
    this.#legend.replaceChildren(
      el("li", { class: "plot-place hint" }),
      ...this.#names.map((name, index) => {
        const swatch = el("span", { class: "swatch" });
        swatch.style.backgroundColor = lineColour(this.#colours[index]);
        const button = el(
          "button",
          {
            type: "button",
            class: "legend-button",
            "aria-pressed": String(!this.#hidden.has(name)),
            onclick: () => this.#toggle(name, button),
          },
          swatch,
          el("span", {}, name),
          el("strong", { class: "legend-value" }),
        );
        return el("li", {}, button);
      }),
    );
    this.#showValues();
  }

  #toggle(name, button) {
    const show = this.#hidden.delete(name) || (this.#hidden.add(name), false);
    button.setAttribute("aria-pressed", String(show));
    for (const index of this.#seriesOf(this.#names.indexOf(name))) this.#plot.setSeries(index, { show });
  }

  /** The numbers of a line in the plot's table; the last is the one to read. */
  #seriesOf(index) {
    return this.#view.smoothing > 0 ? [2 * index + 1, 2 * index + 2] : [index + 1];
  }

  /** The values under the cursor, or the newest ones. */
  #showValues() {
    if (this.#plot === null) return;
    const at = this.#plot.cursor.idx;
    const values = [...this.#legend.querySelectorAll(".legend-value")];
    for (const [index, element] of values.entries()) {
      const ys = this.#data[this.#seriesOf(index)[0]];
      const value = at === null || at === undefined ? newest(ys, ys.length - 1) : newest(ys, at);
      element.textContent = value === null ? "" : this.#kind.format(value);
    }
    const place = this.#legend.querySelector(".plot-place");
    place.textContent = at === null || at === undefined ? "newest" : this.#view.place(this.#data[0][at]);
  }

  /** What the plot shows, for those who do not see it. */
  #describe() {
    const texts = this.#names.map((name, index) => {
      const ys = this.#data[this.#seriesOf(index).at(-1)].filter((value) => value !== null && value !== undefined);
      if (ys.length === 0) return name;
      return `${name}: from ${this.#kind.format(ys[0])} to ${this.#kind.format(ys.at(-1))}`;
    });
    this.#canvas.setAttribute(
      "aria-label",
      `${this.#kind.title}. ${texts.join("; ")}. Arrow keys read values, plus and minus zoom.`,
    );
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = this.#plot.scales.x;
    const middle = (min + max) / 2;
    const zoomed = (factor) =>
      this.shared.onZoom([middle - ((max - min) * factor) / 2, middle + ((max - min) * factor) / 2]);
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in moves) this.#moveCursor(moves[event.key] * (event.shiftKey ? 10 : 1));
    else if (event.key === "+" || event.key === "=") zoomed(0.5);
    else if (event.key === "-") zoomed(2);
    else if (event.key === "0" || event.key === "Escape") this.shared.onZoom(null);
    else return;
    event.preventDefault();
  }

  #moveCursor(step) {
    const xs = this.#data[0];
    const from = this.#plot.cursor.idx ?? xs.length - 1;
    const to = Math.min(Math.max(from + step, 0), xs.length - 1);
    this.#plot.setCursor({ left: this.#plot.valToPos(xs[to], "x"), top: HEIGHT / 3 });
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => this.#sayValues(), SAID_MS);
  }

  /** What the legend shows of the lines that are shown, for screen readers. */
  #sayValues() {
    const lines = [...this.#legend.querySelectorAll(".legend-button[aria-pressed='true']")];
    const values = lines.map(({ children: [, name, value] }) => `${name.textContent} ${value.textContent}`);
    const place = this.#legend.querySelector(".plot-place").textContent;
    document.getElementById("announcer").textContent = `${place}: ${values.join(", ")}`;
  }

  #fit() {
    const width = this.#canvas.clientWidth;
    if (this.#plot !== null && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }
}

const AXIS_FONT = "11px system-ui, sans-serif";

/** Points are shown where there are so few that lines alone would hide them. */
const sparse = (plot, series) =>
  plot.data[series].filter((value) => value !== null && value !== undefined).length <= FEW;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const lineColour = (index) => colour(`--plot-${(index % COLOURS) + 1}`);
const faint = (hex) => `${hex}55`;

/** What makes another drawing necessary rather than other data. */
const sameKind = (one, other) =>
  one.log === other?.log && one.byTime === other.byTime && one.smoothing > 0 === other.smoothing > 0;

/** The last value at or before a place. */
function newest(ys, at) {
  for (let index = Math.min(at, ys.length - 1); index >= 0; index -= 1) {
    if (ys[index] !== null && ys[index] !== undefined) return ys[index];
  }
  return null;
}

/** `14:05`, and the day as well where the axis spans more than one. */
function timeOfDay(splits) {
  const day = (seconds) => new Date(seconds * 1000).toLocaleDateString("en", { day: "numeric", month: "short" });
  const several = day(splits[0]) !== day(splits.at(-1));
  const clock = (seconds) =>
    new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return (seconds, index) => {
    if (!several) return clock(seconds);
    return index === 0 || day(seconds) !== day(splits[index - 1])
      ? `${day(seconds)} ${clock(seconds)}`
      : clock(seconds);
  };
}

/** `12k` for 12,000. */
function short(value) {
  if (value === null) return "";
  return Math.abs(value) >= 10_000 ? `${Number((value / 1000).toFixed(1))}k` : value.toLocaleString("en");
}
