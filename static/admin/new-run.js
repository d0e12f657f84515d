// The entry of "New run": choose a recipe or a former run, change what differs, check, start.

import { get, post } from "./api.js";
import { hasErrors, hasWarnings, reportElements } from "./check-report.js";
import { el, setText } from "./dom.js";
import { RecipeForm, isOfRun } from "./recipe-form.js";
import { showToast } from "../toast.js";

const form = document.getElementById("new-run");
const recipeChoice = document.getElementById("recipe");
const nameField = document.getElementById("run-name");
const deviceChoice = document.getElementById("device");
const checkButton = document.getElementById("check");
const startButton = document.getElementById("start");
const report = document.getElementById("report");
const announcer = document.getElementById("announcer");
const recipeForm = new RecipeForm(document.getElementById("fields"), onChange);

/** Recipes by what the API calls them: a name, or `job:…`. */
const recipes = new Map();
/** Former runs, by what the API calls their recipes. */
const formerRuns = new Map();
let nameIsOwn = false;
let deviceIsOwn = false;
/** The wish that was checked last, and whether the server would take it. */
let checked = { wish: "", startable: false };

nameField.addEventListener("input", () => {
  nameIsOwn = true;
});
deviceChoice.addEventListener("change", () => {
  deviceIsOwn = true;
});
recipeChoice.addEventListener("change", () => showRecipe(recipeChoice.value));
// Enter in a field is the check's, too: nothing starts by mistake.
form.addEventListener("submit", (event) => {
  event.preventDefault();
  check({ measure: true });
});
startButton.addEventListener("click", start);
begin();

async function begin() {
  try {
    const [{ recipes: shipped }, { jobs }] = await Promise.all([get("/recipes"), get("/jobs")]);
    for (const recipe of shipped) recipes.set(recipe.name, recipe);
    const runs = jobs.filter((job) => job.kind === "train");
    for (const job of runs) formerRuns.set(`job:${job.id}`, job);
    const options = (list) => list.map(([value, text]) => el("option", { value }, text));
    recipeChoice.append(
      el("optgroup", { label: "Recipes" }, options(shipped.map(({ name, title }) => [name, title ?? name]))),
    );
    if (runs.length > 0) {
      recipeChoice.append(
        el("optgroup", { label: "Former runs" }, options(runs.map(({ id, name }) => [`job:${id}`, name]))),
      );
    }
    const wanted = new URLSearchParams(location.search).get("from");
    if (wanted && runs.some(({ id }) => id === wanted)) recipeChoice.value = `job:${wanted}`;
    await showRecipe(recipeChoice.value);
  } catch (error) {
    showToast(error.message);
  }
}

async function showRecipe(name) {
  try {
    if (!recipes.has(name)) {
      const { recipes: found } = await get(`/recipes?job=${encodeURIComponent(name.replace(/^job:/, ""))}`);
      recipes.set(name, found[0]);
    }
  } catch (error) {
    showToast(error.message);
    if (recipeForm.recipe !== null) recipeChoice.value = recipeForm.recipe.name;
    return;
  }
  // Another may have been chosen while this one came.
  if (recipeChoice.value !== name) return;
  const recipe = recipes.get(name);
  const former = formerRuns.get(name);
  const phases = former ? former.phases.filter(({ selected }) => selected).map((phase) => phase.name) : null;
  const dropped = recipeForm.show(recipe, phases);
  setText(document.getElementById("recipe-description"), recipe.description ?? "");
  if (!nameIsOwn) nameField.value = suggestedName(name);
  if (!deviceIsOwn) deviceChoice.value = former?.device ?? "auto";
  report.hidden = true;
  onChange();
  if (dropped.length > 0) showToast(droppedText(dropped));
}

/** `Not taken over from what was chosen before: Seed, Batch size and 3 more.` */
function droppedText(labels) {
  const some = labels.length > 3 ? [...labels.slice(0, 2), `${labels.length - 2} more`] : labels;
  const text = some.length > 1 ? `${some.slice(0, -1).join(", ")} and ${some.at(-1)}` : some[0];
  return `Not taken over from what was chosen before: ${text}.`;
}

function suggestedName(recipe) {
  const day = new Date().toLocaleDateString("sv");
  return recipe.startsWith("job:") ? `${recipeChoice.selectedOptions[0].textContent} again` : `${recipe} ${day}`;
}

function wish() {
  const phases = recipeForm.chosenPhases;
  return {
    name: nameField.value.trim(),
    recipe: recipeChoice.value,
    settings: recipeForm.settings,
    phases: phases.length === recipeForm.phases.length ? null : phases,
    device: deviceChoice.value,
  };
}

function onChange() {
  const changes = Object.keys(recipeForm.settings).length;
  const origin = isOfRun(recipeForm.recipe) ? "the former run" : "the recipe";
  setText(
    document.getElementById("changes"),
    changes === 0
      ? `As in ${origin}.`
      : `${changes} ${changes === 1 ? "value differs" : "values differ"} from ${origin}.`,
  );
  startButton.disabled = recipeForm.chosenPhases.length === 0;
  setText(startButton, "Start the run");
}

/** Asks the server whether a run could start like this. True where it could. */
async function check({ measure }) {
  const wanted = wish();
  busy(measure ? "Checking and measuring…" : "Checking…");
  try {
    const found = await post("/jobs/check", { ...wanted, measure });
    recipeForm.showError("");
    report.hidden = false;
    document.getElementById("report-content").replaceChildren(...reportElements(found));
    checked = { wish: JSON.stringify(wanted), startable: !hasErrors(found) };
    announcer.textContent = hasErrors(found) ? "The run cannot start like this." : "The check is done.";
    if (hasErrors(found) || measure) showReport();
    return { startable: checked.startable, calm: !hasWarnings(found) };
  } catch (error) {
    refuse(error);
    return { startable: false, calm: false };
  } finally {
    busy("");
  }
}

async function start() {
  if (!nameField.value.trim()) {
    nameField.focus();
    showToast("The run needs a name.");
    return;
  }
  const known = checked.startable && checked.wish === JSON.stringify(wish());
  if (!known) {
    const { startable, calm } = await check({ measure: false });
    if (!startable) return;
    if (!calm) {
      // Somebody reads the warnings first, and then presses the same button.
      setText(startButton, "Start anyway");
      showReport();
      return;
    }
  }
  busy("Starting…");
  try {
    const job = await post("/jobs", { ...wish(), start: true });
    location.href = `/admin/runs/${encodeURIComponent(job.id)}`;
  } catch (error) {
    refuse(error);
    busy("");
  }
}

// Back from the run, the browser shows this page as it was left.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) busy("");
});

/** Says what is wrong: at the field that is meant, else in the report; what was found before counts no more. */
function refuse(error) {
  report.hidden = recipeForm.showError(error.message);
  if (report.hidden) return;
  document.getElementById("report-content").replaceChildren(el("p", { class: "fault", role: "alert" }, error.message));
  showReport();
}

function showReport() {
  report.scrollIntoView({ block: "nearest" });
  report.focus({ preventScroll: true });
}

function busy(text) {
  for (const button of [checkButton, startButton]) button.disabled = text !== "";
  if (text) setText(document.getElementById("changes"), text);
  else onChange();
  form.toggleAttribute("aria-busy", text !== "");
}
