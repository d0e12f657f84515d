// Choosing a file or folder of the server, among what the settings let admins see.

import { get } from "./api.js";
import { el, icon } from "./dom.js";
import { size } from "./words.js";

/**
 * Opens the picker.
 *
 * @param {{kind: "folder" | "dataset" | "weights", start: string, title: string}} wish
 * @returns {Promise<string | null>} the path, or null
 */
export function pickPath({ kind, start, title }) {
  const crumb = el("p", { class: "picker-path" });
  const list = el("ul", { class: "picker-list" });
  const message = el("p", { class: "fault", role: "alert", hidden: true });
  const take = el("button", { class: "button strong", type: "button" }, "Take this folder");
  const dialog = el(
    "dialog",
    { class: "dialog picker", "aria-labelledby": "picker-title" },
    el("h2", { id: "picker-title" }, title),
    crumb,
    message,
    list,
    el(
      "div",
      { class: "row dialog-actions" },
      el("button", { class: "button", type: "button", onclick: () => dialog.close("") }, "Cancel"),
      kind === "folder" ? take : null,
    ),
  );
  let here = "";
  take.addEventListener("click", () => dialog.close(here));

  async function open(path) {
    list.setAttribute("aria-busy", "true");
    try {
      const folder = await get(`/folders?kind=${kind}&path=${encodeURIComponent(path)}`);
      here = folder.path;
      crumb.textContent = folder.path || "Folders that may be used";
      take.disabled = !folder.path;
      message.hidden = true;
      const up = folder.parent === null ? [] : [entry("..", () => open(folder.parent), "the folder above")];
      list.replaceChildren(
        ...up,
        ...folder.entries.map((item) => (item.folder ? entry(`${item.name}/`, () => open(item.path)) : file(item))),
      );
      if (list.childElementCount === 0) list.append(el("li", { class: "hint" }, "Nothing here."));
      list.querySelector("button")?.focus();
    } catch (error) {
      message.textContent = error.message;
      message.hidden = false;
      if (path !== "" && here === "") await open("");
    } finally {
      list.removeAttribute("aria-busy");
    }
  }

  const file = (item) =>
    kind === "folder"
      ? el("li", { class: "picker-file hint" }, item.name)
      : entry(item.name, () => dialog.close(item.path), size(item.bytes));

  document.body.append(dialog);
  dialog.showModal();
  open(folderOf(start, kind));
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue || null);
      dialog.remove();
    });
  });
}

function entry(name, onclick, hint = "") {
  const folder = name.endsWith("/") || name === "..";
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", class: "picker-entry", onclick },
      icon(folder ? "folder" : "file"),
      el("span", {}, name),
      el("span", { class: "hint" }, hint),
    ),
  );
}

/** Where to begin: the folder of what is there now; the start where nothing is, or nothing absolute. */
function folderOf(path, kind) {
  if (!path.startsWith("/")) return "";
  return kind === "folder" ? path : path.replace(/\/[^/]*$/, "");
}
