// The JSON API under /api/admin.

const BASE = "/api/admin";

/** What went wrong, in words for a person. */
export class Problem extends Error {
  /** @param {number} status 0 where the server was not reached */
  constructor(message, status = 0, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const get = (path) => request("GET", path);
export const post = (path, body = {}) => request("POST", path, body);
export const patch = (path, body) => request("PATCH", path, body);
export const remove = (path) => request("DELETE", path);

/** The address of something below /api/admin, for links and event streams. */
export const address = (path) => BASE + path;

/** The path of a job, or of something of it. */
export const jobPath = (id, rest = "") => `/jobs/${encodeURIComponent(id)}${rest}`;

/** The path of something of a checkpoint. */
export const checkpointPath = (job, { phase, name }, rest) =>
  jobPath(job, `/checkpoints/${encodeURIComponent(phase)}/${encodeURIComponent(name)}/${rest}`);

/** @throws {Problem} */
async function request(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(BASE + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem("The server was not reached.");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401 || response.status === 403) {
    throw new Problem("You are signed out. Sign in again in another tab, then try once more.", response.status);
  }
  throw new Problem(
    problem.detail ?? "The server could not do it. Try again in a moment.",
    response.status,
    problem.code,
  );
}
