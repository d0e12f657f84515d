// Copy buttons: any button with `data-copy` copies that text and says so for a moment.

const FEEDBACK_MS = 2000;

/**
 * Serves every copy button under `root`, also those added later.
 * @param {(message: string) => void} announce tells screen readers
 */
export function enableCopyButtons(root, announce) {
  // Hidden in the page as served: without scripts they could do nothing.
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;

  root.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (!button) return;
    const copied = await copyText(button.dataset.copy);
    announce(copied ? "Copied" : "Could not copy");
    showFeedback(button, copied);
  });
}

/** @returns {Promise<boolean>} whether the text is on the clipboard */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard API over plain HTTP on a local network, or permission refused.
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus?.();
  return copied;
}

/** Timers that put a button back, so that a second press prolongs the first one's feedback. */
const restoring = new WeakMap();

function showFeedback(button, copied) {
  clearTimeout(restoring.get(button));
  showState(button, copied ? "Copied" : "Could not copy", copied);
  restoring.set(button, setTimeout(() => showState(button, "Copy", false), FEEDBACK_MS));
}

function showState(button, text, copied) {
  button.querySelector(".copy-label").textContent = text;
  button.classList.toggle("copied", copied);
  const icon = button.querySelector("use");
  const sprite = icon.getAttribute("href").split("#")[0];
  icon.setAttribute("href", `${sprite}#${copied ? "check" : "copy"}`);
}
