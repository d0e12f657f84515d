// Elements made of data. Text goes in as text, so that nothing a run says becomes markup.

/**
 * An element: properties by name, `data-…`, `aria-…` and other attributes with their hyphen, `on…` listeners;
 * children are elements, texts, or nothing.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || !(name in element)) element.setAttribute(name, value === true ? "" : value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Changes the text only where it is another, so that screen readers and selections are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Puts others in the place of a host's children; the focus stays on the same button or link, or goes to the first. */
export function replaceKeepingFocus(host, ...children) {
  const focused = host.contains(document.activeElement) ? document.activeElement : null;
  host.replaceChildren(...children);
  if (focused === null) return;
  const choices = [...host.querySelectorAll(":is(button, a, summary):not(:disabled, [hidden])")].filter(isOpen);
  (choices.find((choice) => keyOf(choice) === keyOf(focused)) ?? choices[0])?.focus();
}

const isOpen = (element) => element.matches("summary") || element.closest("details:not([open])") === null;
const keyOf = ({ dataset, href, tagName }) => dataset.action ?? dataset.activate ?? href ?? tagName;

/** An icon of static/icons.svg. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A table: a caption for screen readers, the header's cells, rows of cells. The first cell names its row. */
export function table(caption, header, rows) {
  const cell = (content, first) => el(first ? "th" : "td", first ? { scope: "row" } : {}, content);
  return el(
    "div",
    { class: "table-scroll", tabindex: "0", role: "group", "aria-label": caption },
    el(
      "table",
      { class: "data-table" },
      el("caption", { class: "visually-hidden" }, caption),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          header.map((text) => el("th", { scope: "col" }, text)),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map((row) =>
          el(
            "tr",
            {},
            row.map((content, index) => cell(content, index === 0)),
          ),
        ),
      ),
    ),
  );
}

/**
 * Asks for a confirmation; resolves to the form's fields, or null.
 *
 * Enter in a text field is the action, since its button is the only one that submits; on a box that is ticked it is
 * nothing.
 */
export function confirmed({ title, text, action, danger = true, extra = null }) {
  const onkeydown = (event) => {
    if (event.key === "Enter" && event.target.type === "checkbox") event.preventDefault();
  };
  const form = el(
    "form",
    { method: "dialog", onkeydown },
    el("h2", { id: "confirm-title" }, title),
    text ? el("p", {}, text) : null,
    extra,
    el(
      "div",
      { class: "row dialog-actions" },
      el("button", { class: "button", type: "button", onclick: () => dialog.close("") }, "Cancel"),
      el("button", { class: danger ? "button danger" : "button strong", value: "yes" }, action),
    ),
  );
  const dialog = el("dialog", { class: "dialog", "aria-labelledby": "confirm-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes" ? new FormData(form) : null);
      dialog.remove();
    });
  });
}
