// The history's entry: selecting, deleting and undoing, endless paging, keys.

import { deleteCaptions, restoreCaptions } from "./captions-api.js";
import { enableCopyButtons, showCopyButtons } from "./clipboard.js";
import { watchKeys } from "./history-keys.js";
import { followPages } from "./paging.js";
import { keepTimesFresh, refreshTimes } from "./relative-time.js";
import { Selection } from "./selection.js";
import { hideToast, showToast } from "./toast.js";

const form = document.getElementById("selection");
const list = document.getElementById("cards");
const found = document.getElementById("found");
const announcer = document.getElementById("announcer");
const announce = (message) => {
  announcer.textContent = message;
};

enableCopyButtons(document, announce);
keepTimesFresh(document);

// Without cards there is no toolbar, and nothing to select.
if (list.querySelector(".caption-card")) {
  const selection = new Selection(list, { onChange: showSelection });
  followPages(list, (cards) => {
    for (const card of cards) {
      showCopyButtons(card);
      refreshTimes(card);
    }
    selection.refresh();
    announce(`${cards.length} more captions`);
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter?.id !== "delete-selected") return;
    event.preventDefault();
    remove(selection.cards);
  });
  closeMenuOutside(form.querySelector("details.menu"));
  watchKeys(list, selection, remove);

  /** Takes the cards off the page and the server, with a way back. */
  async function remove(cards) {
    if (cards.length === 0) return;
    const places = cards.map((card) => ({ card, next: card.nextElementSibling }));
    const focusNext = nextAfter(cards);
    try {
      await deleteCaptions(cards.map((card) => card.dataset.captionId));
    } catch (error) {
      showToast(error.message);
      return;
    }
    selection.clear();
    for (const card of cards) card.remove();
    count(-cards.length);
    focusNext?.querySelector(".card-link").focus();
    showToast(`${captions(cards.length)} deleted`, { label: "Undo", run: () => putBack(places) });
  }

  async function putBack(places) {
    try {
      await restoreCaptions(places.map(({ card }) => card.dataset.captionId));
    } catch (error) {
      showToast(error.message);
      return;
    }
    // From the last to the first: each one's neighbour is in its place again.
    for (const { card, next } of places.toReversed()) list.insertBefore(card, next);
    count(places.length);
    selection.refresh();
    places[0].card.querySelector(".card-link").focus();
    hideToast();
    announce(`${captions(places.length)} brought back`);
  }

  function showSelection(cards) {
    const some = cards.length > 0;
    document.getElementById("delete-selected").disabled = !some;
    const copy = document.getElementById("copy-selected");
    copy.hidden = false;
    copy.disabled = !some;
    copy.dataset.copy = cards.map((card) => card.dataset.caption).join("\n");
    document.getElementById("export-scope").textContent = some
      ? `The ${cards.length} selected.`
      : `All ${captions(Number(found.dataset.total))} that match.`;
    found.textContent = some ? `${cards.length} of ${captions(Number(found.dataset.total))} selected` : totalText();
  }
}

/** The first card behind the removed ones, else the last before them. */
function nextAfter(cards) {
  const gone = new Set(cards);
  const all = [...list.querySelectorAll(".caption-card")];
  const last = all.indexOf(cards.at(-1));
  return all.slice(last).find((card) => !gone.has(card)) ?? all.slice(0, last).findLast((card) => !gone.has(card));
}

function count(change) {
  found.dataset.total = String(Number(found.dataset.total) + change);
  found.textContent = totalText();
}

function captions(number) {
  return `${number.toLocaleString("en")} ${number === 1 ? "caption" : "captions"}`;
}

function totalText() {
  return captions(Number(found.dataset.total)) + ("filtered" in found.dataset ? " found" : "");
}

function closeMenuOutside(menu) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
