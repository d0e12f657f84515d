// "5 minutes ago" in place of the date and time that the server wrote, kept up to date.

const UNITS = [
  ["year", 365 * 24 * 3600],
  ["month", 30 * 24 * 3600],
  ["week", 7 * 24 * 3600],
  ["day", 24 * 3600],
  ["hour", 3600],
  ["minute", 60],
];
const REFRESH_MS = 60_000;

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });
const clock = new Intl.DateTimeFormat("en", { timeStyle: "short" });

/** Rewrites every `<time datetime>` under `root`, now and each minute. */
export function keepTimesFresh(root) {
  refreshTimes(root);
  setInterval(() => refreshTimes(root), REFRESH_MS);
}

/** Rewrites those that are there now. */
export function refreshTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) show(element);
}

/** @param {Date} moment "2:32 PM"; of another day with its date */
export function momentText(moment) {
  const today = moment.toDateString() === new Date().toDateString();
  return (today ? clock : absolute).format(moment);
}

function show(element) {
  const then = new Date(element.dateTime);
  if (Number.isNaN(then.getTime())) return;
  element.textContent = ago((Date.now() - then.getTime()) / 1000);
  element.title = absolute.format(then);
}

/** @param {number} seconds since then; clocks that differ a little count as now */
function ago(seconds) {
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? [];
  return unit ? relative.format(-Math.floor(seconds / length), unit) : "just now";
}
