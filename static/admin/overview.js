// The overview's entry: runs and machine, asked for anew while the page is looked at.

import { get } from "./api.js";
import { connectionAfter, showConnection } from "./connection.js";
import { el } from "./dom.js";
import { RunList } from "./run-card.js";
import { keepTimesFresh } from "../relative-time.js";
import { showToast } from "../toast.js";
import { size } from "./words.js";

const REFRESH_MS = 3000;

const compare = document.getElementById("compare");
const list = new RunList(document.getElementById("runs"), {
  onPick: (ids) => {
    compare.disabled = ids.length < 2;
  },
});

compare.addEventListener("click", () => {
  location.href = `/admin/compare?jobs=${list.picked.map(encodeURIComponent).join(",")}`;
});
keepTimesFresh(document);
refresh();

async function refresh() {
  try {
    const [{ jobs }, device] = await Promise.all([get("/jobs"), get("/device")]);
    list.show(jobs);
    document.getElementById("no-runs").hidden = jobs.length > 0;
    compare.hidden = jobs.filter(({ kind }) => kind === "train").length < 2;
    showMachine(device);
    showConnection("live");
  } catch (error) {
    showConnection(connectionAfter(error), error.message);
  }
  setTimeout(whenSeen, REFRESH_MS);
}

/** A page in the background asks again when somebody looks at it. */
function whenSeen() {
  if (!document.hidden) return refresh();
  document.addEventListener("visibilitychange", refresh, { once: true });
}

function showMachine(device) {
  const gauges = [
    gauge("Processor", device.cpu_percent / 100, `${Math.round(device.cpu_percent)} % of ${device.cores} cores`),
    gauge(
      "Memory",
      device.memory_used / device.memory_total,
      `${size(device.memory_used)} of ${size(device.memory_total)}`,
    ),
    ...device.gpus.flatMap((gpu) => [
      gauge(gpu.name, gpu.percent / 100, `${Math.round(gpu.percent)} %, ${gpu.temperature} °C`),
      gauge("its memory", gpu.memory_used / gpu.memory_total, `${size(gpu.memory_used)} of ${size(gpu.memory_total)}`),
    ]),
  ];
  if (device.gpus.length === 0) gauges.push(el("p", { class: "hint" }, "No GPU was found."));
  document.querySelector("#machine .gauges").replaceChildren(...gauges);
  const used = device.disk_total - device.disk_free;
  document
    .querySelector("#disk .gauges")
    .replaceChildren(
      gauge(
        "Where runs are stored",
        used / device.disk_total,
        `${size(device.disk_free)} free of ${size(device.disk_total)}`,
      ),
    );
}

/** A share of what there is, marked where little is left. */
function gauge(name, share, text) {
  const bar = el("progress", { class: share > 0.9 ? "high" : "", max: 1, value: share });
  return el("label", { class: "gauge" }, el("span", {}, name), el("span", { class: "hint" }, text), bar);
}

// A message that another page left: what was deleted, say.
const message = sessionStorage.getItem("message");
if (message) {
  sessionStorage.removeItem("message");
  showToast(message);
}
