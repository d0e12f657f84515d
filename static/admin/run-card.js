// A run in a list: what it is, how far it is, and the way to it.

import { el, setText } from "./dom.js";
import { refreshTimes } from "../relative-time.js";
import {
  currentPhase,
  duration,
  hasEnded,
  hundredfold,
  isJudging,
  leftText,
  phaseShare,
  phaseText,
  share,
  stateText,
  timeElement,
} from "./words.js";

/** The list of runs; keeps the elements of runs that stay, with what is selected in them. */
export class RunList {
  #list;
  #cards = new Map();

  /** @param {{onPick?: (ids: string[]) => void}} [options] with `onPick`, runs of training can be selected */
  constructor(list, { onPick } = {}) {
    this.#list = list;
    this.onPick = onPick;
  }

  show(jobs) {
    this.#list.removeAttribute("aria-busy");
    const ids = new Set(jobs.map((job) => job.id));
    for (const [id, card] of this.#cards) {
      if (ids.has(id)) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    let before = this.#list.firstElementChild;
    for (const job of jobs) {
      const card = this.#cards.get(job.id) ?? new RunCard(job, this.onPick && (() => this.onPick(this.picked)));
      this.#cards.set(job.id, card);
      card.show(job);
      if (card.element === before) before = before.nextElementSibling;
      else this.#list.insertBefore(card.element, before);
    }
  }

  /** The ids of the selected runs, from top to bottom. */
  get picked() {
    return [...this.#list.querySelectorAll("input:checked")].map((input) => input.value);
  }
}

class RunCard {
  constructor(job, onPick) {
    this.link = el("a", { class: "run-link", href: `/admin/runs/${encodeURIComponent(job.id)}` });
    this.badge = el("span", { class: "badge" });
    this.about = el("p", { class: "hint" });
    this.bar = el("progress", { max: 1, value: 0, "aria-label": `Progress of ${job.name}` });
    this.now = el("p", { class: "run-now" });
    this.best = el("span");
    this.newest = el("span", { class: "hint" });
    this.score = el("p", { class: "run-score" }, this.best, this.newest);
    this.element = el(
      "li",
      { class: "panel run-card", "data-job": job.id },
      onPick && pickBox(job, onPick),
      el("div", { class: "run-name" }, el("h3", {}, this.link), this.badge, this.about),
      el("div", { class: "run-progress" }, this.bar, this.now),
      this.score,
    );
  }

  show(job) {
    this.element.dataset.state = job.state;
    setText(this.link, job.name);
    showBadge(this.badge, job.state);
    const time = job.ended_at ?? job.started_at ?? job.created_at;
    if (this.time !== time) {
      this.time = time;
      this.about.replaceChildren(`${job.kind === "evaluate" ? "evaluation" : job.recipe} · `, timeElement(time));
      refreshTimes(this.about);
    }
    const phase = currentPhase(job);
    this.bar.value = share(job) ?? (phase ? phaseShare(phase) : 0);
    this.bar.hidden = job.state === "queued" || job.state === "completed";
    setText(this.now, nowText(job));
    this.#showScore(job);
  }

  /** A run by its best, and beside it where it is now; the evaluations of one job are of one model. */
  #showScore({ kind, best_cider: best, newest_cider: newest }) {
    this.score.hidden = newest === null || newest === undefined;
    if (this.score.hidden) return;
    const [shown, beside] = kind === "train" ? [best, newest].map(hundredfold) : [hundredfold(newest)];
    setText(this.best, `CIDEr-D ${shown}`);
    setText(this.newest, beside === undefined || beside === shown ? "" : `newest ${beside}`);
  }
}

/** A box to select a run; evaluations have no plots to compare, and an empty place instead. */
function pickBox(job, onPick) {
  if (job.kind !== "train") return el("span", { class: "pick-run" });
  return el(
    "label",
    { class: "pick-run" },
    el("input", { type: "checkbox", value: job.id, onchange: onPick }),
    el("span", { class: "visually-hidden" }, `Select ${job.name}`),
  );
}

/** A state as a coloured word. */
export function showBadge(badge, state) {
  badge.dataset.state = state;
  setText(badge, stateText(state));
}

/** What a run does, in a line. */
export function nowText(job) {
  if (job.state === "queued")
    return job.queue_position ? `number ${job.queue_position} in the queue` : "waits for its turn";
  if (job.state === "completed") return `took ${duration(worked(job))}`;
  if (hasEnded(job)) return [job.started_at && phaseText(job), job.reason?.text].filter(Boolean).join(" · ");
  if (isJudging(job)) return "judges the captions";
  const left = job.progress ? leftText(job) : "starting";
  return [phaseText(job), job.state === "stopping" ? "saving" : left].filter(Boolean).join(" · ");
}

/** Seconds of work of all processes; runs from before that was counted know the last one's. */
function worked({ worked_seconds: seconds, started_at: started, ended_at: ended }) {
  return seconds > 0 ? seconds : (Date.parse(ended) - Date.parse(started)) / 1000;
}
