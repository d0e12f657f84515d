// Stored captions, through the API: read anew, changed, deleted and brought back, exported.

import { showScore } from "./score.js";

/** Ids that one request carries. */
const AT_ONCE = 500;
/** Captions that are read at the same time. */
const READ_AT_ONCE = 4;

export const deleteCaptions = (ids) => inPortions("/api/captions/delete", ids);

/** @returns {Promise<number>} how many came back: not those whose photos were captioned anew meanwhile */
export async function restoreCaptions(ids) {
  const answers = await inPortions("/api/captions/restore", ids);
  return answers.reduce((sum, { restored }) => sum + restored, 0);
}

/**
 * Puts other words in place of a caption's.
 * @returns {Promise<object>} the caption as it is then
 * @throws {Error} with words for a person
 */
export async function editCaption(id, words) {
  const response = await send("PATCH", address(id), { caption: words });
  return response.json();
}

/**
 * @param {string[]} ids
 * @param {"csv" | "json" | "txt"} format
 * @returns {Promise<File>} under the server's name for it
 * @throws {Error} with words for a person
 */
export async function exportCaptions(ids, format) {
  const response = await send("POST", "/api/captions/export", { ids, format });
  const name = /filename="(.+?)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
  return new File([await response.blob()], name ?? `captions.${format}`);
}

/**
 * Brings the cards of stored captions below `root` up to date, for a page that comes back out of the browser's
 * memory: with the words of now, and without those whose caption is gone.
 * @returns {Promise<number>} how many cards are gone
 */
export async function refreshShown(root) {
  const ids = [...root.querySelectorAll(".caption-card[data-caption-id]")].map((card) => card.dataset.captionId);
  let gone = 0;
  await readCaptions(ids, (id, caption) => {
    if (caption) return showCaption(root, caption);
    for (const card of cardsOf(root, id)) {
      card.remove();
      gone += 1;
    }
  });
  return gone;
}

/** Puts a caption's words of now on its cards below `root`, made from templates/caption_card.html. */
export function showCaption(root, caption) {
  const words = caption.caption;
  for (const card of cardsOf(root, caption.id)) {
    card.dataset.caption = words;
    card.querySelector(".card-link").textContent = words;
    card.querySelector("[data-copy]").dataset.copy = words;
    showScore(card.querySelector(".meta > span"), caption);
    const pick = card.querySelector(".pick .visually-hidden");
    if (pick) pick.textContent = `Select: ${words}`;
  }
}

/**
 * Reads captions anew, a few at a time; those that cannot be read now are passed over.
 * @param {string[]} ids
 * @param {(id: string, caption: object | null) => void} onRead null: it is gone
 */
export async function readCaptions(ids, onRead) {
  const waiting = [...new Set(ids)];
  const read = async () => {
    while (waiting.length > 0) {
      const id = waiting.shift();
      const caption = await readCaption(id);
      if (caption !== undefined) onRead(id, caption);
    }
  };
  await Promise.all(Array.from({ length: READ_AT_ONCE }, read));
}

/** @returns {Promise<object | null | undefined>} null: it is gone; undefined: nobody can tell now */
async function readCaption(id) {
  try {
    const response = await fetch(address(id), { headers: { Accept: "application/json" } });
    if (response.ok) return await response.json();
    return response.status === 404 ? null : undefined;
  } catch {
    return undefined;
  }
}

const address = (id) => `/api/captions/${encodeURIComponent(id)}`;

/** @returns {NodeListOf<HTMLElement>} mostly one */
const cardsOf = (root, id) => root.querySelectorAll(`.caption-card[data-caption-id="${CSS.escape(id)}"]`);

/**
 * @returns {Promise<object[]>} what each request was answered
 * @throws {Error} with words for a person
 */
async function inPortions(address, ids) {
  const answers = [];
  for (let start = 0; start < ids.length; start += AT_ONCE) {
    const response = await send("POST", address, { ids: ids.slice(start, start + AT_ONCE) });
    answers.push(await response.json());
  }
  return answers;
}

/** @throws {Error} with words for a person */
async function send(method, address, body) {
  let response;
  try {
    response = await fetch(address, {
      method,
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The server was not reached. Nothing was changed.");
  }
  if (response.ok) return response;
  // The API's own words are for programs.
  if (response.status === 401) throw new Error("Sign in, then try again.");
  if (response.status === 404) throw new Error("This caption was deleted.");
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? "The server could not do it. Try again in a moment.");
}
