// A run in a list: what it is, how far it is, and the way to it.

import { el, setText } from "./dom.js";
import { refreshTimes } from "../relative-time.js";
import { currentPhase, duration, hasEnded, hundredfold, isJudging, share, stateText, timeElement } from "./words.js";

/** The list of runs; keeps the elements of runs that stay, with what is selected in them. */
export class RunList {
  #list;
  #cards = new Map();

  /** @param {{onPick?: (ids: string[]) => void}} [options] with `onPick`, runs can be selected */
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
    this.score = el("p", { class: "run-score" });
    const pick =
      onPick &&
      el(
        "label",
        { class: "pick-run" },
        el("input", { type: "checkbox", value: job.id, onchange: onPick }),
        el("span", { class: "visually-hidden" }, `Select ${job.name}`),
      );
    this.element = el(
      "li",
      { class: "panel run-card", "data-job": job.id },
      pick,
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
    this.bar.value = share(job);
    this.bar.hidden = job.state === "queued" || job.state === "completed";
    setText(this.now, nowText(job));
    setText(
      this.score,
      job.newest_cider === null || job.newest_cider === undefined ? "" : `CIDEr-D ${hundredfold(job.newest_cider)}`,
    );
    this.score.title =
      job.best_cider === null || job.best_cider === undefined ? "" : `best ${hundredfold(job.best_cider)}`;
  }
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
  const phase = currentPhase(job);
  const percent = `${Math.floor(100 * share(job))} %`;
  if (job.state === "completed")
    return `took ${duration((Date.parse(job.ended_at) - Date.parse(job.started_at)) / 1000)}`;
  if (hasEnded(job)) return [percent, phase?.name, job.reason?.text].filter(Boolean).join(" · ");
  if (isJudging(job)) return "judges the captions";
  const left = job.progress ? `${duration(job.progress.seconds_left)} left in this phase` : "starting";
  return [percent, phase?.name, job.state === "stopping" ? "saving" : left].filter(Boolean).join(" · ");
}
