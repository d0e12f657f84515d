// What a run was started with: what differs from its recipe or from the run that it was cloned from, and the whole of it.

import { get, jobPath } from "./api.js";
import { el, table } from "./dom.js";
import { settingText } from "./words.js";

export async function showConfiguration(id) {
  const host = document.getElementById("configuration");
  try {
    const { toml, differences, former } = await get(jobPath(id, "/recipe"));
    const link = () => el("a", { href: `/admin/runs/${encodeURIComponent(former.id)}` }, former.name);
    const rows = differences.map(({ key, value, default: usual, paper }) => [
      el("code", {}, key),
      settingText(value),
      settingText(usual),
      settingText(paper),
    ]);
    const before = former ? ["Former run: ", link()] : "Recipe";
    const same = former ? ["As in the former run, ", link(), "."] : "As in the recipe.";
    host.replaceChildren(
      rows.length > 0
        ? table(
            `What differs from the ${former ? "former run" : "recipe"}`,
            ["Setting", "This run", before, "Paper"],
            rows,
          )
        : el("p", { class: "hint" }, same),
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
