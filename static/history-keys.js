// The history by keyboard: arrows from card to card, Space selects, Delete deletes, Ctrl+Z brings back, / searches.

/** Elements that use these keys themselves. */
const OWN_KEYS = "input:not([type=checkbox]), select, textarea";

/**
 * @param {HTMLElement} list of cards
 * @param {import("./selection.js").Selection} selection
 * @param {(cards: HTMLElement[]) => void} remove
 */
export function watchKeys(list, selection, remove) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.(OWN_KEYS)) return;
    const card = document.activeElement?.closest?.(".caption-card");
    const onLink = document.activeElement?.matches?.(".card-link");
    if (event.key === "/") {
      document.getElementById("query").focus();
    } else if (event.key.startsWith("Arrow")) {
      const next = neighbour(list, card, event.key);
      if (!next) return;
      next.querySelector(".card-link").focus();
      next.scrollIntoView({ block: "nearest" });
    } else if (event.key === " " && onLink) {
      selection.toggle(card, event.shiftKey);
    } else if (event.key === "Delete") {
      const chosen = selection.cards;
      if (chosen.length > 0) remove(chosen);
      else if (card) remove([card]);
      else return;
    } else if (event.key === "Escape" && selection.cards.length > 0) {
      selection.clear();
    } else {
      return;
    }
    event.preventDefault();
  });
}

/**
 * Ctrl+Z, on a Mac Cmd+Z, wherever no text is being written.
 * @param {() => boolean} undo says whether there was anything to undo
 */
export function watchUndo(undo) {
  document.addEventListener("keydown", (event) => {
    const pressed = event.key?.toLowerCase() === "z" && event.ctrlKey !== event.metaKey;
    if (!pressed || event.altKey || event.shiftKey || event.target.closest?.(OWN_KEYS)) return;
    if (undo()) event.preventDefault();
  });
}

/** The card in this direction; from outside the list only Down leads in. */
function neighbour(list, card, key) {
  const cards = [...list.querySelectorAll(".caption-card")];
  if (!card) return key === "ArrowDown" && document.activeElement === document.body ? cards[0] : undefined;
  const index = cards.indexOf(card);
  if (key === "ArrowLeft") return cards[index - 1];
  if (key === "ArrowRight") return cards[index + 1];
  return cards[index + (key === "ArrowUp" ? -1 : 1) * columns(cards)];
}

/** How many cards stand in the first row. */
function columns(cards) {
  const next = cards.findIndex((card) => card.offsetTop > cards[0].offsetTop);
  return next === -1 ? cards.length : next;
}
