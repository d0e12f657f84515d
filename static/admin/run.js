// The entry of a run's page: gets the job, wires the parts, and follows what happens.

import { get, jobPath } from "./api.js";
import { connectionAfter, showConnection } from "./connection.js";
import { el, setText } from "./dom.js";
import { evaluationElements, fileElements, judgedElements } from "./evaluation-table.js";
import { follow } from "./live.js";
import { showActions } from "./run-actions.js";
import { showBadge } from "./run-card.js";
import { Checkpoints } from "./run-checkpoints.js";
import { showConfiguration } from "./run-configuration.js";
import { EventLog } from "./run-events.js";
import { watchEnd } from "./run-notice.js";
import { RunPlots } from "./run-plots.js";
import { Samples } from "./run-samples.js";
import { showSteps } from "./run-steps.js";
import { keepTimesFresh, refreshTimes } from "../relative-time.js";
import { showToast } from "../toast.js";
import { hasEnded, phaseText, timeElement } from "./words.js";

/** How soon a page that could not begin tries again. */
const RETRY_MS = 5000;

const id = document.getElementById("run").dataset.job;

// Not those of the events, which are looked up by the clock.
for (const part of ["facts", "checkpoints"]) keepTimesFresh(document.getElementById(part));
begin();

async function begin() {
  let job;
  try {
    job = await get(jobPath(id));
  } catch (error) {
    const gone = error.status === 404 ? "There is no such run (any more)." : error.message;
    showConnection(connectionAfter(error), gone);
    // What is gone stays so; anything else passes, as the page says.
    if (error.status !== 404) setTimeout(begin, RETRY_MS);
    return;
  }
  const notice = watchEnd(job);
  const parts = job.kind === "train" ? trainingParts(job) : [];
  const events = new EventLog(id);
  let shown = "";
  let live = null;

  function show(changed) {
    job = changed;
    showHead(job);
    showActions(document.getElementById("actions"), job, { onJob: show, onStale: refresh, notice });
    showSteps(job);
    live?.look(job);
    events.look(job);
    for (const part of parts) part.look?.(job);
    if (job.kind === "evaluate") showEvaluation(job);
    if (shown !== job.state)
      document.getElementById("announcer").textContent = `${job.name}: ${document.getElementById("state").textContent}`;
    shown = job.state;
    notice.look(job);
  }

  async function refresh() {
    try {
      show(await get(jobPath(id)));
    } catch (error) {
      showToast(error.message);
    }
  }

  show(job);
  for (const section of ["plots", "checkpoints-part", "samples-part"])
    document.getElementById(section).hidden = job.kind !== "train";
  if (job.kind === "train") showConfiguration(id);
  else document.getElementById("configuration").closest("section").hidden = true;
  if (job.judged) {
    document.getElementById("judged-content").replaceChildren(judgedElements(job.judged));
    document.getElementById("judged").hidden = false;
  }
  await Promise.all(parts.map((part) => part.load()));
  await events.load();
  live = follow(id, {
    after: job.last_sequence ?? -1,
    onJob: show,
    onEvent: (event) => {
      if (event.event === "progress") show(withProgress(job, event));
      for (const part of [events, ...parts]) part.take?.(event);
    },
    onConnection: (state, reason) => {
      showConnection(state, reason);
      document.getElementById("run").dataset.connection = state;
    },
  });
}

function trainingParts(job) {
  return [new RunPlots(job), new Checkpoints(job), new Samples(job)];
}

function showHead(job) {
  setText(document.getElementById("run-name"), job.name);
  showBadge(document.getElementById("state"), job.state);
  const facts = document.getElementById("facts");
  const key = [job.started_at, job.ended_at, job.device, job.state].join();
  if (facts.dataset.key !== key) {
    facts.dataset.key = key;
    const begun = job.started_at
      ? ["started ", timeElement(job.started_at)]
      : ["created ", timeElement(job.created_at)];
    const ended = job.ended_at && hasEnded(job) ? [", ended ", timeElement(job.ended_at)] : [];
    const from = job.cloned_from
      ? [", cloned from ", el("a", { href: `/admin/runs/${job.cloned_from}` }, "another run")]
      : [];
    const device = { cpu: ", on the CPU", cuda: ", on the GPU" }[job.device] ?? "";
    facts.replaceChildren(...begun, ...ended, device, ...from);
    refreshTimes(facts);
  }
  const reason = document.getElementById("reason");
  reason.hidden = !(job.reason?.text && job.state !== "completed");
  setText(reason, job.reason?.text ?? "");
  reason.classList.toggle("mild", job.state === "cancelled");
  const atWork = job.state !== "queued" && !hasEnded(job);
  const doing = atWork ? phaseText(job) : document.getElementById("state").textContent;
  document.title = `${doing} · ${job.name} · ExpansionNet`;
}

/** The job after a report of progress, which comes more often than the job itself. */
function withProgress(job, event) {
  const { phase: name, epoch, iteration, iterations, per_second, seconds_left, time } = event;
  const phases = job.phases.map((phase) => (phase.name === name ? { ...phase, epoch, iteration, iterations } : phase));
  return { ...job, phases, progress: { phase: name, epoch, iteration, iterations, per_second, seconds_left, time } };
}

async function showEvaluation(job) {
  if (job.state !== "completed" || !document.getElementById("result").hidden) return;
  try {
    const report = await get(jobPath(id, "/evaluation"));
    document
      .getElementById("result-content")
      .replaceChildren(...evaluationElements(report), ...fileElements(id, report.files));
    document.getElementById("result").hidden = false;
  } catch (error) {
    showToast(error.message);
  }
}
