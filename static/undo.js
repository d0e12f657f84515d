// What was deleted can be brought back for a while. It is kept for this tab, so that neither a reload nor another page
// loses the way back, which the notice on top of the history offers.

import { momentText } from "./relative-time.js";

const STORAGE_KEY = "expansionnet.deletions";
/** The longest that a timer of the browser can wait. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** @typedef {{ids: string[], until: number}} Deletion of these captions, gone for good from then on by `Date.now()` */

export class Deletions {
  #notice = document.getElementById("undo");
  /** What the notice offers. */
  #offered;
  #timer;

  constructor() {
    const served = [...this.#notice.querySelectorAll("[name=ids]")].map((field) => field.value);
    if (served.length > 0) {
      this.add(served);
      forgetInAddress();
    }
    // It leads to another page.
    this.#notice.addEventListener("submit", () => this.remove(this.#offered));
    this.showNotice();
  }

  /**
   * @param {string[]} ids deleted just now
   * @returns {Deletion}
   */
  add(ids) {
    const deletion = { ids, until: Date.now() + Number(this.#notice.dataset.undoMinutes) * 60_000 };
    this.put(deletion);
    return deletion;
  }

  /** @param {Deletion} deletion one that can be undone after all */
  put(deletion) {
    keep([...kept(), deletion]);
  }

  /** @param {Deletion} deletion one that is undone */
  remove({ ids }) {
    keep(kept().filter((other) => other.ids[0] !== ids[0]));
  }

  /** @param {string} first id of a deletion: whether that can still be undone */
  has(first) {
    return kept().some(({ ids }) => ids[0] === first);
  }

  /** The last one that can still be undone. */
  get latest() {
    return kept().at(-1);
  }

  /** Offers the last one for as long as it can be undone. */
  showNotice() {
    clearTimeout(this.#timer);
    this.#offered = this.latest;
    this.#notice.hidden = !this.#offered;
    if (!this.#offered) return;
    document.getElementById("undo-text").textContent = deletionText(this.#offered);
    for (const field of this.#notice.querySelectorAll("[name=ids]")) field.remove();
    this.#notice.append(...this.#offered.ids.map(hiddenField));
    const wait = Math.min(this.#offered.until - Date.now(), LONGEST_WAIT_MS);
    this.#timer = setTimeout(() => this.showNotice(), wait);
  }

  /** Leaves the offer to another place, until it is shown again. */
  hideNotice() {
    this.#notice.hidden = true;
  }

  /** Undoes the last one as a press on the notice's button does. */
  sendNotice() {
    this.showNotice();
    this.#notice.requestSubmit();
  }
}

/** @param {Deletion} deletion */
export function deletionText({ ids, until }) {
  return `${captionsText(ids.length)} deleted. This can be undone until ${momentText(new Date(until))}.`;
}

/** "1 caption", "1,234 captions" */
export function captionsText(number) {
  return `${number.toLocaleString("en")} ${number === 1 ? "caption" : "captions"}`;
}

/** Those that can still be undone, the last one last. */
function kept() {
  try {
    const deletions = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "[]");
    return deletions.filter((deletion) => deletion.until > Date.now());
  } catch {
    return [];
  }
}

function keep(deletions) {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(deletions));
  } catch {
    // Storage switched off or full: the way back then lasts as long as the page.
  }
}

/** The page's address says what was deleted just before; a reload would offer it anew, with all of its time. */
function forgetInAddress() {
  const address = new URL(location.href);
  address.searchParams.delete("deleted");
  history.replaceState(history.state, "", address);
}

function hiddenField(id) {
  return Object.assign(document.createElement("input"), { type: "hidden", name: "ids", value: id });
}
