// A message at the lower edge, with something to do about it for a while. Its element tells by a `close` event when that
// is over.

const SHOWN_MS = 30_000;

const toast = document.getElementById("toast");
const text = document.getElementById("toast-text");
const button = document.getElementById("toast-action");
let timer;
let action = null;

button.addEventListener("click", () => action?.run());
// Nobody who is about to press the button should see it vanish.
for (const start of ["mouseenter", "focusin"]) toast.addEventListener(start, () => clearTimeout(timer));
for (const end of ["mouseleave", "focusout"]) toast.addEventListener(end, hideLater);

/**
 * @param {string} message
 * @param {{label: string, run: () => void}} [offer]
 */
export function showToast(message, offer) {
  action = offer ?? null;
  toast.hidden = false;
  text.textContent = message;
  button.hidden = action === null;
  button.textContent = action?.label ?? "";
  hideLater();
}

export function hideToast() {
  clearTimeout(timer);
  action = null;
  if (toast.hidden) return;
  toast.hidden = true;
  toast.dispatchEvent(new Event("close"));
}

function hideLater() {
  clearTimeout(timer);
  timer = setTimeout(hideToast, SHOWN_MS);
}
