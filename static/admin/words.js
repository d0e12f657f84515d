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

/** `14:05:09` in the reader's own zone. */
export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");

/** How much of a job's chosen phases is done, 0 to 1. */
export function share(job) {
  const chosen = job.phases.filter((phase) => phase.selected);
  if (chosen.length === 0) return job.state === "completed" ? 1 : 0;
  const done = chosen.map((phase) => {
    if (phase.state === "completed") return 1;
    return phase.iterations > 0 ? Math.min(1, phase.iteration / phase.iterations) : 0;
  });
  return done.reduce((sum, part) => sum + part, 0) / chosen.length;
}

/** The phase at work, or the last that was. */
export function currentPhase(job) {
  const chosen = job.phases.filter((phase) => phase.selected);
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
