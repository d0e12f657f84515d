// The phases as steps with their states, and what happens now.

import { el, setText } from "./dom.js";
import { stepText } from "./recipe-form.js";
import {
  count,
  currentPhase,
  figure,
  hasEnded,
  isJudging,
  leftText,
  phaseShare,
  phaseText,
  share,
  stateText,
} from "./words.js";

const steps = document.getElementById("steps");
const bar = document.getElementById("progress");
const now = document.getElementById("now");

export function showSteps(job) {
  if (steps.childElementCount !== job.phases.length) {
    steps.replaceChildren(
      ...job.phases.map((phase) =>
        el(
          "li",
          { class: "step", "data-phase": phase.name },
          el("span", { class: "step-mark", "aria-hidden": "true" }),
          el("span", { class: "step-name", title: stepText(phase.step) }, phase.name),
          el("span", { class: "step-state hint" }),
        ),
      ),
    );
  }
  for (const [index, phase] of job.phases.entries()) {
    const step = steps.children[index];
    step.dataset.state = phase.selected ? phase.state : "left-out";
    if (phase.state === "running") step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
    setText(step.querySelector(".step-state"), stepState(phase));
  }
  const phase = currentPhase(job);
  // Of the whole job where that is known; else of the phase, as the words beside it.
  bar.value = share(job) ?? (phase ? phaseShare(phase) : 0);
  setText(now, nowText(job));
}

function stepState(phase) {
  if (!phase.selected) return "left out";
  if (phase.state === "running" && phase.iterations > 0) return `${Math.floor(100 * phaseShare(phase))} %`;
  return stateText(phase.state).toLowerCase();
}

function nowText(job) {
  if (job.state === "queued")
    return job.queue_position ? `Number ${job.queue_position} in the queue.` : "Waits for its turn.";
  if (job.state === "completed") return "Everything is done.";
  if (!job.started_at) return "It has not begun.";
  if (hasEnded(job)) return [phaseText(job), ofTheWhole(job)].filter(Boolean).join(" · ");
  const phase = currentPhase(job);
  const { progress } = job;
  if (!progress || progress.phase !== phase?.name) return `${phase?.name ?? ""} is being prepared`;
  if (isJudging(job)) return "The captions are judged.";
  const ofPhotos = phase.step === "features" || phase.step === "evaluation";
  const epoch = phase.epochs > 0 && !ofPhotos ? `epoch ${progress.epoch + 1} of ${phase.epochs}` : null;
  return [
    phaseText(job),
    epoch,
    `${ofPhotos ? "photo" : "iteration"} ${count(progress.iteration)} of ${count(progress.iterations)}`,
    `${figure(Number(progress.per_second.toPrecision(3)))} ${ofPhotos ? "photos" : "captions"}/s`,
    job.state === "stopping" ? "saving" : leftText(job),
    ofTheWhole(job),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** `about 42 % of the whole`, where that is known and more than one phase is run. */
function ofTheWhole(job) {
  const whole = share(job);
  const phases = job.phases.filter((phase) => phase.selected).length;
  return whole === null || phases < 2 ? null : `about ${Math.floor(100 * whole)} % of the whole`;
}
