// The plots of one run.

import { get, jobPath } from "./api.js";
import { PlotBoard } from "./plot-board.js";
import { kindsOf, nameText } from "./plot-kinds.js";
import { Series } from "./series.js";
import { showToast } from "../toast.js";
import { count, moment } from "./words.js";

const POINTS = 600;
const DEVICE_MS = 5000;
const MEASUREMENTS = ["cpu_percent", "memory_bytes", "gpu_percent", "gpu_memory_bytes"];

export class RunPlots {
  #series = new Series();
  #loading = false;
  #measured = Date.now();

  constructor(job) {
    this.job = job;
    this.board = new PlotBoard((controls) => this.#compose(controls));
  }

  async load() {
    if (this.#loading) return;
    this.#loading = true;
    try {
      const { series } = await get(jobPath(this.job.id, `/series?points=${POINTS}`));
      this.#series.load(series);
      this.#show();
    } catch (error) {
      showToast(error.message);
    } finally {
      this.#loading = false;
    }
  }

  /** Measurements of the machine are no events: the server is asked for them, now and then. */
  look(job) {
    const phases = job.phases.length !== this.job.phases.length;
    this.job = job;
    if (phases) this.board.drawSoon();
    if (job.state !== "running" || Date.now() - this.#measured < DEVICE_MS) return;
    this.#measured = Date.now();
    this.#loadMeasurements();
  }

  async #loadMeasurements() {
    try {
      const { series } = await get(jobPath(this.job.id, `/series?points=${POINTS}&names=${MEASUREMENTS.join(",")}`));
      this.#series.merge(series);
      this.board.drawSoon();
    } catch {
      // The next time may go better.
    }
  }

  take(event) {
    if (!this.#series.addEvent(event)) return;
    if (this.#series.overflows) this.load();
    this.board.drawSoon();
    document.getElementById("no-plots").hidden = true;
  }

  #show() {
    this.board.offerPhases([
      { value: "", text: "all" },
      ...this.job.phases.filter(({ selected }) => selected).map(({ name }) => ({ value: name, text: name })),
    ]);
    document.getElementById("no-plots").hidden = this.board.draw();
  }

  /** Photos of a features phase are no iterations: beside others it is shown over time only. */
  #shownPhases(only, byTime) {
    const chosen = this.job.phases.filter(({ name, selected }) => selected && (only === "" || name === only));
    const training = chosen.filter(({ step }) => step !== "features");
    return byTime || !training.some(({ iteration }) => iteration > 0) ? chosen : training;
  }

  #compose({ phase, byTime }) {
    const phases = onOneAxis(this.#shownPhases(phase, byTime));
    return kindsOf(this.#series.names).map((kind) => {
      const lines = kind.names.map((name) => ({
        label: nameText(name),
        ...this.#series.line(name, { phases, byTime }),
      }));
      const boundaries =
        byTime || phases.length < 2 ? [] : phases.map(({ start, name }) => ({ x: start, label: name }));
      return {
        kind,
        lines,
        view: {
          boundaries: boundaries.filter(({ x }) => within(x, lines)),
          place: (x) => placeText(x, phases, byTime),
        },
      };
    });
  }
}

/** The phases one after the other, each beginning where the one before ends. */
function onOneAxis(phases) {
  let start = 0;
  return phases.map(({ name, iterations }) => {
    const placed = { name, start, iterations };
    start += iterations;
    return placed;
  });
}

/** Only phases that the plot has figures near are worth a line in it. */
function within(x, lines) {
  const used = lines.filter(({ xs }) => xs.length > 0);
  return used.some(({ xs }) => xs[0] <= x + 1 && x <= xs.at(-1));
}

function placeText(x, phases, byTime) {
  if (byTime) return moment(x);
  const phase = phases.findLast(({ start }) => start < x) ?? phases[0];
  return phase ? `${phase.name}, iteration ${count(x - phase.start)}` : "";
}
