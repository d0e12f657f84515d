// The buttons above a run: stop, resume and so on, as far as its state allows.

import { get, jobPath, patch, post, remove } from "./api.js";
import { confirmed, el, replaceKeepingFocus } from "./dom.js";
import { showToast } from "../toast.js";

const ACTIONS = {
  run_next: { label: "Run next", run: (job) => post(jobPath(job.id, "/next")) },
  stop: {
    // What waits has nothing to save.
    label: ({ state }) => (state === "queued" ? "Take out of the queue" : "Stop and save"),
    run: (job) => post(jobPath(job.id, "/stop"), { force: false }),
  },
  force_stop: {
    label: "Stop at once",
    danger: true,
    run: (job) => post(jobPath(job.id, "/stop"), { force: true }),
    ask: {
      title: "Stop at once?",
      text: "What was trained since the last checkpoint is lost. “Stop and save” loses nothing.",
      action: "Stop at once",
    },
  },
  resume: {
    label: ({ started_at: started }) => (started ? "Resume" : "Start"),
    strong: true,
    run: (job) => post(jobPath(job.id, "/resume")),
  },
  retry: { label: "Try again", strong: true, run: (job) => post(jobPath(job.id, "/retry")) },
  clone: { label: "Clone…", run: clone },
  delete: { label: "Delete…", danger: true, run: removeJob },
};

/**
 * @param {HTMLElement} host
 * @param {object} job
 * @param {{onJob: (job: object) => void, onStale: () => void, notice: {button: HTMLElement}}} page
 */
export function showActions(host, job, page) {
  const key = [job.kind, job.state, job.actions, job.name, job.queue_position].join();
  if (host.dataset.key === key) return;
  host.dataset.key = key;
  const buttons = job.actions.filter((name) => isOffered(name, job)).map((name) => button(name, job, page));
  const rename = el(
    "button",
    { class: "button quiet", type: "button", "data-action": "rename", onclick: () => renameJob(job, page) },
    "Rename",
  );
  replaceKeepingFocus(host, ...buttons, rename, page.notice.button);
}

/** What the server allows and makes a difference. */
function isOffered(name, job) {
  if (name === "clone" && job.kind !== "train") return false;
  if (name === "run_next" && job.queue_position === 1) return false;
  return name in ACTIONS;
}

function button(name, job, page) {
  const { label, danger, strong, ask, run } = ACTIONS[name];
  const look = strong ? "button strong" : danger ? "button danger" : "button";
  const text = typeof label === "function" ? label(job) : label;
  const element = el("button", { class: look, type: "button", "data-action": name }, text);
  element.addEventListener("click", async () => {
    if (element.ariaDisabled === "true" || (ask && !(await confirmed(ask)))) return;
    // Not `disabled`, which would lose the focus.
    element.setAttribute("aria-disabled", "true");
    try {
      const changed = await run(job);
      if (changed) page.onJob(changed);
    } catch (error) {
      // Somebody else was faster, or the run has ended by itself: say so, and show how it is now.
      showToast(error.message);
      page.onStale();
    } finally {
      element.removeAttribute("aria-disabled");
    }
  });
  return element;
}

function clone(job) {
  location.href = `/admin/runs/new?from=${encodeURIComponent(job.id)}`;
  return null;
}

async function removeJob(job) {
  const files = el(
    "label",
    { class: "check" },
    el("input", { type: "checkbox", name: "files" }),
    ` Delete its folder too, with all checkpoints: ${job.folder}`,
  );
  const form = await confirmed({
    title: `Delete ${job.name}?`,
    text: "Its figures and events are deleted for good.",
    action: "Delete",
    extra: files,
  });
  if (form === null) return null;
  await remove(jobPath(job.id, form.has("files") ? "?files=true" : ""));
  sessionStorage.setItem("message", `${job.name} is deleted.`);
  location.href = "/admin";
  return null;
}

async function renameJob(job, page) {
  const input = el("input", {
    type: "text",
    name: "name",
    value: job.name,
    maxLength: 100,
    required: true,
    "aria-label": "Name",
  });
  const form = await confirmed({ title: "Rename the run", action: "Rename", danger: false, extra: input });
  if (form === null || !form.get("name").trim()) return;
  try {
    page.onJob((await patch(jobPath(job.id), { name: form.get("name").trim() })) ?? (await get(jobPath(job.id))));
  } catch (error) {
    showToast(error.message);
  }
}
