// The entry of "Compare": runs to choose, their plots over each other, what differs.

import { get, jobPath } from "./api.js";
import { el, table } from "./dom.js";
import { PlotBoard } from "./plot-board.js";
import { isMetric, kindsOf, nameText } from "./plot-kinds.js";
import { Series } from "./series.js";
import { showToast } from "../toast.js";
import { count, figure, hundredfold, settingText } from "./words.js";

const NAMES = ["loss", "validation_loss", "CIDEr-D", "BLEU-4", "reward", "learning_rate", "per_second"];
const POINTS = 400;
const MOST_RUNS = 8;

const picks = document.getElementById("picks");
/** What is compared, in the order of the colours: a job and its points. */
let compared = [];
/** The choice that was asked for last. */
let turn = 0;
const board = new PlotBoard(compose);

begin();

async function begin() {
  try {
    const { jobs } = await get("/jobs");
    const runs = jobs.filter((job) => job.kind === "train");
    const wanted = new Set((new URLSearchParams(location.search).get("jobs") ?? "").split(",").filter(Boolean));
    picks.replaceChildren(
      ...runs.map((job) =>
        el(
          "label",
          { class: "check" },
          el("input", { type: "checkbox", value: job.id, checked: wanted.has(job.id), onchange: choose }),
          ` ${job.name}`,
        ),
      ),
    );
    picks.removeAttribute("aria-busy");
    if (runs.length === 0) picks.replaceChildren(el("p", { class: "hint" }, "There are no runs yet."));
    await choose();
  } catch (error) {
    showToast(error.message);
  }
}

async function choose() {
  const ids = [...picks.querySelectorAll("input:checked")].map((input) => input.value);
  const mine = ++turn;
  const enough = ids.length >= 2 && ids.length <= MOST_RUNS;
  const hint = document.getElementById("hint");
  hint.hidden = enough;
  hint.textContent =
    ids.length > MOST_RUNS
      ? `At most ${MOST_RUNS} at a time: the lines need different colours.`
      : "Choose two or more runs.";
  document.getElementById("comparison").hidden = !enough;
  history.replaceState(null, "", ids.length > 0 ? `?jobs=${ids.join(",")}` : location.pathname);
  if (!enough) return;
  try {
    const names = NAMES.map(encodeURIComponent).join(",");
    const [comparison, ...series] = await Promise.all([
      get(`/compare?jobs=${ids.map(encodeURIComponent).join(",")}`),
      ...ids.map((id) => get(jobPath(id, `/series?points=${POINTS}&names=${names}`))),
    ]);
    if (mine === turn) show(comparison, series);
  } catch (error) {
    showToast(error.message);
  }
}

function show({ jobs, settings, metrics }, series) {
  compared = jobs.map((job, index) => {
    const points = new Series();
    points.load(series[index].series);
    return { job, points };
  });
  const header = jobs.map((job) => el("a", { href: `/admin/runs/${encodeURIComponent(job.id)}` }, job.name));
  document.getElementById("metrics").replaceChildren(...figureTables(metrics, header));
  document.getElementById("settings").replaceChildren(
    settings.length > 0
      ? table(
          "Settings that differ",
          ["Setting", ...header.map((link) => link.cloneNode(true))],
          settings.map(({ key, values }) => [el("code", {}, key), ...values.map(settingText)]),
        )
      : el("p", { class: "hint" }, "All settings are the same."),
  );
  const phases = [
    ...new Set(jobs.flatMap((job) => job.phases.filter(({ selected }) => selected).map(({ name }) => name))),
  ];
  board.offerPhases([{ value: "", text: "all" }, ...phases.map((name) => ({ value: name, text: name }))]);
  board.draw();
}

/** The figures that decide, and all others on demand; phases in the runs' own order. */
function figureTables(figures, header) {
  const order = compared.flatMap(({ job }) => job.phases.map(({ name }) => name));
  const known = figures.filter(({ name }) => isMetric(name) || /loss|reward/.test(name));
  const sorted = known.sort((one, other) => order.indexOf(one.phase) - order.indexOf(other.phase));
  if (sorted.length === 0) return [el("p", { class: "hint" }, "There are no figures yet.")];
  const rows = (list) => list.map(figureRow);
  const links = () => header.map((link) => link.cloneNode(true));
  const main = sorted.filter(({ name }) => ["CIDEr-D", "BLEU-4", "validation_loss"].includes(name));
  const all = table("All figures", ["Phase and figure", ...links()], rows(sorted));
  return [
    el("p", { class: "hint" }, "The best of each phase; beside it the newest, where that is another."),
    table("Figures", ["Phase and figure", ...links()], rows(main)),
    el("details", { class: "more" }, el("summary", {}, "All figures"), all),
  ];
}

/** The best value of a row stands out. */
function figureRow({ phase, name, values, best }) {
  const known = best.filter((value) => value !== null);
  const first = /loss/.test(name) ? Math.min(...known) : Math.max(...known);
  const text = isMetric(name) ? hundredfold : figure;
  const cell = (value, index) => {
    const [shown, newest] = [text(value), text(values[index])];
    return [
      value === first && known.length > 1 ? el("strong", {}, shown) : shown,
      newest === shown ? null : el("span", { class: "hint" }, ` newest ${newest}`),
    ];
  };
  // A phase that learns of captions alone tells them in other words: its metrics are not those of photos.
  const ofWords =
    isMetric(name) && compared.some(({ job }) => job.phases.some((one) => one.name === phase && one.sees_captions));
  return [`${phase}: ${nameText(name)}${ofWords ? ", of captions in other words" : ""}`, ...best.map(cell)];
}

/** A plot for each name, a line for each run. */
function compose({ phase }) {
  const names = NAMES.filter((name) => compared.some(({ points }) => points.names.includes(name)));
  return names.map((name) => {
    const [kind] = kindsOf([name]);
    const lines = compared.map(({ job, points }, colour) => ({
      label: job.name,
      colour,
      ...points.line(name, { phases: onOneAxis(job, phase), byTime: false }),
    }));
    return {
      kind: { ...kind, title: nameText(name) },
      lines,
      view: { boundaries: [], place: (x) => `iteration ${count(x)}` },
    };
  });
}

function onOneAxis(job, only) {
  let start = 0;
  return job.phases
    .filter(({ name, step, selected }) => selected && (only === "" ? step !== "features" : name === only))
    .map(({ name, iterations }) => {
      const placed = { name, start };
      start += iterations;
      return placed;
    });
}
