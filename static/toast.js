// A message at the lower edge, with something to do about it for a while. Its element tells by a `close` event when
// that is over. Meanwhile the page keeps room for it (`--toast-room`), so that it covers nothing for good.

const SHOWN_MS = 30_000;

const toast = document.getElementById("toast");
const text = document.getElementById("toast-text");
const button = document.getElementById("toast-action");
const announcer = document.getElementById("announcer");
let timer;
let action = null;
/** Where the focus came from. */
let before = null;

button.addEventListener("click", () => action?.run());
document.getElementById("toast-close").addEventListener("click", hideToast);
toast.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.stopPropagation();
  hideToast();
});
toast.addEventListener("focusin", ({ relatedTarget }) => {
  if (!toast.contains(relatedTarget)) before = relatedTarget;
});
// Nobody who is about to press a button should see it vanish.
for (const start of ["mouseenter", "focusin"]) toast.addEventListener(start, () => clearTimeout(timer));
for (const end of ["mouseleave", "focusout"]) toast.addEventListener(end, hideLater);
new ResizeObserver(makeRoom).observe(toast);

/**
 * @param {string} message
 * @param {{label: string, run: () => void}} [offer]
 */
export function showToast(message, offer) {
  action = offer ?? null;
  toast.hidden = false;
  text.textContent = message;
  // Screen readers pass over what was hidden a moment ago.
  announcer.textContent = message;
  button.hidden = action === null;
  button.textContent = action?.label ?? "";
  hideLater();
}

export function hideToast() {
  if (toast.hidden) return;
  action = null;
  if (toast.contains(document.activeElement)) {
    const place = before?.isConnected ? before : document.getElementById("main");
    place.focus({ preventScroll: true });
  }
  clearTimeout(timer);
  toast.hidden = true;
  toast.dispatchEvent(new Event("close"));
}

function hideLater() {
  clearTimeout(timer);
  timer = setTimeout(hideToast, SHOWN_MS);
}

function makeRoom() {
  const { style } = document.documentElement;
  if (toast.hidden) style.removeProperty("--toast-room");
  else style.setProperty("--toast-room", `calc(${toast.offsetHeight}px + 2rem)`);
}
