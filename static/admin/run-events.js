// What the run told, and the end of its log file, with search.

import { get, jobPath } from "./api.js";
import { el } from "./dom.js";
import { count, figure, hasEnded, hundredfold, moment } from "./words.js";

const MILESTONES = ["started", "evaluation", "checkpoint", "warning", "log", "finished"];
/** Lines that are kept on the page. */
const MOST_LINES = 500;
/** The newest so many are searched as they are shown here; all of them as they were written. */
const MOST_SEARCHED = 2000;
const LOG_MS = 4000;

export class EventLog {
  #list = document.getElementById("events");
  #kind = document.getElementById("event-kind");
  #query = document.getElementById("event-query");
  #timer = null;
  #ended = false;
  #asked = 0;

  constructor(id) {
    this.id = id;
    this.#kind.addEventListener("change", () => this.load());
    this.#query.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.load(), 300);
    });
    document.getElementById("event-search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.load();
    });
  }

  look(job) {
    this.#ended = hasEnded(job);
  }

  async load() {
    clearTimeout(this.#timer);
    const turn = ++this.#asked;
    try {
      const lines = this.#kind.value === "log" ? await this.#logLines() : await this.#eventLines();
      if (turn !== this.#asked) return;
      const atEnd = this.#isAtEnd();
      this.#list.replaceChildren(...lines);
      if (lines.length === 0)
        this.#list.append(el("p", { class: "hint" }, this.#query.value ? "Nothing matches." : "Nothing yet."));
      if (atEnd) this.#scrollToEnd();
    } catch (error) {
      this.#list.replaceChildren(el("p", { class: "hint" }, error.message));
    }
    if (this.#kind.value === "log" && !this.#ended) this.#timer = setTimeout(() => this.load(), LOG_MS);
  }

  take(event) {
    if (this.#kind.value === "log" || this.#query.value !== "") return;
    if (this.#kind.value === "milestones" && !MILESTONES.includes(event.event)) return;
    const atEnd = this.#isAtEnd();
    this.#list.querySelector("p.hint")?.remove();
    this.#list.append(eventLine(event));
    while (this.#list.childElementCount > MOST_LINES) this.#list.firstElementChild.remove();
    if (atEnd) this.#scrollToEnd();
  }

  async #logLines() {
    const { lines } = await get(jobPath(this.id, `/log?lines=300&search=${this.#search()}`));
    return lines.map((line) => el("p", { class: "log-line" }, line));
  }

  async #eventLines() {
    const kinds = this.#kind.value === "milestones" ? `&kind=${MILESTONES.join(",")}` : "";
    const ask = async (query) => (await get(jobPath(this.id, `/events?newest=true${kinds}${query}`))).events;
    const query = this.#query.value.trim().toLowerCase();
    if (query === "") return (await ask(`&limit=${MOST_LINES}`)).map(eventLine);
    const [found, newest] = await Promise.all([
      ask(`&limit=${MOST_LINES}&search=${this.#search()}`),
      ask(`&limit=${MOST_SEARCHED}`),
    ]);
    const known = new Set(found.map(({ sequence }) => sequence));
    const shown = newest.filter((event) => !known.has(event.sequence) && shownText(event).includes(query));
    const events = [...found, ...shown].sort((one, other) => one.sequence - other.sequence);
    return events.slice(-MOST_LINES).map(eventLine);
  }

  #search() {
    return encodeURIComponent(this.#query.value.trim());
  }

  #isAtEnd() {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
  }

  #scrollToEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function eventLine(event) {
  return el(
    "p",
    { class: `event-line of-${event.event}` },
    el("time", { datetime: isoTime(event.time) }, moment(event.time)),
    el("span", { class: "event-name" }, event.event),
    el("span", {}, eventText(event)),
  );
}

/** None where the event has no time. */
const isoTime = (seconds) => (Number.isFinite(seconds) ? new Date(seconds * 1000).toISOString() : null);

/** A line as it is read, for the search. */
const shownText = (event) => `${moment(event.time)} ${event.event} ${eventText(event)}`.toLowerCase();

function eventText(event) {
  const at = event.iteration === undefined ? "" : ` at ${count(event.iteration)}`;
  switch (event.event) {
    case "started":
      return `${event.phase}: from ${count(event.iteration)} of ${count(event.iterations)} on ${event.device}`;
    case "progress":
      return `${event.phase}: ${count(event.iteration)} of ${count(event.iterations)}, ${figure(Number(event.per_second.toPrecision(3)))} a second`;
    case "metric":
      return `${event.phase}${at}: ${event.name} ${figure(event.value)}`;
    case "sample":
      return `${event.phase}${at}: image ${event.image}: ${event.caption}`;
    case "evaluation":
      return `${event.phase}${at}: ${Object.entries(event.metrics)
        .map(([name, value]) => `${name} ${hundredfold(value)}`)
        .join(", ")} (${count(event.images)} photos)`;
    case "checkpoint":
      return `${event.phase}${at}: ${event.path}${event.best ? ", the best so far" : ""}`;
    case "finished":
      return `${event.phase}: ${event.reason}`;
    default:
      return event.message ?? "";
  }
}
