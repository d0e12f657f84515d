// Sending photos: a queue with few uploads at a time, and one upload with progress and retries.

import { asJpeg } from "./jpeg.js";

const DEFAULT_WAIT_S = 2;
const LONGEST_WAIT_S = 120;

/** Why a photo got no caption, in words for a person. */
export class UploadError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, retryAfter?: number}} cause `status` 0: the server was not reached;
   *   `retryAfter`: seconds the server asked to wait
   */
  constructor(message, { status = 0, retryAfter } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** Whether the server asked to come back: its queue is full, or its model still loads. */
  get asksToWait() {
    return this.status === 429 || (this.status === 503 && this.retryAfter !== undefined);
  }

  /** Whether nobody is signed in, or no longer. */
  get asksToSignIn() {
    return this.status === 401;
  }

  /** Whether the server reads no files like this one. */
  get isUnreadable() {
    return this.status === 415;
  }

  /** Whether the same photo may well succeed later. */
  get worthRetrying() {
    return [0, 401, 403, 408, 429].includes(this.status) || this.status >= 500;
  }
}

/** Runs jobs in the order they came, at most `limit` at a time. */
export class UploadQueue {
  #limit;
  #running = 0;
  #waiting = [];

  constructor(limit) {
    this.#limit = limit;
  }

  /** @param {() => Promise<void>} job must not reject */
  add(job) {
    this.#waiting.push(job);
    this.#fill();
  }

  #fill() {
    while (this.#running < this.#limit && this.#waiting.length > 0) {
      this.#running += 1;
      this.#waiting.shift()().finally(() => {
        this.#running -= 1;
        this.#fill();
      });
    }
  }
}

/**
 * Captions one photo. One of a kind that the server does not read but this browser does, as AVIF and the HEIC of
 * iPhones may be, is drawn anew as a JPEG and sent as that.
 * @param {{url: string, photo: File, options: Object<string, number>, signal: AbortSignal}} request
 * @param {{onProgress: (percent: number) => void, onSent: () => void, onBusy: (seconds: number) => void}} watcher
 * @returns {Promise<object>} the answer of `POST /api/caption`
 * @throws {UploadError} or the signal's reason when aborted
 */
export async function captionPhoto(request, watcher) {
  try {
    return await sendPatiently(request, watcher);
  } catch (error) {
    const jpeg = error.isUnreadable ? await asJpeg(request.photo) : null;
    if (jpeg === null) throw error;
    return await sendPatiently({ ...request, photo: jpeg }, watcher);
  }
}

/**
 * Where the server asks to wait, waits and tries again for as long as that takes: a busy server is no reason to
 * fail a photo.
 */
async function sendPatiently(request, watcher) {
  for (;;) {
    try {
      return await send(request, watcher);
    } catch (error) {
      if (!error.asksToWait) throw error;
      const seconds = Math.min(error.retryAfter ?? DEFAULT_WAIT_S, LONGEST_WAIT_S);
      watcher.onBusy(seconds);
      await pause(seconds, request.signal);
    }
  }
}

/** One request. XMLHttpRequest, because fetch reports no upload progress. */
function send({ url, photo, options, signal }, { onProgress, onSent }) {
  const body = new FormData();
  // Options first: the server has read them when the photo arrives.
  for (const [name, value] of Object.entries(options)) body.append(name, String(value));
  body.append("image", photo, photo.name);

  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort, { once: true });
    request.addEventListener("loadend", () => signal.removeEventListener("abort", abort));

    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable && event.total > 0) onProgress((100 * event.loaded) / event.total);
    });
    request.upload.addEventListener("load", onSent);
    request.addEventListener("load", () => {
      const answer = parseJson(request.responseText);
      if (request.status === 200 && answer !== null) resolve(answer);
      else reject(refusal(request, answer));
    });
    request.addEventListener("error", () => {
      reject(new UploadError("The photo could not be sent. Check the connection and that the file is still there."));
    });
    request.addEventListener("abort", () => reject(signal.reason));

    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.send(body);
  });
}

/** The server's own words where it gave any (problem+json), else words for the status. */
function refusal(request, problem) {
  const { status } = request;
  const wait = Number.parseInt(request.getResponseHeader("Retry-After") ?? "", 10);
  const retryAfter = Number.isFinite(wait) && wait >= 0 ? wait : undefined;
  // What the API says of keys is for programs.
  const said = status === 401 ? undefined : (problem?.detail ?? problem?.title);
  return new UploadError(said ?? wordsFor(status), { status, retryAfter });
}

function wordsFor(status) {
  if (status === 401) return "Sign in, then try again.";
  if (status === 413) return "This file is too large.";
  if (status === 429) return "The server is busy. Try again in a moment.";
  if (status >= 500) return "The server could not caption this photo. Try again in a moment.";
  return `The server gave an answer that this page does not understand (status ${status}).`;
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Waits, or rejects with the signal's reason as soon as it is aborted. */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, seconds * 1000);
    signal.addEventListener("abort", abort, { once: true });
  });
}
