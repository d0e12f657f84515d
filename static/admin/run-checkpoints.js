// The checkpoints of a run: download, evaluate, put into service, take back.

import { address, checkpointPath, get, jobPath, post } from "./api.js";
import { ordered } from "./checkpoint-order.js";
import { confirmed, el, replaceKeepingFocus } from "./dom.js";
import { refreshTimes } from "../relative-time.js";
import { showToast } from "../toast.js";
import { count, hundredfold, size, timeElement } from "./words.js";

/** What was in service before, kept for as long as the tab is open. */
const BEFORE = "model-before";

export class Checkpoints {
  #list = document.getElementById("checkpoints");
  #taken = document.getElementById("taken");
  #timer = null;

  constructor(job) {
    this.job = job;
  }

  look(job) {
    if (job.state !== this.job.state) this.#loadSoon();
    this.job = job;
  }

  take(event) {
    if (event.event === "checkpoint" || event.event === "finished") this.#loadSoon();
  }

  async load() {
    try {
      const { checkpoints } = await get(jobPath(this.job.id, "/checkpoints"));
      document.getElementById("no-checkpoints").hidden = checkpoints.length > 0;
      const { first, others } = ordered(checkpoints);
      const open = this.#list.querySelector("details")?.open ?? false;
      const elements = first.map((checkpoint) => this.#element(checkpoint));
      if (others.length > 0) elements.push(this.#folded(others, open));
      replaceKeepingFocus(this.#list, ...elements);
      refreshTimes(this.#list);
      this.#showTaken(checkpoints.find((checkpoint) => checkpoint.in_service));
    } catch (error) {
      showToast(error.message);
    }
  }

  #loadSoon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.load();
    }, 1000);
  }

  #folded(others, open) {
    const list = el(
      "ul",
      { class: "checkpoint-list" },
      others.map((checkpoint) => this.#element(checkpoint)),
    );
    return el("li", {}, el("details", { open }, el("summary", {}, `${others.length} more`), list));
  }

  #element(checkpoint) {
    const { phase, name, iteration, best, cider, bytes, saved_at: savedAt, servable } = checkpoint;
    const about = el(
      "p",
      { class: "hint" },
      [
        `step ${count(iteration)}`,
        cider === null || cider === undefined ? null : `CIDEr-D ${hundredfold(cider)}`,
        size(bytes),
      ]
        .filter(Boolean)
        .join(" · "),
      " · ",
      timeElement(savedAt),
    );
    return el(
      "li",
      { class: "panel checkpoint" },
      el(
        "div",
        {},
        el("h3", {}, `${phase}`, el("span", { class: "checkpoint-name" }, ` ${name}`)),
        best ? el("span", { class: "badge", "data-state": "completed" }, "best") : null,
        about,
      ),
      servable ? this.#uses(checkpoint) : el("p", { class: "hint" }, "Of captions alone: later phases begin with it."),
    );
  }

  /** What can be done with a checkpoint that gives a model. */
  #uses(checkpoint) {
    const { phase, name, in_service: inService } = checkpoint;
    const evaluate = `/admin/evaluate?checkpoint=${encodeURIComponent([this.job.id, phase, name].join("/"))}`;
    const named = (text) => [text, el("span", { class: "visually-hidden" }, ` ${phase} ${name}`)];
    const serve = el(
      "button",
      { class: "button strong small", type: "button", "data-activate": `${phase}/${name}`, disabled: inService },
      named(inService ? "In service" : "Put into service"),
    );
    serve.addEventListener("click", () => this.#activate(checkpoint, serve));
    return el(
      "div",
      { class: "row" },
      el(
        "a",
        { class: "button small", href: address(checkpointPath(this.job.id, checkpoint, "download")), download: "" },
        named("Download"),
      ),
      el("a", { class: "button small", href: evaluate }, named("Evaluate")),
      serve,
    );
  }

  async #activate(checkpoint, button) {
    const question = {
      title: "Put into service?",
      text: `${checkpoint.phase} ${checkpoint.name} captions photos for everybody from then on. No request is dropped, and it can be taken back.`,
      action: "Put into service",
      danger: false,
    };
    if (button.ariaDisabled === "true" || !(await confirmed(question))) return;
    const rest = showLoading(button);
    try {
      const { active, previous } = await post(checkpointPath(this.job.id, checkpoint, "activate"));
      sessionStorage.setItem(BEFORE, JSON.stringify({ active: active.id, previous }));
    } catch (error) {
      showToast(error.message);
    }
    await this.load();
    rest();
    document.getElementById("take-back")?.focus();
  }

  /** Says what is in service, and offers what was before. */
  #showTaken(checkpoint) {
    this.#taken.hidden = !checkpoint;
    if (!checkpoint) return;
    const before = JSON.parse(sessionStorage.getItem(BEFORE) ?? "null");
    const words = el(
      "span",
      {},
      `${checkpoint.phase} ${checkpoint.name} captions photos now. `,
      el("a", { href: "/" }, "Try it"),
      ".",
    );
    const back =
      before?.previous?.length > 0
        ? el(
            "button",
            {
              class: "button small",
              type: "button",
              id: "take-back",
              onclick: ({ currentTarget }) => this.#takeBack(before.previous, currentTarget),
            },
            `Take it back: ${before.previous.join(" + ")}`,
          )
        : el("a", { class: "button small", href: "/admin/models" }, "Other models");
    replaceKeepingFocus(this.#taken, words, back);
  }

  async #takeBack(models, button) {
    if (button.ariaDisabled === "true") return;
    const rest = showLoading(button);
    try {
      const { active } = await post("/models/activate", { models });
      sessionStorage.removeItem(BEFORE);
      showToast(`${active.id} captions photos again.`);
    } catch (error) {
      showToast(error.message);
    }
    await this.load();
    rest();
    // The button is gone with the notice, and the focus with it.
    if (this.#taken.hidden) document.getElementById("checkpoints-title").focus();
  }
}

/** Lets a button wait for a model; gives what ends that, for where the button is still there. */
function showLoading(button) {
  const words = [...button.childNodes];
  // Not `disabled`, which would lose the focus.
  button.setAttribute("aria-disabled", "true");
  button.textContent = "Loading…";
  return () => {
    button.removeAttribute("aria-disabled");
    button.replaceChildren(...words);
  };
}
