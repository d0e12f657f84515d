// Copy buttons: any button with `data-copy` copies that text and says so for a moment.

const FEEDBACK_MS = 2000;

/**
 * Serves every copy button under `root`, also those added later.
 * @param {(message: string) => void} announce tells screen readers
 */
export function enableCopyButtons(root, announce) {
  showCopyButtons(root);
  root.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (!button) return;
    const copied = await copyText(button.dataset.copy);
    announce(copied ? "Copied" : "Could not copy");
    showFeedback(button, copied);
  });
}

/** They are hidden in the page as served: without scripts they could do nothing. */
export function showCopyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
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

/** What a button said before, and the timer that puts it back: a second press prolongs the feedback. */
const restoring = new WeakMap();

function showFeedback(button, copied) {
  const before = restoring.get(button);
  const label = before?.label ?? button.querySelector(".copy-label").textContent;
  clearTimeout(before?.timer);
  showState(button, copied ? "Copied" : "Could not copy", copied);
  const putBack = () => {
    showState(button, label, false);
    restoring.delete(button);
  };
  restoring.set(button, { label, timer: setTimeout(putBack, FEEDBACK_MS) });
}

function showState(button, text, copied) {
  button.querySelector(".copy-label").textContent = text;
  button.classList.toggle("copied", copied);
  const icon = button.querySelector("use");
  const sprite = icon.getAttribute("href").split("#")[0];
  icon.setAttribute("href", `${sprite}#${copied ? "check" : "copy"}`);
}
