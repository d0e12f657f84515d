// A form that leads to another page is sent once: who presses twice, or again because nothing seems to happen, means
// one thing. Forms that a script sends see to that themselves.

/** Who presses again after as long means it: the answer may never come. */
const PATIENCE_MS = 10_000;

/** When forms were sent. */
let sent = new WeakMap();

// Before any script of the page hears of it.
document.addEventListener(
  "submit",
  (event) => {
    if (!(performance.now() - sent.get(event.target) < PATIENCE_MS)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  { capture: true },
);
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && leadsAway(event)) sent.set(event.target, performance.now());
});
// Back from there, the browser may show this page as it was left.
window.addEventListener("pageshow", () => {
  sent = new WeakMap();
});

/** The API answers with downloads, and those leave the page where it is; a search changes nothing. */
function leadsAway({ target: form, submitter }) {
  const address = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? "";
  return form.method === "post" && !address.startsWith("/api/");
}
