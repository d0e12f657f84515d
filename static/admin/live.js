// What happens to a job, as it happens: server-sent events; while they do not come, asking every few seconds.

import { address, get, jobPath } from "./api.js";

const POLL_MS = 3000;
/** How often a stream that the server refused is tried again. */
const RETRY_MS = 30_000;
const EVENTS = ["started", "progress", "metric", "sample", "evaluation", "checkpoint", "warning", "log", "finished"];

/**
 * Follows a job from the event after `after` on.
 *
 * @param {string} id
 * @param {{after: number, onEvent: (event: object) => void, onJob: (job: object) => void,
 *   onConnection: (state: "live" | "polling" | "offline") => void}} listeners
 */
export function follow(id, { after, onEvent, onJob, onConnection }) {
  let last = after;
  let source = null;
  let pollTimer = null;

  const take = (event) => {
    if (event.sequence <= last) return;
    last = event.sequence;
    onEvent(event);
  };

  function connect() {
    source?.close();
    source = new EventSource(`${address(jobPath(id, "/events"))}?after=${last}`);
    source.addEventListener("open", () => {
      stopPolling();
      onConnection("live");
    });
    for (const name of EVENTS) {
      source.addEventListener(name, ({ data, lastEventId }) =>
        take({ ...JSON.parse(data), sequence: Number(lastEventId) }),
      );
    }
    source.addEventListener("state", ({ data }) => onJob(JSON.parse(data)));
    source.addEventListener("error", () => {
      // The browser tries again by itself, but for what it takes as final.
      startPolling();
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
    });
  }

  function startPolling() {
    if (pollTimer === null) pollTimer = setTimeout(poll, 0);
  }

  function stopPolling() {
    clearTimeout(pollTimer);
    pollTimer = null;
  }

  async function poll() {
    try {
      const page = await get(jobPath(id, `/events?after=${last}&limit=1000`));
      page.events.forEach(take);
      onJob(await get(jobPath(id)));
      if (pollTimer !== null) onConnection("polling");
    } catch {
      if (pollTimer !== null) onConnection("offline");
    }
    if (pollTimer !== null) pollTimer = setTimeout(poll, POLL_MS);
  }

  connect();
}
