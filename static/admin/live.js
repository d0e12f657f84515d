// What happens to a job, as it happens: server-sent events; while they do not come, asking every few seconds.

import { address, get, jobPath } from "./api.js";
import { connectionAfter } from "./connection.js";
import { hasEnded } from "./words.js";

const POLL_MS = 3000;
/** How often a hidden tab asks, for its title and the notification, and one whose session has ended. */
const RARE_POLL_MS = 15_000;
/** How often a stream that the server refused is tried again. */
const RETRY_MS = 30_000;
const EVENTS = ["started", "progress", "metric", "sample", "evaluation", "checkpoint", "warning", "log", "finished"];

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/**
 * Follows a job from the event after `after` on, until it has ended; once it is known to go on, again.
 *
 * A browser has six connections to a site, and a stream holds one: so there is none in a hidden tab.
 *
 * @param {string} id
 * @param {{after: number, onEvent: (event: object) => void, onJob: (job: object) => void,
 *   onConnection: (state: "live" | "polling" | "offline" | "signed-out" | "refused", reason?: string) => void
 * }} listeners
 * @returns {{look: (job: object) => void}} to be told of the job as it is known from elsewhere
 */
export function follow(id, { after, onEvent, onJob, onConnection }) {
  let last = after;
  let source = null;
  let retryTimer = null;
  /** The round of questions that goes on. */
  let asking = null;
  /** Whether the job has ended and everything of it was received. */
  let complete = false;

  function take(event) {
    if (event.sequence <= last) return;
    last = event.sequence;
    onEvent(event);
  }

  function takeJob(job) {
    complete = hasEnded(job) && last >= job.last_sequence;
    if (complete) {
      rest();
      onConnection("live");
    }
    onJob(job);
  }

  function begin() {
    rest();
    if (document.hidden) ask();
    else connect();
  }

  function rest() {
    source?.close();
    clearTimeout(retryTimer);
    asking = null;
  }

  function connect() {
    source?.close();
    source = new EventSource(`${address(jobPath(id, "/events"))}?after=${last}`);
    source.addEventListener("open", () => {
      asking = null;
      onConnection("live");
    });
    for (const name of EVENTS) {
      source.addEventListener(name, ({ data, lastEventId }) =>
        take({ ...JSON.parse(data), sequence: Number(lastEventId) }),
      );
    }
    source.addEventListener("state", ({ data }) => takeJob(JSON.parse(data)));
    source.addEventListener("error", () => {
      // The browser tries again by itself, but for what it takes as final.
      ask();
      if (source.readyState === EventSource.CLOSED) retryTimer = setTimeout(connect, RETRY_MS);
    });
  }

  async function ask() {
    if (asking !== null) return;
    const round = Symbol("round");
    asking = round;
    // A page that is left is hidden first: it asks nothing any more.
    if (document.hidden) await pause(RARE_POLL_MS);
    while (asking === round) {
      const state = await askOnce(round);
      await pause(document.hidden || state === "signed-out" ? RARE_POLL_MS : POLL_MS);
    }
  }

  /** Gives what is known of the connection then. */
  async function askOnce(round) {
    const tell = (state, reason) => asking === round && !document.hidden && onConnection(state, reason);
    try {
      const page = await get(jobPath(id, `/events?after=${last}&limit=1000`));
      page.events.forEach(take);
      const job = await get(jobPath(id));
      if (asking !== round) return "polling";
      tell("polling");
      takeJob(job);
      return "polling";
    } catch (error) {
      const state = connectionAfter(error);
      tell(state, error.message);
      return state;
    }
  }

  document.addEventListener("visibilitychange", () => {
    // What has ended is looked at once more: somebody else may have resumed it.
    if (!document.hidden || !complete) begin();
  });
  begin();
  return {
    look(job) {
      if (!complete || hasEnded(job)) return;
      complete = false;
      begin();
    },
  };
}
