// What a run was started with: what differs from its recipe, and the whole of it.

import { get, jobPath } from "./api.js";
import { el, table } from "./dom.js";
import { settingText } from "./words.js";

export async function showConfiguration(id) {
  const host = document.getElementById("configuration");
  try {
    const { toml, differences } = await get(jobPath(id, "/recipe"));
    const rows = differences.map(({ key, value, default: usual, paper }) => [
      el("code", {}, key),
      settingText(value),
      settingText(usual),
      settingText(paper),
    ]);
    host.replaceChildren(
      rows.length > 0
        ? table("What differs from the recipe", ["Setting", "This run", "Recipe", "Paper"], rows)
        : el("p", { class: "hint" }, "As in the recipe."),
      el(
        "details",
        { class: "whole-recipe" },
        el("summary", {}, "The whole recipe"),
        el("pre", { class: "panel", tabIndex: 0 }, el("code", {}, toml)),
      ),
    );
  } catch (error) {
    host.replaceChildren(el("p", { class: "hint" }, error.message));
  }
}
