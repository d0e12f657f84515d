// The caption options: kept within their bounds, remembered in this browser.

const STORAGE_KEY = "expansionnet.caption-options";

/**
 * Restores remembered options into the form's number fields and keeps them valid.
 * @param {HTMLFormElement} form
 * @returns {() => Object<string, number>} reads the options as the API names them
 */
export function captionOptions(form) {
  const fields = [...form.querySelectorAll("input[type=number]")];

  for (const [name, value] of Object.entries(recall())) {
    const field = fields.find((field) => field.name === name);
    if (field) field.value = value;
  }
  tidy(form, fields);

  form.addEventListener("change", (event) => {
    if (!fields.includes(event.target)) return;
    tidy(form, fields);
    remember(read(fields));
  });
  // The fields take their defaults after this event.
  form.addEventListener("reset", () => setTimeout(() => {
    tidy(form, fields);
    remember({});
  }));

  return () => {
    tidy(form, fields);
    return read(fields);
  };
}

/** Only what differs from the server's defaults: those are the server's to change. */
function read(fields) {
  const changed = fields.filter((field) => field.value !== field.defaultValue);
  return Object.fromEntries(changed.map((field) => [field.name, Number(field.value)]));
}

/** Brings every field to a whole number within its bounds; no more candidates than beams. */
function tidy(form, fields) {
  for (const field of fields) {
    const typed = Number.parseInt(field.value, 10);
    const wanted = Number.isFinite(typed) ? typed : Number(field.defaultValue);
    field.value = String(clamp(wanted, Number(field.min), Number(field.max)));
  }
  const beams = Number(form.elements.beam_size.value);
  const candidates = form.elements.candidates;
  candidates.value = String(clamp(Number(candidates.value), 1, beams));
}

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

function recall() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}") ?? {};
  } catch {
    // Storage switched off or holding something else: the defaults do.
    return {};
  }
}

function remember(options) {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(options));
  } catch {
    // Private windows may refuse; the options then last for this visit.
  }
}
