// What a check before the start found.

import { el, table } from "./dom.js";
import { count, duration, size } from "./words.js";

const LEVELS = { error: "Cannot start", warning: "Mind", info: "Note" };

export const hasErrors = (report) => report.findings.some(({ level }) => level === "error");
export const hasWarnings = (report) => report.findings.some(({ level }) => level === "warning");

/** The report as elements. */
export function reportElements(report) {
  const findings = report.findings.map(({ level, message }) =>
    el("li", { class: `finding ${level}` }, el("strong", {}, `${LEVELS[level] ?? level}: `), message),
  );
  const { images } = report;
  const facts = [
    images && [
      "Photos",
      `${count(images.train)} to train on, ${count(images.val)} validation, ${count(images.test)} test`,
    ],
    images?.missing > 0 && ["Missing photos", count(images.missing)],
    report.captions && ["Captions", count(report.captions)],
    report.vocabulary && ["Words", count(report.vocabulary)],
    report.device && ["Device", report.device],
    report.disk_needed_bytes && [
      "Disk",
      `${size(report.disk_needed_bytes)} needed, ${size(report.disk_free_bytes)} free`,
    ],
    report.memory_needed_bytes && ["Memory", `about ${size(report.memory_needed_bytes)}`],
  ].filter(Boolean);
  const phases = report.phases ?? [];
  const total = phases.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  const rows = phases.map(({ name, iterations, seconds }) => [
    name,
    count(iterations ?? 0),
    seconds === null || seconds === undefined ? "not measured" : duration(seconds),
  ]);
  return [
    findings.length > 0
      ? el("ul", { class: "findings" }, findings)
      : el("p", { class: "all-well" }, "Everything is there."),
    el(
      "dl",
      { class: "facts" },
      facts.map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text))),
    ),
    rows.length > 0
      ? table(
          "Estimated time",
          ["Phase", "Iterations", "Time"],
          total > 0 ? [...rows, ["Together", "", duration(total)]] : rows,
        )
      : null,
  ].filter(Boolean);
}
