// The form of a recipe, made of its own typed fields: what differs from the recipe stands out.

import { el } from "./dom.js";
import { pickPath } from "./folder-picker.js";
import { numberText, settingText } from "./words.js";

const GROUPS = {
  data: ["Data", "Photos and captions, on the server."],
  weights: ["Weights from elsewhere", "Files that phases start from."],
  model: ["Model", "Its sizes. Weights fit only a model of the same sizes."],
  run: ["Chance", ""],
};

/** What the recipe is called that the form began with. */
const originText = (recipe) => (isOfRun(recipe) ? "former run" : "recipe");

/** Whether it is that of a former run, and not one that is shipped. */
export const isOfRun = (recipe) => recipe !== null && recipe.name.startsWith("job:");

const PICKS = { file: "weights", folder: "folder" };
/** Files of JSON, not of weights. */
const DATASETS = ["data.dataset", "data.captions", "data.vocabulary"];

/** One value of the recipe. */
class Field {
  constructor(field, origin, onChange) {
    this.field = field;
    this.origin = origin;
    const id = `field-${field.key.replaceAll(".", "-")}`;
    this.input = control(field, id);
    this.input.addEventListener("input", () => this.#changed(onChange));
    this.note = el("p", { class: "field-note" });
    this.error = el("p", { class: "field-error", id: `${id}-error`, hidden: true });
    const describes = `${id}-help ${id}-error`;
    this.input.setAttribute("aria-describedby", describes);
    this.element = el(
      "div",
      { class: "field recipe-field", "data-key": field.key },
      el("label", { for: id }, field.label),
      el("div", { class: "with-unit" }, this.input, this.#unit(), this.#picker(onChange)),
      this.note,
      this.error,
      el("p", { class: "hint", id: `${id}-help` }, field.help),
    );
    this.#showNote();
  }

  #unit() {
    return this.field.unit ? el("span", { class: "unit" }, this.field.unit) : null;
  }

  #picker(onChange) {
    const kind = DATASETS.includes(this.field.key) ? "dataset" : PICKS[this.field.kind];
    if (!kind) return null;
    const choose = async () => {
      const path = await pickPath({ kind, start: this.input.value, title: this.field.label });
      if (path === null) return;
      this.input.value = path;
      this.#changed(onChange);
    };
    return el(
      "button",
      { class: "button small", type: "button", onclick: choose },
      "Choose",
      el("span", { class: "visually-hidden" }, `: ${this.field.label}`),
    );
  }

  get differs() {
    return this.text !== this.originalText;
  }

  get text() {
    return this.input.type === "checkbox" ? String(this.input.checked) : this.input.value.trim();
  }

  get originalText() {
    return typed(this.field, this.field.value);
  }

  /** The value as JSON; the text where it is none, so that the server can say what is wrong with it. */
  get value() {
    const { kind } = this.field;
    if (kind === "boolean") return this.input.checked;
    if (this.text === "") return null;
    if (kind === "integer" || kind === "number") return Number.isNaN(Number(this.text)) ? this.text : Number(this.text);
    if (kind === "list")
      return this.text
        .split(/[\s,[\]]+/)
        .filter(Boolean)
        .map((part) => (Number.isNaN(Number(part)) ? part : Number(part)));
    return this.text;
  }

  reset() {
    if (this.input.type === "checkbox") this.input.checked = Boolean(this.field.value);
    else this.input.value = this.originalText;
  }

  showError(message) {
    this.error.textContent = message;
    this.error.hidden = !message;
    if (message) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  #changed(onChange) {
    this.showError("");
    this.#showNote();
    onChange();
  }

  #showNote() {
    const { value, paper } = this.field;
    this.element.classList.toggle("differs", this.differs);
    const parts = [];
    if (this.differs) {
      const back = () => {
        this.reset();
        this.input.dispatchEvent(new Event("input"));
        this.input.focus();
      };
      const reset = el(
        "button",
        { class: "link-button", type: "button", onclick: back },
        "back",
        el("span", { class: "visually-hidden" }, ` to the ${this.origin}’s ${this.field.label}`),
      );
      parts.push(el("span", { class: "changed" }, `${this.origin}: ${settingText(value)}`), reset);
    }
    if (paper !== null) parts.push(el("span", {}, `paper: ${settingText(paper)}`));
    this.note.replaceChildren(...parts);
  }
}

/** All fields of a recipe, and which of its phases are to be run. */
export class RecipeForm {
  /** @param {HTMLElement} host @param {() => void} onChange */
  constructor(host, onChange) {
    this.host = host;
    this.onChange = onChange;
    this.recipe = null;
    this.fields = [];
    this.phases = [];
  }

  /**
   * Shows a recipe. Paths of data that were chosen for one stay for another, where both are shipped: a former run has
   * its own.
   *
   * @param {object} recipe
   * @param {string[] | null} chosen names of the phases to tick; all without
   * @returns {string[]} labels of the fields whose changes are dropped
   */
  show(recipe, chosen = null) {
    const changed = this.fields.filter((field) => field.differs);
    const shipped = !isOfRun(this.recipe) && !isOfRun(recipe);
    const stays = ({ field }) => shipped && field.group === "data" && field.kind in PICKS;
    const kept = new Map(changed.filter(stays).map((field) => [field.field.key, field.text]));
    this.recipe = recipe;
    this.fields = recipe.fields.map((field) => new Field(field, originText(recipe), this.onChange));
    for (const field of this.fields) {
      if (!kept.has(field.field.key)) continue;
      field.input.value = kept.get(field.field.key);
      field.input.dispatchEvent(new Event("input"));
    }
    this.phases = recipe.phases.map(({ name, step }) => {
      const checked = chosen === null || chosen.includes(name);
      const box = el("input", { type: "checkbox", id: `phase-${name}`, checked, onchange: this.onChange });
      return { name, step, box };
    });
    this.#draw();
    const named = ({ group, label }) => (group in GROUPS ? label : `${group}: ${label}`);
    return changed.filter((field) => !stays(field)).map(({ field }) => named(field));
  }

  #draw() {
    this.host.replaceChildren(
      this.#section("data"),
      this.#section("weights"),
      el(
        "section",
        { class: "form-part", "aria-labelledby": "phases-title" },
        el("h2", { id: "phases-title" }, "Phases"),
        el("p", { class: "hint" }, "Ticked ones are run, from top to bottom."),
        this.phases.map((phase, index) => this.#phase(phase, index)),
      ),
      this.#folded(["model", "run"], "Model and seed"),
    );
    this.host.removeAttribute("aria-busy");
  }

  /** `{"xe.batch_size": 32}`: what differs from the recipe. */
  get settings() {
    return Object.fromEntries(
      this.fields.filter((field) => field.differs).map((field) => [field.field.key, field.value]),
    );
  }

  /** The names of the ticked phases. */
  get chosenPhases() {
    return this.phases.filter(({ box }) => box.checked).map(({ name }) => name);
  }

  /** Shows a refusal of the server at the field that it names. False where it names none. */
  showError(message) {
    for (const field of this.fields) field.showError("");
    const named = this.fields
      .filter((field) => message.includes(field.field.key))
      .sort((a, b) => b.field.key.length - a.field.key.length);
    if (named.length === 0) return false;
    const [field] = named;
    for (let parent = field.element.parentElement; parent; parent = parent.parentElement) {
      if (parent.tagName === "DETAILS") parent.open = true;
      // That of a phase which is not run: its values must be some all the same.
      if (parent.classList.contains("phase-body")) parent.hidden = false;
    }
    field.showError(message);
    field.input.focus();
    return true;
  }

  #of(group, advanced) {
    return this.fields.filter(
      ({ field }) => field.group === group && (advanced === undefined || field.advanced === advanced),
    );
  }

  #grid(fields) {
    if (fields.length === 0) return null;
    const wide = fields.some(({ field }) => field.kind === "file" || field.kind === "folder");
    return el(
      "div",
      { class: wide ? "form-grid wide" : "form-grid" },
      fields.map((field) => field.element),
    );
  }

  #more(group, label) {
    const fields = this.#of(group, true);
    if (fields.length === 0) return null;
    return el("details", { class: "more" }, el("summary", {}, label), this.#grid(fields));
  }

  #section(group) {
    const [title, hint] = GROUPS[group];
    const id = `${group}-title`;
    return el(
      "section",
      { class: "panel form-part", "aria-labelledby": id },
      el("h2", { id }, title),
      el("p", { class: "hint" }, hint),
      this.#grid(this.#of(group, false)),
      this.#more(group, "More"),
    );
  }

  #folded(groups, title) {
    return el(
      "details",
      { class: "panel form-part" },
      el("summary", {}, el("h2", {}, title)),
      groups.map((group) => this.#grid(this.#of(group))),
    );
  }

  #phase({ name, step, box }, index) {
    const body = el(
      "div",
      { class: "phase-body", hidden: !box.checked },
      this.#grid(this.#of(name, false)),
      this.#more(name, "More settings"),
    );
    box.addEventListener("change", () => {
      body.hidden = !box.checked;
    });
    return el(
      "section",
      { class: "panel phase-part", "aria-label": `Phase ${name}` },
      el(
        "label",
        { class: "phase-head" },
        box,
        el("strong", {}, `${index + 1}. ${name}`),
        el("span", { class: "hint" }, STEPS[step] ?? step),
      ),
      body,
    );
  }
}

const STEPS = {
  features: "stores what the backbone sees in every photo",
  "cross-entropy": "learns the captions that people wrote",
  "self-critical": "learns from the scores of its own captions",
  evaluation: "captions photos and judges the captions",
};

export const stepText = (step) => STEPS[step] ?? step;

function control(field, id) {
  if (field.kind === "boolean") return el("input", { id, type: "checkbox", checked: Boolean(field.value) });
  if (field.kind === "choice") {
    const none = field.key.endsWith(".features") ? "none: photos" : "none: fresh";
    // A run may begin from what no list can offer: a checkpoint of one's own.
    const own = field.value && !field.choices.includes(field.value) ? [field.value] : [];
    const options = [...field.choices, ...own].map((choice) =>
      el("option", { value: choice }, choice === "" ? none : choice),
    );
    const select = el("select", { id }, options);
    select.value = field.value ?? "";
    return select;
  }
  const numeric = field.kind === "integer" ? "numeric" : field.kind === "number" ? "decimal" : null;
  return el("input", { id, type: "text", inputmode: numeric, autocomplete: "off", value: typed(field, field.value) });
}

/** A value as it stands in its field. */
function typed(field, value) {
  if (field.kind === "boolean") return String(Boolean(value));
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "number" ? numberText(value) : String(value);
}
