// The result of an evaluation beside the paper's figures.

import { el, table } from "./dom.js";
import { count, hundredfold } from "./words.js";

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
