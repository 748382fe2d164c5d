// dial.js: a line to the kernel that lasts: routes are tried in order, and again when it broke.

import { controlSender } from "./control.js";
import { jupyterBase, notebookLine, notTried, OPEN_MS, routesTo, socketLine } from "./routes.js";

const AGAIN_MS = 500; // after a line broke; longer and longer while there is none
const MOST_AGAIN_MS = 5000;
const COMM_MS = 30_000; // for the widget, which may wait for a cell: then all routes are tried again
const GIVE_UP_MS = 300_000;

/**
 * Dial until it is closed or refused. `listener.heard` gets each message with the name of the route;
 * a line is open once the kernel has said go. `listener.hello` gives what else there is to say first,
 * `listener.takes` whether a route may be used.
 * @param {any} model @param {string} page @param {{port: number, secret: string}} offer
 * @param {{heard: (message: any, route: string) => void, over: () => void, hello?: () => object,
 *   takes?: (route: string) => boolean}} listener
 */
export function lastingLine(model, page, offer, listener) {
  const { hello = () => ({}), takes = () => true } = listener;
  const control = controlSender(model);
  const comm = (/** @type {object} */ content, /** @type {any} */ buffers) => model.send(content, undefined, buffers);
  /** @type {{route: string, why: string}[]} */ let tried = []; // the last time
  const routes = () => {
    tried = notTried(location, jupyterBase(), control !== null);
    return routesTo(location, jupyterBase(), offer.port, control !== null).filter(({ name }) => takes(name));
  };
  /** @type {any} */ let line = null;
  /** @type {any} */ let later;
  let isOpen = false;
  let isOver = false;
  let heard_ms = performance.now();
  let again_ms = AGAIN_MS;
  const dial = (/** @type {{name: string, url: string}[]} */ [route, ...others]) => {
    if (isOver || !route) return;
    const { name, url } = route;
    const first = { kind: "hello", secret: offer.secret, page, route: name, ...hello() };
    const hear = (/** @type {any} */ message) => {
      heard_ms = performance.now();
      if (message.kind === "go") {
        isOpen = true;
        again_ms = AGAIN_MS;
        tried.push({ route: name, why: "the first that answered" });
      }
      listener.heard(message, name);
    };
    const closed = (/** @type {boolean} */ isRefused, /** @type {string} */ why) => {
      const wasOpen = isOpen;
      tried.push({ route: name, why: why || "it could not be reached" });
      isOpen = false;
      if (isRefused || performance.now() - heard_ms > GIVE_UP_MS) listener.over();
      else if (wasOpen || !others.length) {
        later = setTimeout(() => dial(routes()), again_ms);
        again_ms = Math.min(MOST_AGAIN_MS, again_ms * 2);
      } else dial(others);
    };
    if (url) line = socketLine(url, first, hear, closed);
    else if (name === "control" && control) line = notebookLine(control, model, page, first, hear, closed, OPEN_MS);
    else line = notebookLine(comm, model, page, first, hear, closed, COMM_MS);
  };
  dial(routes());
  return {
    get isOpen() { return isOpen; },
    /** Which routes were tried, or not, and what became of it. */
    get tried() { return tried; },
    say: (/** @type {object} */ message) => line.say(message),
    frames: (/** @type {Uint8Array[]} */ frames) => line.frames(frames),
    room: () => (isOpen ? line.room() : 0),
    /** Look for a line anew. */
    again: () => {
      clearTimeout(later);
      isOpen = false;
      line.close();
      dial(routes());
    },
    close: () => {
      clearTimeout(later);
      isOver = true;
      isOpen = false;
      line?.close();
    },
  };
}
