// A notification of the browser's at the end of a run, for whoever asks for it.

import { el } from "./dom.js";
import { hasEnded, stateText } from "./words.js";
import { showToast } from "../toast.js";

/** Watches for the end of a job; gives the button that asks for a notification. */
export function watchEnd(job) {
  const key = `notify-${job.id}`;
  const button = el(
    "button",
    { class: "button quiet", type: "button", "data-action": "notify", hidden: !("Notification" in window) },
    "Notify me at the end",
  );
  let wanted = localStorage.getItem(key) === "yes" && window.Notification?.permission === "granted";
  let ended = hasEnded(job);

  const show = () => {
    button.setAttribute("aria-pressed", String(wanted));
    button.textContent = wanted ? "Notifying at the end" : "Notify me at the end";
    button.hidden = ended || !("Notification" in window);
  };
  button.addEventListener("click", async () => {
    if (!wanted && (await Notification.requestPermission()) !== "granted") {
      showToast("The browser does not allow notifications of this page.");
      return;
    }
    wanted = !wanted;
    localStorage.setItem(key, wanted ? "yes" : "no");
    show();
  });
  show();

  return {
    button,
    look(changed) {
      const ends = hasEnded(changed) && !ended;
      ended = hasEnded(changed);
      show();
      if (!ends || !wanted) return;
      localStorage.removeItem(key);
      const text = [stateText(changed.state), changed.reason?.text].filter(Boolean).join(": ");
      tell(changed, text);
    },
  };
}

function tell({ id, name }, text) {
  try {
    const notification = new Notification(name, { body: text, icon: "/static/favicon.svg", tag: id });
    notification.addEventListener("click", () => window.focus());
  } catch {
    // Browsers on phones have the class, and allow it to service workers alone.
    showToast(`${name}: ${text}`);
  }
}
