// An evaluation: what it judges, and the result beside the paper's figures.

import { address, jobPath } from "./api.js";
import { el, table } from "./dom.js";
import { count, hundredfold } from "./words.js";

const SPLITS = { val: "validation", test: "test", both: "validation and test" };

/** Faults that no metric shows. */
const FAULTS = { unfinished: "Captions that break off", repeated: "Captions that repeat words" };
const METRICS = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D", "SPICE"];

/** One table for each split, a column for each number of beams. */
export function evaluationElements(report) {
  const splits = [...new Set(report.outcomes.map(({ split }) => split))];
  return splits.flatMap((split) => {
    const outcomes = report.outcomes.filter((outcome) => outcome.split === split);
    const title = `${report.model.id}, ${split} split: ${count(outcomes[0].images)} photos`;
    const header = [
      "Metric",
      ...outcomes.map(({ beam_size: beams }) => `beam ${beams}`),
      "paper, single",
      "paper, ensemble",
    ];
    const rows = METRICS.map((metric) => [
      metric,
      ...outcomes.map((outcome) => cell(outcome[metric])),
      ...paperCells(report.paper, metric),
    ]);
    for (const [fault, label] of Object.entries(FAULTS)) {
      rows.push([label, ...outcomes.map(({ artefacts }) => artefacts?.[fault] ?? "–"), "–", "–"]);
    }
    const warning = outcomes[0].warning ? el("p", { class: "hint" }, outcomes[0].warning) : null;
    return [el("h3", {}, title), table(title, header, rows), warning].filter(Boolean);
  });
}

function cell(scores) {
  if (!scores) return "–";
  if (scores.unavailable) return el("span", { class: "hint", title: scores.unavailable }, "not computed");
  const interval = scores.interval
    ? ` [${hundredfold(scores.interval.low)}, ${hundredfold(scores.interval.high)}]`
    : "";
  return [hundredfold(scores.corpus), el("span", { class: "hint" }, interval)];
}

/** Of a single model, and of an ensemble. */
function paperCells(paper, metric) {
  return [paper?.single, paper?.ensemble].map((figures) => hundredfold(figures?.[metric]));
}

/** What is judged, on which photos. */
export function judgedElements({ models, dataset, images, split, beam_sizes: beams, limit }) {
  const name = ({ name, checkpoint }) =>
    checkpoint ? el("a", { href: `/admin/runs/${encodeURIComponent(checkpoint.job)}` }, name) : name;
  const facts = [
    [models.length > 1 ? "Ensemble of" : "Model", models.map((model) => el("div", {}, name(model)))],
    ["Dataset", dataset],
    ["Photos", images],
    ["Split", SPLITS[split] ?? split],
    [beams.length > 1 ? "Beams, each by itself" : "Beams", beams.join(", ")],
    ["Photos at most", limit === null ? "all of the split" : count(limit)],
  ];
  return el(
    "dl",
    { class: "facts" },
    facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

/** The files of the reports, to keep. */
export function fileElements(id, names = []) {
  const link = (name) => [
    el("a", { href: address(jobPath(id, `/evaluation/${encodeURIComponent(name)}`)), download: name }, name),
    el("span", { class: "hint" }, `: ${fileText(name)}`),
  ];
  if (names.length === 0) return [];
  return [
    el("h3", {}, "Files"),
    el(
      "ul",
      { class: "file-list" },
      names.map((name) => el("li", {}, link(name))),
    ),
  ];
}

function fileText(name) {
  switch (name) {
    case "report.html":
      return "a page with the best and the worst captions and their photos";
    case "report.json":
      return "the figures";
    case "predictions.json":
      return "every caption with what people wrote and its scores";
    default:
      return "the captions in COCO’s layout";
  }
}
