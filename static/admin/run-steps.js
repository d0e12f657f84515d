// The phases as steps with their states, and what happens now.

import { el, setText } from "./dom.js";
import { stepText } from "./recipe-form.js";
import { count, currentPhase, duration, figure, hasEnded, isJudging, share, stateText } from "./words.js";

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
  bar.value = job.state === "completed" ? 1 : share(job);
  setText(now, nowText(job));
}

function stepState(phase) {
  if (!phase.selected) return "left out";
  if (phase.state === "running" && phase.iterations > 0)
    return `${Math.floor((100 * phase.iteration) / phase.iterations)} %`;
  return stateText(phase.state).toLowerCase();
}

function nowText(job) {
  if (job.state === "queued")
    return job.queue_position ? `Number ${job.queue_position} in the queue.` : "Waits for its turn.";
  const percent = `${(100 * share(job)).toFixed(1)} % of the run`;
  if (job.state === "completed") return "Everything is done.";
  if (hasEnded(job)) return percent;
  const phase = currentPhase(job);
  const { progress } = job;
  if (!progress || progress.phase !== phase?.name) return `${percent} · ${phase?.name ?? ""} is being prepared`;
  if (isJudging(job)) return "The captions are judged.";
  const ofPhotos = phase.step === "features" || phase.step === "evaluation";
  const epoch = phase.epochs > 0 && !ofPhotos ? `epoch ${progress.epoch + 1} of ${phase.epochs}` : null;
  return [
    percent,
    phase.name,
    epoch,
    `${ofPhotos ? "photo" : "iteration"} ${count(progress.iteration)} of ${count(progress.iterations)}`,
    `${figure(Number(progress.per_second.toPrecision(3)))} ${ofPhotos ? "photos" : "captions"}/s`,
    job.state === "stopping" ? "saving" : `${duration(progress.seconds_left)} left in this phase`,
  ]
    .filter(Boolean)
    .join(" · ");
}
