// The entry of "Evaluate": what is judged, on which photos; and the evaluations so far.

import { get, jobPath, post } from "./api.js";
import { ordered } from "./checkpoint-order.js";
import { el } from "./dom.js";
import { pickPath } from "./folder-picker.js";
import { RunList } from "./run-card.js";
import { keepTimesFresh } from "../relative-time.js";
import { showToast } from "../toast.js";
import { count, hundredfold } from "./words.js";

const REFRESH_MS = 4000;
/** The last paths, so that nobody looks for them twice. */
const REMEMBERED = "evaluation-data";

const form = document.getElementById("evaluation");
const startButton = document.getElementById("start");
const refusal = document.getElementById("refusal");
const list = new RunList(document.getElementById("runs"));
const paths = {
  dataset: pathField("dataset", "Dataset", "dataset", "Captions and splits, in Karpathy’s layout."),
  images: pathField("images", "Photos", "folder", "The folder that the dataset’s file names are relative to."),
};

document.getElementById("data").append(paths.dataset.element, paths.images.element);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
keepTimesFresh(document);
begin();

function pathField(id, label, kind, help) {
  const remembered = JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}");
  const input = el("input", {
    id,
    type: "text",
    required: true,
    autocomplete: "off",
    value: remembered[id] ?? "",
    "aria-describedby": `${id}-hint`,
  });
  const choose = async () => {
    input.value = (await pickPath({ kind, start: input.value, title: label })) ?? input.value;
  };
  const button = el(
    "button",
    { class: "button small", type: "button", onclick: choose },
    "Choose",
    el("span", { class: "visually-hidden" }, `: ${label}`),
  );
  const element = el(
    "div",
    { class: "field" },
    el("label", { for: id }, label),
    el("div", { class: "with-unit" }, input, button),
    el("p", { class: "hint", id: `${id}-hint` }, help),
  );
  return { input, element };
}

async function begin() {
  const wanted = new URLSearchParams(location.search).get("checkpoint");
  try {
    const [{ models }, { jobs }] = await Promise.all([get("/models"), get("/jobs")]);
    const usable = models.filter((model) => model.state !== "broken");
    const host = document.getElementById("models");
    host.replaceChildren(
      el("h3", {}, "Models"),
      ...usable.map((model) => choice(`model:${model.id}`, model.id, "", false)),
    );
    host.removeAttribute("aria-busy");
    await offerCheckpoints(
      jobs.filter((job) => job.kind === "train"),
      wanted,
    );
    showJobs(jobs);
  } catch (error) {
    showToast(error.message);
  }
  setTimeout(refresh, REFRESH_MS);
}

async function offerCheckpoints(jobs, wanted) {
  const host = document.getElementById("checkpoints");
  const of = async (job) => {
    const { checkpoints } = await get(jobPath(job.id, "/checkpoints"));
    return { job, checkpoints: checkpoints.filter(({ servable }) => servable) };
  };
  const found = await Promise.all(jobs.map(of));
  for (const { job, checkpoints } of found.filter(({ checkpoints }) => checkpoints.length > 0)) {
    const { first, others } = ordered(checkpoints);
    const choices = (list) => list.map((checkpoint) => checkpointChoice(job, checkpoint, wanted));
    const folded = el(
      "details",
      {},
      el("summary", {}, `${others.length} more`),
      el("div", { class: "pick-list" }, choices(others)),
    );
    folded.open = folded.querySelector("input:checked") !== null;
    host.append(el("h3", {}, job.name), ...choices(first), ...(others.length > 0 ? [folded] : []));
  }
  if (!wanted) return;
  try {
    const [job] = wanted.split("/");
    const { recipes } = await get(`/recipes?job=${encodeURIComponent(job)}`);
    const valueOf = (key) => recipes[0].fields.find((field) => field.key === key)?.value ?? "";
    paths.dataset.input.value ||= valueOf("data.dataset");
    paths.images.input.value ||= valueOf("data.images");
  } catch {
    // The paths are then chosen by hand.
  }
}

function checkpointChoice(job, { phase, name, iteration, best, cider }, wanted) {
  const value = [job.id, phase, name].join("/");
  const score = cider === null || cider === undefined ? null : `CIDEr-D ${hundredfold(cider)}`;
  const about = [`step ${count(iteration)}`, score].filter(Boolean).join(", ");
  return choice(
    `checkpoint:${value}`,
    `${phase} ${best ? "best" : "state"}`,
    about,
    value === wanted,
    `${job.name}, ${phase}`,
  );
}

function choice(value, text, about, checked, name = text) {
  return el(
    "label",
    { class: "check" },
    el("input", { type: "checkbox", name: "judged", value, checked, "data-name": name }),
    ` ${text} `,
    about ? el("span", { class: "hint" }, about) : null,
  );
}

/** Whether an evaluation is being started: two presses mean one. */
const isStarting = () => startButton.ariaDisabled === "true";

function showStarting(starting) {
  // Not `disabled`, which would lose the focus.
  startButton.setAttribute("aria-disabled", String(starting));
  startButton.textContent = starting ? "Starting…" : "Evaluate";
}

// Back from the evaluation, the browser may show this page as it was left.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) showStarting(false);
});

async function start() {
  if (isStarting()) return;
  const judged = [...form.querySelectorAll("input[name=judged]:checked")].map((input) => input.value);
  const of = (kind) =>
    judged.filter((value) => value.startsWith(`${kind}:`)).map((value) => value.slice(kind.length + 1));
  const [models, checkpoints] = [of("model"), of("checkpoint")];
  if (judged.length === 0) return refuse("Choose what is to be judged.");
  const what = {
    models,
    checkpoints: checkpoints.map((value) => value.split("/")).map(([job, phase, name]) => ({ job, phase, name })),
  };
  const limit = document.getElementById("limit").value;
  const data = { dataset: paths.dataset.input.value.trim(), images: paths.images.input.value.trim() };
  localStorage.setItem(REMEMBERED, JSON.stringify(data));
  showStarting(true);
  refusal.hidden = true;
  try {
    const job = await post("/evaluations", {
      ...what,
      name: nameOf(judged),
      ...data,
      split: document.getElementById("split").value,
      device: document.getElementById("device").value,
      beam_sizes: document.getElementById("beams").value.split(",").map(Number),
      limit: limit === "" ? null : Number(limit),
    });
    location.href = `/admin/runs/${encodeURIComponent(job.id)}`;
  } catch (error) {
    showStarting(false);
    refuse(error.message);
  }
}

/** `Evaluation of xe best` for the list of runs. */
function nameOf(judged) {
  const boxes = [...form.querySelectorAll("input[name=judged]:checked")];
  const texts = boxes.map((box) => box.dataset.name);
  return `${texts.slice(0, 2).join(" + ")}${judged.length > 2 ? ` + ${judged.length - 2} others` : ""} evaluated`.slice(
    0,
    100,
  );
}

function refuse(message) {
  refusal.textContent = message;
  refusal.hidden = false;
  refusal.scrollIntoView({ block: "nearest" });
}

async function refresh() {
  if (!document.hidden) {
    try {
      showJobs((await get("/jobs")).jobs);
    } catch {
      // The next time may go better; the list stays as it was.
    }
  }
  setTimeout(refresh, REFRESH_MS);
}

function showJobs(jobs) {
  const evaluations = jobs.filter((job) => job.kind === "evaluate");
  list.show(evaluations);
  document.getElementById("no-runs").hidden = evaluations.length > 0;
}
