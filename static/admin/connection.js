// A word above the page on whether it hears of the server.

import { el, setText } from "./dom.js";

const TEXTS = {
  live: "",
  polling: "The live connection is interrupted: asking every few seconds instead.",
  offline: "The server cannot be reached. This page goes on as soon as it can.",
};

const host = document.getElementById("connection");

/**
 * What is known of the connection after a question that failed.
 *
 * @param {import("./api.js").Problem} error
 * @returns {"offline" | "signed-out" | "refused"}
 */
export function connectionAfter({ status }) {
  if (status === 401 || status === 403) return "signed-out";
  return status === undefined || status === 0 ? "offline" : "refused";
}

/** Says how it is; `reason` is what the server has said. */
export function showConnection(state, reason = "") {
  host.hidden = state === "live";
  if (host.dataset.state === state && state === "signed-out") return;
  host.dataset.state = state;
  if (state === "signed-out") host.replaceChildren(...signInElements());
  else setText(host, TEXTS[state] ?? reason);
}

/** After signing in, the same page is shown. */
function signInElements() {
  const back = encodeURIComponent(location.pathname + location.search);
  return ["You are signed out. ", el("a", { href: `/sign-in?next=${back}` }, "Sign in"), " to see this page go on."];
}
