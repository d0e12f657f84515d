// Forms that lead back to their page: the focus and the place in the window stay, as far as they can.

const STORAGE_KEY = "expansionnet.place";

/**
 * Notes where an element stands, just before the page is left for the answer to a form.
 * @param {string} selector of an element that is there before and after
 * @param {string} words that the form may change
 */
export function notePlace(selector, words) {
  const { top } = document.querySelector(selector).getBoundingClientRect();
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ path: location.pathname, selector, top, words }));
  } catch {
    // Storage switched off or full: the page then begins at its top.
  }
}

/**
 * Puts the focus on what was noted, where it stood.
 * @returns {string | undefined} the words as they were, if the page was come back to
 */
export function returnToPlace() {
  const noted = takeNoted();
  const [visit] = performance.getEntriesByType("navigation");
  if (noted?.path !== location.pathname || visit?.type !== "navigate") return undefined;
  const element = document.querySelector(noted.selector);
  if (!element) return undefined;
  element.focus({ preventScroll: true });
  scrollBy({ top: element.getBoundingClientRect().top - noted.top, behavior: "instant" });
  return noted.words;
}

/** Once only: whoever comes by another way begins at the top. */
function takeNoted() {
  try {
    const noted = JSON.parse(sessionStorage.getItem(STORAGE_KEY));
    sessionStorage.removeItem(STORAGE_KEY);
    return noted;
  } catch {
    return null;
  }
}
