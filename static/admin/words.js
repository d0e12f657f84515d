// Numbers, sizes, times and states as people read them.

const STATES = {
  queued: "Waiting",
  running: "Running",
  stopping: "Stopping",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Stopped",
  interrupted: "Interrupted",
  waiting: "Waiting",
  stopped: "Stopped",
};

const ENDED = new Set(["completed", "failed", "cancelled", "interrupted"]);

export const stateText = (state) => STATES[state] ?? state;
export const hasEnded = (job) => ENDED.has(job.state);

/** `2 h 05 min`, `12 min`, `40 s` */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.max(0, Math.round(seconds))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `1.5 GB`, `20 MB`, `7 bytes` */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  const units = [
    ["TB", 1e12],
    ["GB", 1e9],
    ["MB", 1e6],
    ["kB", 1e3],
  ];
  const [name, unit] = units.find(([, unit]) => bytes >= unit) ?? ["bytes", 1];
  const value = bytes / unit;
  return `${value >= 100 || unit === 1 ? Math.round(value) : trim(value.toFixed(1))} ${name}`;
}

/** Enough digits to tell figures apart: `0.0002` is `2e-4`. */
export function figure(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e7)) return trim(value.toExponential(2)).replace("e+", "e");
  if (Number.isInteger(value)) return count(value);
  return magnitude >= 100 ? value.toFixed(1) : trim(value.toPrecision(4));
}

/** `12,345` */
export const count = (value) => Math.round(value).toLocaleString("en");

/** A metric times a hundred, as papers quote it. */
export const hundredfold = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(1));

/** A setting's value as one types it. */
export function settingText(value) {
  if (value === null || value === undefined || value === "") return "none";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "number") return numberText(value);
  return String(value);
}

/** A number as it is typed into a form: `2e-4`, `0.3`, `48`. */
export function numberText(value) {
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && magnitude < 1e-3) return value.toExponential().replace("e+", "e");
  return String(value);
}

/** A point in time, for `relative-time.js` to put into words. */
export function timeElement(time) {
  const element = document.createElement("time");
  element.dateTime = typeof time === "number" ? new Date(time * 1000).toISOString() : time;
  element.textContent = element.dateTime.slice(0, 16).replace("T", " ");
  return element;
}

/** `2026-03-12 14:05:09` in the reader's own zone. */
export const moment = (seconds) => new Date(seconds * 1000).toLocaleString("sv");

/** The phases of a job that are run. */
export const chosenPhases = (job) => job.phases.filter((phase) => phase.selected);

/** How much of a phase is done, 0 to 1. */
export function phaseShare(phase) {
  if (phase.state === "completed") return 1;
  return phase.iterations > 0 ? Math.min(1, phase.iteration / phase.iterations) : 0;
}

/**
 * How much of a job is done, 0 to 1. Null where that cannot be told: phases take from seconds to days, so that each
 * counts by its time, which is only known where it was measured before the start.
 */
export function share(job) {
  if (job.state === "completed") return 1;
  const chosen = chosenPhases(job);
  if (chosen.length === 1) return phaseShare(chosen[0]);
  const total = sum(chosen, (phase) => phase.expected_seconds ?? Number.NaN);
  return total > 0 ? sum(chosen, (phase) => phaseShare(phase) * phase.expected_seconds) / total : null;
}

/** Seconds until everything is done: of this phase at its pace, of those to come as measured. Null if not known. */
export function secondsLeft(job) {
  const current = currentPhase(job);
  if (!job.progress || job.progress.phase !== current?.name) return null;
  const later = chosenPhases(job).filter((phase) => phase !== current && phase.state !== "completed");
  const seconds = job.progress.seconds_left + sum(later, (phase) => phase.expected_seconds ?? Number.NaN);
  return Number.isNaN(seconds) ? null : seconds;
}

const sum = (list, of) => list.reduce((total, one) => total + of(one), 0);

/** `xe 42 %`, `xe (2 of 6) 42 %`: the phase at work, and how far it is. */
export function phaseText(job) {
  const phase = currentPhase(job);
  if (phase === null) return "";
  const chosen = chosenPhases(job);
  const place = chosen.length > 1 ? ` (${chosen.indexOf(phase) + 1} of ${chosen.length})` : "";
  return `${phase.name}${place} ${Math.floor(100 * phaseShare(phase))} %`;
}

/** `12 min left in this phase, about 3 h 05 min in all` */
export function leftText(job) {
  const phase = `${duration(job.progress.seconds_left)} left`;
  const chosen = chosenPhases(job);
  if (currentPhase(job) === chosen.at(-1)) return phase;
  const all = secondsLeft(job);
  return `${phase} in this phase${all === null ? "" : `, about ${duration(all)} in all`}`;
}

/** The phase at work, or the last that was. */
export function currentPhase(job) {
  const chosen = chosenPhases(job);
  return (
    chosen.find((phase) => phase.name === job.progress?.phase && phase.state !== "completed") ??
    chosen.find((phase) => phase.state !== "completed") ??
    chosen.at(-1) ??
    null
  );
}

/** Whether an evaluation has all its captions. */
export const isJudging = ({ kind, progress }) =>
  kind === "evaluate" && progress !== null && progress.iteration === progress.iterations;

function trim(text) {
  if (!text.includes(".")) return text;
  const [number, exponent] = text.split("e");
  const short = number.replace(/0+$/, "").replace(/\.$/, "");
  return exponent === undefined ? short : `${short}e${exponent}`;
}
