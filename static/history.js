// The history's entry: selecting, deleting and undoing, endless paging, keys.

import { deleteCaptions, refreshShown, restoreCaptions } from "./captions-api.js";
import { enableCopyButtons, showCopyButtons } from "./clipboard.js";
import { countLocalDays } from "./days.js";
import { watchKeys, watchUndo } from "./history-keys.js";
import { followPages } from "./paging.js";
import { keepTimesFresh, refreshTimes } from "./relative-time.js";
import { Selection } from "./selection.js";
import { hideToast, showToast } from "./toast.js";
import { captionsText, Deletions, deletionText } from "./undo.js";

const form = document.getElementById("selection");
const list = document.getElementById("cards");
const found = document.getElementById("found");
const announcer = document.getElementById("announcer");
const announce = (message) => {
  announcer.textContent = message;
};
const deletions = new Deletions();
/** The cards that were taken off this page, by the first id of their deletion. */
const taken = new Map();
/** Cards whose deletion the server was asked for. */
const leaving = new Set();

enableCopyButtons(document, announce);
keepTimesFresh(document);
countLocalDays(document.querySelector(".filters"));
watchUndo(undo);
// While the toast offers to undo it, the notice does not; what comes after it is up to the notice.
document.getElementById("toast").addEventListener("close", () => deletions.showNotice());

// Without cards there is no toolbar, and nothing to select.
const selection = shown().length > 0 ? new Selection(list, { onChange: showSelection }) : null;
if (selection) {
  followPages(list, (cards) => {
    for (const card of cards) {
      showCopyButtons(card);
      refreshTimes(card);
    }
    selection.refresh();
    announce(`${cards.length} more captions`);
  });
  const menu = form.querySelector("details.menu");
  closeMenuOutside(menu);
  form.addEventListener("submit", (event) => {
    // An export is a download, which leaves the page where it is.
    menu.open = false;
    if (event.submitter?.id !== "delete-selected") return;
    event.preventDefault();
    remove(selection.cards);
  });
  watchKeys(list, selection, remove);
}

// Back from another page, the browser shows this one as it was left, though captions may have changed since.
window.addEventListener("pageshow", async (event) => {
  if (!event.persisted) return;
  // Undone on another page: its cards belong back onto this one.
  if ([...taken.keys()].some((first) => !deletions.has(first))) return location.reload();
  deletions.showNotice();
  count(-(await refreshShown(document)));
  selection?.refresh();
});

/** Takes the cards off the page and the server, with a way back. */
async function remove(wanted) {
  const cards = wanted.filter((card) => !leaving.has(card));
  if (cards.length === 0) return;
  for (const card of cards) leaving.add(card);
  const focusNext = nextAfter(cards);
  const ids = cards.map(idOf);
  try {
    await deleteCaptions(ids);
  } catch (error) {
    showToast(error.message);
    return;
  } finally {
    for (const card of cards) leaving.delete(card);
  }
  const deletion = deletions.add(ids);
  taken.set(ids[0], cards);
  selection.clear();
  for (const card of cards) card.remove();
  count(-cards.length);
  selection.refresh();
  const next = focusNext?.querySelector(".card-link") ?? list.querySelector(".empty a");
  (next ?? document.getElementById("main")).focus();
  showToast(deletionText(deletion), { label: "Undo", run: () => putBack(deletion, cards) });
  deletions.hideNotice();
}

/** Undoes the last deletion: in place, where its cards were on this page. Says whether there was one. */
function undo() {
  const { latest } = deletions;
  if (!latest) return false;
  const cards = taken.get(latest.ids[0]);
  if (cards) putBack(latest, cards);
  else deletions.sendNotice();
  return true;
}

async function putBack(deletion, cards) {
  // At once: who undoes again meanwhile means the deletion before it.
  if (!taken.delete(deletion.ids[0])) return;
  deletions.remove(deletion);
  let restored;
  try {
    restored = await restoreCaptions(deletion.ids);
  } catch (error) {
    deletions.put(deletion);
    taken.set(deletion.ids[0], cards);
    showToast(error.message);
    return;
  }
  // Some photos were captioned anew meanwhile: which, the page knows.
  if (restored < deletion.ids.length) return location.reload();
  // Newest first, and ids sort by age.
  const others = shown();
  for (const card of cards) list.insertBefore(card, others.find((other) => idOf(other) < idOf(card)) ?? null);
  count(cards.length);
  selection.refresh();
  cards[0].querySelector(".card-link").focus();
  hideToast();
  deletions.showNotice();
  announce(`${captionsText(cards.length)} brought back`);
}

function showSelection(cards) {
  const some = cards.length > 0;
  document.getElementById("delete-selected").disabled = !some;
  const copy = document.getElementById("copy-selected");
  copy.hidden = false;
  copy.disabled = !some;
  copy.dataset.copy = cards.map((card) => card.dataset.caption).join("\n");
  const total = captionsText(Number(found.dataset.total));
  document.getElementById("export-scope").textContent = some
    ? `The ${cards.length} selected.`
    : `All ${total} that match.`;
  found.textContent = some ? `${cards.length} of ${total} selected` : totalText();
  showEmptiness();
}

/** Without cards nothing can be selected either. While there are older ones, the next page is on its way. */
function showEmptiness() {
  const some = shown().length > 0;
  for (const tool of form.querySelectorAll(".pick-all, .tools")) tool.hidden = !some;
  const empty = list.querySelector(".empty");
  if (some) empty?.remove();
  else if (!empty && !document.getElementById("older")) list.append(noneLeft());
}

function noneLeft() {
  return document.getElementById("none-left").content.cloneNode(true);
}

function shown() {
  return [...list.querySelectorAll(".caption-card")];
}

function idOf(card) {
  return card.dataset.captionId;
}

/** The first card behind the removed ones, else the last before them. */
function nextAfter(cards) {
  const gone = new Set(cards);
  const all = shown();
  const last = all.indexOf(cards.at(-1));
  return all.slice(last).find((card) => !gone.has(card)) ?? all.slice(0, last).findLast((card) => !gone.has(card));
}

function count(change) {
  found.dataset.total = String(Number(found.dataset.total) + change);
  found.textContent = totalText();
}

function totalText() {
  return captionsText(Number(found.dataset.total)) + ("filtered" in found.dataset ? " found" : "");
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
