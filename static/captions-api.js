// Deleting captions and bringing them back.

/** Ids that one request carries. */
const AT_ONCE = 500;

export const deleteCaptions = (ids) => inPortions("/api/captions/delete", ids);
export const restoreCaptions = (ids) => inPortions("/api/captions/restore", ids);

/** @throws {Error} with words for a person */
async function inPortions(address, ids) {
  for (let start = 0; start < ids.length; start += AT_ONCE) await post(address, ids.slice(start, start + AT_ONCE));
}

async function post(address, ids) {
  let response;
  try {
    response = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ ids }),
    });
  } catch {
    throw new Error("The server was not reached. Nothing was changed.");
  }
  if (response.ok) return;
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? "The server could not do it. Try again in a moment.");
}
