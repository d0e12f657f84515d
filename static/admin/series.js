// The points of a job's plots: as the server sent them, and what came since.

/** Beyond as many in one line the server is asked again, which thins them out. */
const MOST_POINTS = 2000;

/** A point's parts, as the server orders them. */
const ITERATION = 0;
const TIME = 1;
const VALUE = 2;

export class Series {
  /** Phase and name, to points by time. */
  #lines = new Map();

  /** @param {{phase: string, name: string, points: number[][]}[]} series */
  load(series) {
    this.#lines.clear();
    this.merge(series);
  }

  /** Adds what is newer than what is there. */
  merge(series) {
    for (const { phase, name, points } of series) {
      for (const point of points) this.add(phase, name, point);
    }
  }

  /**
   * Adds a point, unless it is there already. A run that went on from an earlier checkpoint does iterations again:
   * what they gave before goes.
   */
  add(phase, name, point) {
    const key = `${phase} ${name}`;
    const line = this.#lines.get(key) ?? { phase, name, points: [] };
    this.#lines.set(key, line);
    const { points } = line;
    if (points.length > 0 && point[TIME] <= points.at(-1)[TIME]) return;
    while (points.length > 0 && points.at(-1)[ITERATION] >= point[ITERATION] && !isOfDevice(name)) points.pop();
    points.push(point);
  }

  /** Takes in what an event tells. True where a plot may have changed. */
  addEvent(event) {
    const point = (value) => [event.iteration, event.time, value, value, value];
    switch (event.event) {
      case "metric":
        this.add(event.phase, event.name, point(event.value));
        return true;
      case "progress":
        this.add(event.phase, "per_second", point(event.per_second));
        return true;
      case "evaluation":
        for (const [name, value] of Object.entries(event.metrics)) this.add(event.phase, name, point(value));
        return true;
      default:
        return false;
    }
  }

  /** Whether it is time to ask the server for fewer points. */
  get overflows() {
    return [...this.#lines.values()].some(({ points }) => points.length > MOST_POINTS);
  }

  /** The names that there are, in the order of their first points. */
  get names() {
    return [...new Set([...this.#lines.values()].map(({ name }) => name))];
  }

  /**
   * A name's line over phases: `xs` and `ys`, and the places where each phase's part begins.
   *
   * @param {string} name
   * @param {{phases: {name: string, start: number}[], byTime: boolean}} view the phases to show, in order, and the
   *   iteration on the common axis that each begins at
   */
  line(name, { phases, byTime }) {
    const xs = [];
    const ys = [];
    const parts = [];
    for (const { name: phase, start } of phases) {
      const points = this.#lines.get(`${phase} ${name}`)?.points ?? [];
      if (points.length === 0) continue;
      const at = (point) => (byTime ? point[TIME] : start + point[ITERATION]);
      parts.push(xs.length);
      for (const point of points) {
        // Strictly rising, as the plot wants it: the device is measured more often than an iteration ends.
        if (xs.length > 0 && at(point) <= xs.at(-1)) continue;
        xs.push(at(point));
        ys.push(point[VALUE]);
      }
    }
    return { xs, ys, parts };
  }

  /** The newest value of a name in these phases, or null. */
  newest(name, phases) {
    const lines = phases.map((phase) => this.#lines.get(`${phase.name} ${name}`)).filter((line) => line?.points.length);
    const last = lines
      .map((line) => line.points.at(-1))
      .sort((a, b) => a[TIME] - b[TIME])
      .at(-1);
    return last ? last[VALUE] : null;
  }
}

/** The exponential mean of each part of a line, without the pull of the beginning to zero. */
export function smoothed({ ys, parts }, weight) {
  if (weight <= 0) return ys;
  const starts = new Set(parts);
  let sum = 0;
  let share = 0;
  return ys.map((value, index) => {
    if (starts.has(index)) sum = share = 0;
    sum = sum * weight + (1 - weight) * value;
    share = share * weight + (1 - weight);
    return sum / share;
  });
}

/** What is measured of the machine goes on whatever the iteration. */
const isOfDevice = (name) => /_(percent|bytes)$/.test(name);
